//! The data and the curves of a training in words, with the options that mend what is wrong.

use crate::data::{Channel, Truncate};
use crate::listing::quoted;
use crate::network::Task;
use crate::train::dataset::Cut;
use crate::train::survey::{Concern, Lesson, Survey};
use indicatif::HumanCount;

/// Classes, or channels, that are listed one by one.
const LISTED: usize = 6;

/// A line for each thing that is known of the data.
pub fn lines(survey: &Survey, task: Task) -> Vec<String> {
    let count = |number: usize| HumanCount(number as u64);
    let [train, valid, test] = survey.sequences;
    let tested = if test > 0 { format!(", {} for the test", count(test)) } else { String::new() };
    // Long sequences whose every step is told are read in windows.
    let read = if task.of_steps() { "windows" } else { "sequences" };
    let mut lines = vec![format!("data: {} {read} to train, {} to validate{tested}", count(train), count(valid))];
    if !survey.counts.is_empty() {
        let all = survey.counts.iter().map(|(name, times)| format!("{} ({})", quoted(name), count(*times)));
        let all: Vec<String> = all.collect();
        let some = match all.len() {
            0..=LISTED => all.join(", "),
            many => format!("{many}, from {} to {}", all[0], all[many - 1]),
        };
        let told = match task {
            Task::Labels => "labels",
            Task::Tags => "tags of steps",
            _ => "classes",
        };
        lines.push(format!("  {told}: {some}"));
    }
    let [middle, most, longest] = survey.steps.map(count);
    lines.push(format!("  steps: {middle} in the middle, at most {most} in nine of ten {read} and {longest} in all"));
    if let Some([train, valid, test]) = survey.unknown {
        let tested = if survey.sequences[2] > 0 { format!(", {} of the test's", percent(test)) } else { String::new() };
        lines.push(format!(
            "  unknown tokens: {} of those to train, {} of those to validate{tested}",
            percent(train),
            percent(valid)
        ));
    }
    let channels = survey.channels.iter().flat_map(|channels| &channels.each);
    for (at, Channel { least, largest, deviation, own }) in channels.clone().enumerate().take(LISTED) {
        let [least, largest, deviation, few, many] =
            [*least, *largest, *deviation, own[0], own[2]].map(|number| short(number, largest - least));
        lines.push(format!(
            "  channel {at}: from {least} to {largest}, deviation {deviation}; within a sequence mostly from {few} to {many}"
        ));
    }
    if channels.clone().count() > LISTED {
        lines.push(format!("  and {} channels more", channels.count() - LISTED));
    }
    lines.push(format!("  {} updates of the weights in all epochs", count(survey.updates)));
    lines
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A number of data that spans so much, to a thousandth of that.
fn short(number: f64, span: f64) -> String {
    let digits = (3.0 - span.max(1e-12).log10().floor()).clamp(0.0, 15.0) as usize;
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// A concern, and the option that mends it. `truncate`: which end of long sequences is dropped.
pub fn hint(concern: &Concern, truncate: Truncate) -> String {
    match concern {
        Concern::Rare(names) => {
            let names: Vec<String> = names.iter().take(LISTED).map(|name| quoted(name)).collect();
            format!(
                "too few sequences to learn from have: {} (leave them out, or join them with others)",
                names.join(", ")
            )
        }
        Concern::ManyClasses(classes, sequences) => format!(
            "{classes} classes for {sequences} sequences: is this the label? (--label names its column; in a table of numbers without \
             a header it is the first field)"
        ),
        Concern::Uneven(ratio) => format!(
            "the most frequent class has {ratio:.0} times the sequences of the rarest (--class-weights balanced lets all count alike; \
             of two, --thresholds finds from which probability on the rare one is told best)"
        ),
        Concern::Cut(Cut { sequences, of, mean, longest }) => {
            let end = if truncate == Truncate::Front { "beginning" } else { "end" };
            format!(
                "{sequences} of {of} sequences have more steps than --length and lose their {end}: {mean:.0} steps in the mean (the \
                 longest has {longest}; --length {longest} keeps all)"
            )
        }
        Concern::Unknown(set, share) => format!(
            "{} of the tokens to {set} are unknown words (a larger --vocabulary or --min-count 1 keeps more, and --tokens bytes reads \
             any text, also of a language without blanks between words)",
            percent(*share)
        ),
        Concern::FewUpdates(updates) => {
            format!("only {updates} updates of the weights (more --epochs or a smaller --batch make more)")
        }
        Concern::Transposed(steps, width) => format!(
            "{steps} steps of {width} numbers: are they exchanged? [N, T, D] is read (x.transpose(0, 2, 1) in NumPy)"
        ),
        Concern::Scales(share) => format!(
            "only {} of the deviation lies within a sequence: each seems to have a scale of its own (--normalise sequence)",
            percent(*share)
        ),
        Concern::Filled(count) => format!(
            "{} values were missing: they were filled in along a line between their neighbours",
            HumanCount(*count as u64)
        ),
        Concern::Padded(share) => format!(
            "{} of the sequences end in zeros: if that is padding, give their `lengths` in an .npz",
            percent(*share)
        ),
    }
}

/// What is to be tried after a training with such curves.
pub fn advice(lesson: Lesson) -> &'static str {
    match lesson {
        Lesson::StillImproving => "the last epoch was the best: more --epochs may give a better model",
        Lesson::Overfitted => {
            "the training data is told far better than the validation data: more data, --dropout 0.3, --word-dropout 0.1 of texts \
             or a smaller --hidden may help"
        }
        Lesson::Unsteady => "the loss rose again and again: a smaller --learning-rate may help",
        Lesson::NothingLearnt => {
            "the model tells no more than a guess does: try another --learning-rate, more --epochs, or --direction both"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, span, text) in [
            (0.0, 1.0, "0"),
            (12345.678, 30000.0, "12346"),
            (-1.23456, 3.0, "-1.235"),
            (0.000123456, 0.0002, "0.0001235"),
            (2.5, 9.0, "2.5"),
            (-1e-12, 1.0, "0"),
            (1.7e9, 600.0, "1700000000"),
            (7.0, 0.0, "7"),
        ] {
            assert_eq!(short(number, span), text);
        }
    }
}
