//! Whatever is in a file of at most 5 MB, the command takes less than 300 MB for it: data of every format as large, as many-pieced
//! and as tightly packed as may be, and files of models.
#![cfg(target_os = "linux")]

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: usize = 5_000_000;
const PEAK_MB: i64 = 300;

/// Runs the command, and tells the most memory that it held at a time, in MB, and its last words.
fn peak(folder: &Path, arguments: &str) -> (i64, String) {
    #[expect(clippy::zombie_processes, reason = "wait4 does, which clippy does not know")]
    let mut child = Command::new(env!("CARGO_BIN_EXE_srnn"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    let mut status = 0;
    // SAFETY: plain numbers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is this process's own, nobody else waits for it, and both places live through the call.
    let ended = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    assert_eq!(ended, child.id() as i32);
    let told = libc::WIFEXITED(status) && [0, 1].contains(&libc::WEXITSTATUS(status));
    assert!(told && !words.contains("panicked"), "{arguments}: {status}: {words}");
    (usage.ru_maxrss / 1000, words.lines().last().unwrap_or_default().to_string())
}

/// `unit` over and over behind `head`, packed by gzip until that has `bytes`, or what is packed has `most`.
fn packed(head: &[u8], unit: &[u8], bytes: usize, most: usize) -> Vec<u8> {
    let unit = unit.repeat((1 << 16) / unit.len() + 1);
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(head).unwrap();
    let mut all = 0;
    while packer.get_ref().len() < bytes && all < most {
        packer.write_all(&unit).unwrap();
        all += unit.len();
    }
    packer.finish().unwrap()
}

/// Makes the bytes of a file.
type Make<'a> = Box<dyn Fn() -> Vec<u8> + 'a>;

fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let dimensions = sizes.len() as u8;
    let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, 8, dimensions].into_iter().chain(sizes).chain(bytes.iter().copied()).collect()
}

/// As much as gzip cannot pack.
fn noise() -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..4_500_000).map(|_| next()).collect()
}

fn table(rows: &[u8]) -> Vec<u8> {
    [b"text\tlabel\n", rows].concat()
}

/// Numbers with something between them, of as many bytes as a file may have.
fn counted(line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut all = Vec::with_capacity(FILE);
    for number in 0.. {
        let own = line(number);
        if all.len() + own.len() > FILE {
            break;
        }
        all.extend(own.into_bytes());
    }
    all
}

