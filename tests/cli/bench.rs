//! `srnn bench`: the table, the numbers and the plot.

use crate::demo::assert_svg;
use crate::room::{Room, Run};

const SMALL: &str = "--slices rnn,2x2 --lengths 16,32 --hidden 4 --input 4 --vocabulary 50 --repeats 2";

fn bench(room: &Room, options: &str) -> Run {
    room.srnn(&format!("bench --device cpu {SMALL} {options}"))
}

#[test]
fn training_and_inference_are_timed() {
    let room = Room::new();
    for (mode, name) in [("train", "Training step"), ("infer", "Inference")] {
        let run = bench(&room, &format!("--mode {mode} --json {mode}.json --plot {mode}.svg --batch 2")).succeeds();
        assert!(run.out.ends_with(&format!("numbers: {mode}.json\nplot: {mode}.svg\n")), "{}", run.out);
        assert!(run.err.contains(&format!("timed {name} at T = 16\ntimed {name} at T = 32\n")), "{}", run.err);
        assert_svg(&room.text(&format!("{mode}.svg")));
        let report = room.json(&format!("{mode}.json"));
        assert_eq!((&report["results"][0]["mode"], &report["batch"]), (&mode.into(), &2.into()));
        assert!(report["ceilings"]["gflops"].as_f64().unwrap() > 0.0);
        let timings = report["results"][0]["timings"].as_array().unwrap();
        let places: Vec<(&str, u64)> = timings
            .iter()
            .map(|timing| (timing["slicing"].as_str().unwrap(), timing["length"].as_u64().unwrap()))
            .collect();
        assert_eq!(places, [("rnn", 16), ("2x2", 16), ("rnn", 32), ("2x2", 32)]);
        for timing in timings {
            let [min, median, max, speedup] =
                ["min", "median", "max", "speedup"].map(|name| timing[name].as_f64().unwrap());
            assert!(0.0 < min && min <= median && median <= max && speedup > 0.0);
            assert_eq!(timing["repeats"], 2);
        }
        // 16 / (16/4 + 2·2)
        assert_eq!(timings[1]["bound"], 2.0);
    }
}

#[test]
fn slicings_can_suit_the_length_and_kernels_be_profiled() {
    let room = Room::new();
    let sizes = "--lengths 32 --hidden 4 --input 4 --vocabulary 50 --repeats 2 --device cpu";
    let files = "--profile trace.json --plot best.svg";
    let run = room.srnn(&format!("bench --slices auto --mode both {sizes} {files}")).succeeds();
    for words in
        ["Training step, the best slicing of each length", "Inference, 8x1, T = 32", "gru_backward", "ceilings: "]
    {
        assert!(run.out.contains(words), "{words} in {}", run.out);
    }
    assert!(room.text("best.svg").contains("Inference, the best slicing"));
    let trace = room.json("trace.json");
    let events = trace["traceEvents"].as_array().unwrap();
    let processes: Vec<&str> =
        events.iter().filter(|e| e["ph"] == "M").map(|e| e["args"]["name"].as_str().unwrap()).collect();
    assert_eq!(processes.len(), 6, "{processes:?}");
    assert!(events.iter().filter(|e| e["ph"] == "X").all(|e| e["dur"].as_f64().unwrap() >= 0.0));
    let run = bench(&room, "--first-step").succeeds();
    assert!(
        run.out.starts_with("Training step done ") && run.out.ends_with(" s after the device was asked for\n"),
        "{}",
        run.out
    );
    room.srnn("bench --paper --lengths 32").misused("the argument '--paper' cannot be used with '--lengths <T,…>'");
    bench(&room, "--profile trace.json").refused("trace.json is there already");
}

#[test]
fn results_are_overwritten_only_when_asked() {
    let room = Room::new();
    room.write("mine.svg", "mine");
    room.write("mine.json", "mine");
    bench(&room, "--plot mine.svg").refused("mine.svg is there already: give another name, or --force to overwrite");
    bench(&room, "--json mine.json").refused("mine.json is there already");
    bench(&room, "--json new --plot new").refused("new: --json, --plot and --profile need a file each");
    room.srnn("bench --numeric --input 16777216 --lengths 16777216 --batch 1 --slices rnn --device cpu")
        .refused("at most 1073741824 numbers are timed");
    assert_eq!((room.text("mine.svg"), room.text("mine.json")), ("mine".into(), "mine".into()));
    bench(&room, "--json mine.json --force").succeeds();
    assert!(room.json("mine.json")["results"].is_array());
}

#[test]
#[cfg(unix)]
fn numbers_can_go_to_standard_output_and_a_full_disk_is_told() {
    let room = Room::new();
    let run = bench(&room, "--json /dev/stdout").succeeds();
    let (begin, end) = (run.out.find("\n{").unwrap(), run.out.rfind("\n}").unwrap());
    let report: serde_json::Value = serde_json::from_str(&run.out[begin..end + 2]).unwrap();
    assert!(report["results"].is_array());
    if cfg!(target_os = "linux") {
        let run = bench(&room, "--json /dev/full");
        let run = Run { out: String::new(), ..run };
        run.refused("/dev/full: could not be written: No space left on device");
    }
}

#[test]
fn bad_settings_are_refused_before_any_work() {
    let room = Room::new();
    let refused = |options: &str, words: &str| {
        let run = room.srnn(&format!("bench --device cpu {options}"));
        assert!(!run.err.contains("device: ") && run.out.is_empty(), "{options}: {}{}", run.err, run.out);
        run.refused(words);
    };
    refused("--lengths 0", "--lengths 0: it must be at least 1");
    refused("--batch 0", "--batch 0: it must be at least 1");
    refused("--repeats 0", "--repeats 0: it must be at least 1");
    refused("--vocabulary 0", "--vocabulary 0: it must be at least 1");
    refused("--hidden 0", "--hidden 0: it must be at least 1");
    refused("--input 0", "--input 0: it must be at least 1");
    refused("--slices 8x4 --lengths 512", "4096 slices of 512 steps leave slices empty");
    refused("--slices 8x2 --plot a.svg", "--plot draws speed-ups over the plain network: give rnn and a slicing");
    refused("--json no/a.json", "no/a.json cannot be written: there is no directory no");
    refused("--vocabulary 4294967296", "--vocabulary 4294967296: it must be at most");
    refused("--lengths 2 --slices auto --plot a.svg", "or longer --lengths");
    refused("--first-step --batch 100000000 --lengths 1000000", "at most 268435456 tokens are timed");
    // What a step needs is known on the device alone.
    let run = room.srnn("bench --device cpu --lengths 64 --memory 1000 --repeats 1");
    Run { out: String::new(), ..run }.refused("raise --memory");
    room.srnn("bench --lengths 12x").misused("invalid value '12x' for '--lengths <T,…>'");
    room.srnn("bench --mode neither").misused("invalid value 'neither' for '--mode <MODE>'");
    assert!(room.contents(".").is_empty());
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_gpu_can_be_timed() {
    let room = Room::new();
    let run = room.srnn(&format!("bench --device gpu {SMALL} --json a.json")).succeeds();
    // A driver may have said something before.
    assert!(run.err.contains("device: ") && run.err.contains("(as asked)"), "{}", run.err);
    assert_eq!(room.json("a.json")["results"][0]["timings"].as_array().unwrap().len(), 4);
}
