//! What to do about an error of the library, in the words of this command's options.

use crate::Error;
use crate::engine::gpu::adapter::INSTALL_ADVICE;
use crate::error::{LimitKind, Problem};
use clap::CommandFactory;

/// The error, and what to do about it where there is something to say.
pub fn tell(error: &Error) -> String {
    let advice = match error {
        Error::Setting { name, .. } if is_option(name) => {
            return format!("--{}{}", name.replace('_', "-"), error.to_string().trim_start_matches(name));
        }
        Error::Setting { name: "classes", .. } => "is this the label?".to_string(),
        Error::Data { problem, .. } | Error::Model { problem, .. } | Error::Slicing { problem, .. } => of(problem),
        Error::Limit { kind, what, device, .. } => match kind {
            LimitKind::Buffer if what.contains("embedding") => "use a smaller --vocabulary or --embedding",
            LimitKind::Buffer if device.contains("CPU engine") => "use shorter sequences or a smaller hidden size",
            LimitKind::Buffer => "use shorter sequences, a smaller hidden size, or --device cpu",
            LimitKind::Workgroups => "use a smaller --memory, so that the batch is split",
            LimitKind::WorkgroupMemory => "use more --heads, a smaller hidden size, or --device cpu",
            LimitKind::Memory => {
                "raise --memory, or use a smaller --batch, shorter sequences, a smaller hidden size or vocabulary"
            }
            _ => "use --device cpu",
        }
        .into(),
        Error::Diverged(_) => {
            "use a smaller --learning-rate or --clip; what was saved before stays as it was".to_string()
        }
        Error::NoAdapter => format!("{INSTALL_ADVICE}, or use --device cpu"),
        Error::DeviceLost { .. } => {
            "look at the driver; --device-timeout waits longer, --device cpu needs no GPU".into()
        }
        Error::OutOfMemory { .. } => "use a smaller --memory, --batch or vocabulary, or --device cpu".into(),
        Error::WrongKernels { .. } => {
            "try another driver, `srnn doctor`, or --device cpu; --no-self-check trains on it all the same".into()
        }
        Error::Device { .. } => "use a smaller --memory if it ran out of it, or --device cpu".into(),
        _ => String::new(),
    };
    if advice.is_empty() { error.to_string() } else { format!("{error}: {advice}") }
}

/// Whether the setting of the library is an option here, by its name with `-` for `_`.
fn is_option(setting: &str) -> bool {
    let command = super::Cli::command();
    command.get_subcommands().flat_map(|own| own.get_arguments()).any(|option| option.get_id() == setting)
}

fn of(problem: &Problem) -> String {
    match problem {
        Problem::Column { role, .. } => {
            return format!(
                "name the {role} column with --{role}, or, if the first line is no header, say --no-header and its number"
            );
        }
        Problem::Array { .. } => "name its arrays with --keys x=NAME,y=NAME,lengths=NAME",
        Problem::NoColumns(_) => {
            "build it with `cargo install --path . --features columnar`, or write the data as .csv, .jsonl or .npz"
        }
        Problem::Zeros => "name its encoding, as --encoding utf-16le; an archive must be unpacked first",
        Problem::NothingToHoldOut => {
            "give more data, or --valid FILE; where the labels are numbers to be found, say --task regression"
        }
        Problem::NotUtf8 { .. } => "name its encoding, as --encoding latin1, or leave such rows out with --skip-bad-rows",
        Problem::VectorWidth { found, .. } if *found > 0 => return format!("give --embedding {found} or another file"),
        Problem::VectorWidth { .. } => "give another file",
        Problem::EmptySlices { slices, .. } => return format!("use fewer slices, or a length of {slices} or more"),
        Problem::NumbersForClasses => "say --task regression or --task labels",
        Problem::NumbersForTags => "say --task series",
        Problem::StepsTold => "say --task tags or --task series",
        Problem::SequencesTold => "leave out --task tags or --task series, or give targets of every step",
        Problem::NoTargets => {
            "give their file with --labels (--valid-labels, --test-labels), an .npz with them as `y`, or IDX labels beside \
             IDX images"
        }
        Problem::Excess(_) => "if that is meant, --no-limits reads it",
        Problem::TooLarge { .. } => "raise --memory, or use less data",
        Problem::NotNumbers => "give .npy, .npz or IDX, or --format ucr for such text",
        Problem::NoModel => "`srnn train --out DIR` makes one",
        Problem::Occupied => "give another --out, or --force to overwrite",
        Problem::InUse => "wait for it, or give another directory",
        _ => "",
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_options_that_mend_them() {
        let columns = Problem::Column { role: "text", wanted: "body".into(), present: vec!["a".into()] };
        let (device, what) = ("GPU".to_string(), "the step".to_string());
        for (error, words) in [
            (Error::setting("word_dropout", 2, "less than 1"), "--word-dropout 2: it must be less than 1"),
            (
                Error::setting("classes", 9999, "at most 4096"),
                "classes 9999: it must be at most 4096: is this the label?",
            ),
            (
                Error::data("t:1", columns),
                "t:1: has no column `body`, only `a`: name the text column with --text, or, if the first line is no header, say \
                 --no-header and its number",
            ),
            (
                Error::data("g.txt:1", Problem::VectorWidth { found: 3, wanted: 2 }),
                "g.txt:1: has 3 values, and the embedding has 2: give --embedding 3 or another file",
            ),
            (
                Error::Limit { what, needed: 1 << 31, limit: 1536 << 20, device, kind: LimitKind::Buffer },
                "the step needs 2.0 GiB, and the limit of GPU is 1.5 GiB: use shorter sequences, a smaller hidden size, \
                 or --device cpu",
            ),
            (
                Error::Limit {
                    what: "`update` (embedding): buffer `embedding` [count]".into(),
                    needed: 1 << 31,
                    limit: 1536 << 20,
                    device: "a GPU".into(),
                    kind: LimitKind::Buffer,
                },
                "`update` (embedding): buffer `embedding` [count] needs 2.0 GiB, and the limit of a GPU is 1.5 GiB: use a \
                 smaller --vocabulary or --embedding",
            ),
            (Error::Config("as it is".into()), "as it is"),
        ] {
            assert_eq!(tell(&error), words);
        }
    }
}