#[test]
fn data() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("y4.npy", &npy("|u1", "(4,)", &[0, 1, 0, 1]));
    write("y4.idx", &idx(&[4], &[0, 1, 0, 1]));
    // Each is made when its turn comes: what this process holds counts for its children.
    let cases: Vec<(&str, Make, &str)> = vec![
        ("words.tsv", Box::new(move || long("a ")), ""),
        ("marks.tsv", Box::new(move || long("!")), ""),
        ("dots.tsv", Box::new(move || long("…")), ""),
        ("accents.tsv", Box::new(move || long("e\u{301}")), ""),
        ("bytes.tsv", Box::new(move || long("a")), "--tokens bytes"),
        ("rows.tsv", Box::new(move || table(&b"a\ta\nb\tb\n".repeat(FILE / 8))), "--batch 9999"),
        (
            "rows.csv",
            Box::new(move || [&b"text,label\n"[..], &b"a,a\nb,b\n".repeat(FILE / 8)].concat()),
            "--batch 9999",
        ),
        (
            "rows.jsonl",
            Box::new(move || b"{\"text\":\"a\",\"label\":1}\n{\"text\":\"a\",\"label\":2}\n".repeat(FILE / 48)),
            "--batch 9999",
        ),
        (
            "keys.jsonl",
            Box::new(move || [&b"{\"text\":\"a\""[..], &counted(|n| format!(",\"{n:x}\":1")), b"}\n"].concat()),
            "",
        ),
        ("nested.jsonl", Box::new(move || [b"{\"text\":".to_vec(), b"[".repeat(FILE)].concat()), ""),
        ("new.tsv", Box::new(move || table(&counted(|n| format!("{n:x}\t{}\n", n % 2)))), ""),
        ("classes.tsv", Box::new(move || table(&counted(|n| format!("a\t{:x}\n", n / 2)))), ""),
        ("labels.tsv", Box::new(move || table(&counted(|n| format!("a\t{n:x},{n}\n")))), "--task labels"),
        (
            "marked.tsv",
            Box::new(move || table(&counted(|n| format!("a\t{}\n", if n < 400 { n } else { n % 2 })))),
            "--task labels --batch 999",
        ),
        (
            "numbers.tsv",
            Box::new(move || table(&counted(|n| format!("a\t{}\n", n % 9)))),
            "--task regression --batch 9999",
        ),
        (
            "long.ucr",
            Box::new(move || [&b"1"[..], &b"\t1".repeat(FILE / 2), b"\n2\t1\n1\t2\n2\t3\n"].concat()),
            "--format ucr",
        ),
        (
            "gap.ucr",
            Box::new(move || [&b"1\t1"[..], &b"\t".repeat(FILE), b"1\n2\t1\n1\t2\n2\t3\n"].concat()),
            "--format ucr",
        ),
        ("rows.ucr", Box::new(move || b"1\t1\n2\t2\n".repeat(FILE / 8)), "--format ucr --batch 9999"),
        ("steps.npy", Box::new(move || npy("|u1", "(4, 1250000)", &vec![1; FILE])), "--labels y4.npy"),
        ("rows.npy", Box::new(move || npy("|u1", "(5000000, 1)", &vec![1; FILE])), "--labels y4.npy"),
        ("pixels", Box::new(move || idx(&[4, 1, 1_250_000], &vec![1; FILE])), "--format idx --labels y4.idx"),
        (
            "words.tsv.gz",
            Box::new(move || packed(&table(b""), b"the film was good\ta\nno no\tb\n", FILE, 700 << 20)),
            "",
        ),
        (
            "full.tsv.gz",
            Box::new(move || packed(&table(&noise_text()), b"a fine film\ta\nno\tb\n", FILE, 20 << 20)),
            "--batch 9999",
        ),
        ("line.tsv.gz", Box::new(move || packed(&table(b""), b"a ", FILE, 700 << 20)), ""),
        ("rows.ucr.gz", Box::new(move || packed(b"", b"1\t1\n2\t2\n", FILE, 700 << 20)), "--format ucr"),
        (
            "steps.npy.gz",
            Box::new(move || packed(&npy("|u1", "(4, 200000000)", b""), &[0; 4096], FILE, 800 << 20)),
            "--labels y4.npy",
        ),
        (
            "rows.npy.gz",
            Box::new(move || packed(&npy("|u1", "(800000000, 1)", b""), &[0; 4096], FILE, 800 << 20)),
            "--labels y4.npy",
        ),
        (
            "wide.npy.gz",
            Box::new(move || packed(&npy("<f8", "(4, 25000000)", b""), &[0; 4096], FILE, 800 << 20)),
            "--labels y4.npy",
        ),
        ("full.npy.gz", Box::new(move || full(20 << 20)), "--labels y4.npy"),
        (
            "pixels.gz",
            Box::new(move || packed(&idx(&[800_000, 32, 32], b""), &[0; 4096], FILE, 800 << 20)),
            "--format idx",
        ),
    ];
    for (name, make, options) in cases {
        let bytes = make();
        assert!(bytes.len() < FILE + 300_000, "{name}");
        write(name, &bytes);
        drop(bytes);
        let usual = "--out out --force --epochs 1 --device cpu --hidden 2 --slices 2x1 --length 16";
        let (peak, words) = peak(folder, &format!("train {name} {usual} {options}"));
        println!("{name}: {peak} MB: {words}");
        assert!(peak < PEAK_MB, "{name}: {peak} MB: {words}");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}

/// A text of this over and over, and three short ones.
fn long(unit: &str) -> Vec<u8> {
    table(&[unit.repeat(FILE / unit.len()).as_bytes(), b"\ta\nx\tb\nx\ta\nx\tb\n"].concat())
}

/// Words that no packer makes much smaller, with labels.
fn noise_text() -> Vec<u8> {
    let letters = noise().into_iter().take(3_500_000);
    letters.enumerate().flat_map(|(at, byte)| word(at, b'a' + byte % 26)).collect()
}

fn word(at: usize, letter: u8) -> Vec<u8> {
    match at % 60 {
        59 => [&b" "[..], &[letter], if at % 120 == 59 { &b"\ta\n"[..] } else { b"\tb\n" }].concat(),
        place if place % 6 == 5 => vec![letter, b' '],
        _ => vec![letter],
    }
}

/// An array of noise and zeros, packed: as much as the limits let through.
fn full(zeros: usize) -> Vec<u8> {
    let noise = noise();
    let steps = (noise.len() + zeros) / 4;
    let head = npy("|u1", &format!("(4, {steps})"), &noise);
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&head).unwrap();
    packer.write_all(&vec![0; 4 * steps - noise.len()]).unwrap();
    packer.finish().unwrap()
}

