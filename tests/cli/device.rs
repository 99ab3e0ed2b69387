//! Choosing a device: `srnn devices`, `srnn doctor`, `--device`, and `--help` of every command.

use crate::room::{Room, Run, training};
use srnn::engine::gpu::CACHE;
use std::path::Path;

#[test]
fn every_command_explains_itself() {
    let room = Room::new();
    let help = room.srnn("--help").succeeds().out;
    for name in ["demo", "train", "eval", "predict", "bench", "devices", "doctor", "tune"] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}:\n{help}");
        let own = room.srnn(&format!("{name} --help")).succeeds().out;
        assert!(own.contains(&format!("Usage: srnn{} {name}", std::env::consts::EXE_SUFFIX)), "{own}");
        assert!(own.contains("--help"), "{own}");
    }
    let version = room.srnn("--version").succeeds().out;
    assert_eq!(version, format!("srnn {}\n", env!("CARGO_PKG_VERSION")));
    room.srnn("trian").misused("unrecognized subcommand 'trian'");
    assert!(room.contents(".").is_empty());
}

#[test]
fn devices_lists_the_cpu_and_what_auto_takes() {
    let out = Room::new().srnn("devices").succeeds().out;
    assert!(out.contains("cpu: the CPU engine, ") && out.contains("\nauto takes "), "{out}");
}

#[test]
fn the_doctor_does_not_compare_the_cpu_engine_with_itself() {
    Room::new().srnn("doctor --device cpu").refused("there is nothing to check");
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_gpu_passes_the_doctor() {
    // Of some kernels, as llvmpipe takes minutes to compile all; scripts/check-drivers has the whole doctor on another driver.
    let run = Room::new().srnn("doctor --device gpu --kernel matmul --kernel transpose").succeeds();
    assert!(run.out.ends_with("are within tolerance\n"), "{}", run.out);
    assert!(run.out.contains("matmul") && !run.out.contains("_forward"), "{}", run.out);
    assert!(!run.out.contains("CPU engine"), "{}", run.out);
}

#[test]
fn the_doctor_knows_its_kernels() {
    Room::new().srnn("doctor --kernel matmull").misused("'matmull'");
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_gpu_trains_and_its_model_runs_on_the_cpu() {
    let room = Room::with_reviews();
    room.train(&[("--device", "gpu"), ("--epochs", "6")]).succeeds();
    let eval = room.srnn("eval out reviews.tsv --device cpu").succeeds();
    assert!(eval.out.starts_with("60 sequences: accuracy 100.00 %"), "{}", eval.out);
    room.srnn("doctor --device gpu:99").refused("there is no gpu:99: gpu:0 is ");
    room.train(&[("--device", "gpu:99"), ("--out", "none")]).refused("there is no gpu:99: gpu:0 is ");
    assert!(!room.has("none"));
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn a_tuning_is_measured_and_remembered() {
    let room = Room::new();
    let run = |arguments: &str, level: &str| {
        let mut command = room.command();
        command.env(CACHE, room.path("cache")).env("RUST_LOG", level).args(arguments.split(' '));
        Run::from(&mut command).succeeds()
    };
    let tuned = run("tune --device gpu", "srnn=warn");
    let file = Path::new("cache").join("tuning.json").display().to_string();
    assert!(tuned.out.contains(" workgroups fill ") && tuned.out.contains(&file), "{}", tuned.out);
    let kept = room.json("cache/tuning.json");
    let [(adapter, tuning)] = &kept.as_object().unwrap().iter().collect::<Vec<_>>()[..] else { panic!("{kept}") };
    assert!(tuned.err.contains(adapter.split(',').next().unwrap()), "{adapter}: {}", tuned.err);
    let chosen = format!("{} workgroups fill ", tuning["workgroups"]);
    assert!(tuned.out.contains(&chosen), "{}", tuned.out);
    let bench = "bench --device gpu --slices rnn --lengths 4 --repeats 1 --vocabulary 9";
    let read = run(bench, "srnn=info").err;
    assert!(read.contains("as was measured"), "{read}");
    let odd = kept.to_string().replace(&format!("\"product\":{}", tuning["product"]), "\"product\":\"odd\"");
    assert_ne!(odd, kept.to_string(), "the tuning has a product");
    room.write("cache/tuning.json", &odd);
    assert!(!run(bench, "srnn=info").err.contains("as was measured"));
    room.write("cache/tuning.json", "{");
    assert!(run(bench, "srnn=info").err.contains("no tunings could be read"));
    room.srnn("tune --device cpu").refused("the CPU engine has nothing to tune");
}

/// A cache that cannot be read or written is no reason to fail, and one that can holds the compiled pipelines.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn compiled_pipelines_are_kept() {
    let room = Room::with_reviews();
    let run = |cache: &str, out: &str| {
        let options = [("--device", "gpu"), ("--epochs", "1"), ("--out", out)];
        let mut command = room.command();
        Run::from(command.env(CACHE, room.path(cache)).args(training("reviews.tsv", &options))).succeeds()
    };
    assert!(!run("cache", "cold").err.contains("cache"));
    let kept = if room.has("cache") { room.contents("cache") } else { Default::default() };
    // Backends other than Vulkan keep none, and a software adapter may keep none in its file.
    for (name, contents) in &kept {
        assert!(!run("cache", "warm").err.contains("cache"));
        room.write(&format!("cache/{name}"), &contents[..contents.len() / 2]);
        assert!(!run("cache", "damaged").err.contains("cache"));
        assert!(room.read(&format!("cache/{name}")).len() > contents.len() / 2);
        assert!(run("reviews.tsv", "nowhere").err.contains("the cache could not be written"));
    }
    let models: Vec<_> = room.contents(".").into_keys().filter(|name| name.ends_with("model.safetensors")).collect();
    assert_eq!(models.len(), if kept.is_empty() { 1 } else { 4 });
}

#[test]
fn unknown_devices_are_refused() {
    let room = Room::with_reviews();
    for device in ["cuda", "gpu:", "gpu:x", "GPU"] {
        let words = format!("unknown device `{device}`: use auto, cpu, gpu or gpu:N (`srnn devices` lists them)");
        room.train(&[("--device", device)]).misused(&words);
    }
    assert!(!room.has("out"));
}

/// The command with no driver in sight, neither for Vulkan nor for GL.
#[cfg(target_os = "linux")]
fn without_drivers(room: &Room) -> assert_cmd::Command {
    let mut command = room.command();
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "__EGL_VENDOR_LIBRARY_FILENAMES"] {
        command.env(variable, room.path("no-such-driver.json"));
    }
    command
}

#[test]
#[cfg(target_os = "linux")]
fn without_an_adapter_the_advice_is_what_to_install() {
    let room = Room::with_reviews();
    let advice = "no GPU adapter was found: install a Vulkan driver (on Debian and Ubuntu: \
                  `apt install libvulkan1 mesa-vulkan-drivers`";
    for arguments in ["doctor --device gpu", "bench --device gpu", "demo --device gpu:0"] {
        Run::from(without_drivers(&room).args(arguments.split(' '))).refused(advice);
    }
    Run::from(without_drivers(&room).args(training("reviews.tsv", &[("--device", "gpu")]))).refused(advice);
    assert!(!room.has("out"));
    let listed = Run::from(without_drivers(&room).arg("devices")).succeeds().out;
    assert!(listed.starts_with(advice) && listed.contains("auto takes the CPU engine: no GPU was found"), "{listed}");
    let auto = Run::from(without_drivers(&room).args(training("reviews.tsv", &[("--device", "auto")])));
    assert!(auto.succeeds().err.contains("device: CPU engine, "));
}
