//! `srnn demo`, as small as it goes.

use crate::room::Room;

/// Checks that tags are closed in the order in which they were opened.
pub fn assert_svg(text: &str) {
    assert!(text.starts_with("<svg ") && text.contains("xmlns=\"http://www.w3.org/2000/svg\""));
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag is closed");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(text.contains("SRNN(8,2)") || text.contains("SRNN(2,2)"), "the slicings are named");
}

#[test]
fn the_demo_draws_a_plot_and_overwrites_nothing() {
    let room = Room::new();
    room.write("srnn-demo.svg", "mine");
    let run = room.srnn("demo --epochs 1 --lengths 64,128 --device cpu").succeeds();
    assert_eq!(room.text("srnn-demo.svg"), "mine");
    assert_svg(&room.text("srnn-demo-2.svg"));
    assert_eq!(room.contents(".").len(), 2);
    assert!(run.err.contains("data: 3620 e-mails to train, 518 to validate, 1034 for the test; spam or ham"));
    for part in ["SRNN(8,2)", "plain GRU", "test accuracy", "step bound", "plot: srnn-demo-2.svg\n"] {
        assert!(run.out.contains(part), "{part}:\n{}", run.out);
    }
}

#[test]
fn bad_settings_are_refused_before_any_work() {
    let room = Room::new();
    room.write("mine.svg", "mine");
    let demo = |options: &str| room.srnn(&format!("demo --device cpu {options}"));
    demo("--plot mine.svg").refused("mine.svg is there already: give another name, or --force to overwrite");
    demo("--plot no/plot.svg").refused("no/plot.svg cannot be written: there is no directory no");
    demo("--lengths 999999999").refused("1 sequences of 999999999 tokens: at most 268435456 tokens are timed");
    demo("--plot . --force").refused(". is a directory: give the name of a file");
    demo("--lengths 128,32").refused("--lengths 32: SRNN(8,2) has 64 slices, so 64 is the shortest");
    demo("--epochs 0").misused("invalid value '0' for '--epochs <N>'");
    assert_eq!(room.contents("."), [("mine.svg".to_string(), b"mine".to_vec())].into());
}