#[test]
fn models() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let rows = "a fine film\tgood\na dull film\tbad\n".repeat(20);
    std::fs::write(folder.join("t.tsv"), format!("text\tlabel\n{rows}")).unwrap();
    peak(folder, "train t.tsv --out m --epochs 1 --device cpu --hidden 2 --embedding 2 --slices 2x1 --length 16");
    let read = |name: &str| std::fs::read_to_string(folder.join("m").join(name)).unwrap();
    // Without checksums, so that what is in the files is looked at.
    let config = read("config.json").replace("srnn-3", "srnn-2");
    let config = config.split(",\n  \"files\"").next().unwrap().to_string() + "\n}\n";
    std::fs::write(folder.join("m/config.json"), &config).unwrap();
    let tokenizer = read("tokenizer.json");
    let keys = String::from_utf8(counted(|n| format!("{}\"{n:x}\":1", if n > 0 { "," } else { "" }))).unwrap();
    let part = |name: &str, value: String| {
        assert!(tokenizer.contains(&format!("\"{name}\":")));
        tokenizer.replacen(&format!("\"{name}\":"), &format!("\"{name}\":{value},\"more\":"), 1).into_bytes()
    };
    let list = |name: &str, item: &str| {
        format!("{{\"type\":\"Sequence\",\"{name}\":[{}]}}", vec![item; FILE / (item.len() + 1)].join(","))
    };
    let split = r#"{"type":"Split","pattern":{"Regex":"\\p{L}{1,40}"},"behavior":"Isolated","invert":false}"#;
    let mut eight: serde_json::Value = serde_json::from_str(&tokenizer).unwrap();
    let split_value: serde_json::Value = serde_json::from_str(split).unwrap();
    eight["pre_tokenizer"] = serde_json::json!({"type": "Sequence", "pretokenizers": vec![split_value; 8]});
    let tensors = |header: String| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let empty = |n: usize| format!(",\"{n:x}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    let many = || format!("{{{}}}", &String::from_utf8(counted(empty)).unwrap()[1..]);
    let words = String::from_utf8(counted(|n| format!(",\"{n:x}\":{}", n + 2))).unwrap();
    let cases: Vec<(&str, Make)> = vec![
        (
            "tokenizer.json",
            Box::new(|| tokenizer.replace("\"[UNK]\": 1", &format!("\"[UNK]\": 1{words}")).into_bytes()),
        ),
        ("tokenizer.json", Box::new(|| part("normalizer", format!("{{{keys}}}")))),
        ("tokenizer.json", Box::new(|| part("normalizer", list("normalizers", r#"{"type":"NFC"}"#)))),
        ("tokenizer.json", Box::new(|| part("pre_tokenizer", list("pretokenizers", r#"{"type":"Whitespace"}"#)))),
        ("tokenizer.json", Box::new(|| part("pre_tokenizer", list("pretokenizers", split)))),
        ("tokenizer.json", Box::new(|| eight.to_string().into_bytes())),
        ("tokenizer.json", Box::new(|| part("decoder", format!("[{}", "[".repeat(FILE))))),
        ("config.json", Box::new(|| config.replace("\"hidden\": 2", "\"hidden\": 16000000").into_bytes())),
        ("config.json", Box::new(|| config.replace("\"format\"", &format!("{keys},\"format\"")).into_bytes())),
        (
            "config.json",
            Box::new(|| config.replace("\"good\"", &format!("\"good\",{}", keys.replace(":1", ""))).into_bytes()),
        ),
        ("model.safetensors", Box::new(|| tensors(many()))),
        (
            "model.safetensors",
            Box::new(|| tensors(format!("{{\"__metadata__\":{{{}}}}}", keys.replace(":1", ":\"\"")))),
        ),
        ("checkpoint.safetensors", Box::new(|| tensors(many()))),
    ];
    for (name, make) in cases {
        let path = folder.join("m").join(name);
        let whole = std::fs::read(&path).unwrap();
        let bytes = make();
        std::fs::write(&path, &bytes).unwrap();
        let length = bytes.len();
        drop(bytes);
        let resume = "train --resume m --epochs 2 --device cpu";
        let (peak, words) = peak(folder, if name.starts_with("ch") { resume } else { "eval m t.tsv --device cpu" });
        let place = words.chars().take(200).collect::<String>();
        println!("{name} of {length} bytes: {peak} MB: {place}");
        assert!(peak < PEAK_MB, "{name}: {peak} MB: {place}");
        std::fs::write(&path, whole).unwrap();
    }
}
