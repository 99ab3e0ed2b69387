//! The `.ts` files of the time series classification archive, as sktime and aeon write them: a header, then a series a line,
//! its channels and its label with colons between them.

use super::gathered::Gathered;
use super::labels::label;
use super::lines::Lines;
use super::ucr::{missing, value};
use crate::data::Sequences;
use crate::error::{Error, Result};

/// The series, each `[T_i, D]`, and their labels, none where the header says that there are none. A gap is bridged by a straight
/// line; what is missing at the end of all channels was never there.
///
/// # Errors
/// Those of reading the lines; [`Error::Data`], with the line, for a header that is none, time stamps, values that are no
/// numbers, channels of other counts or lengths, and series without a label.
pub(super) fn read(lines: &mut Lines, wanted: bool) -> Result<(Sequences, Option<Vec<String>>)> {
    let labelled = header(lines)?;
    let (mut gathered, mut width) = (Gathered::default(), None);
    while let Some((_, line)) = lines.next_text()? {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let series = series(line, labelled, wanted, width, &mut gathered.filled);
        let read = series.map(|(channels, name)| {
            width = Some(channels.len());
            let steps = 0..channels[0].len();
            gathered.values.extend(steps.flat_map(|step| channels.iter().map(move |own| own[step])));
            name.unwrap_or_default()
        });
        gathered.take(lines, read)?;
    }
    let (sequences, labels) = gathered.finish(lines, width.unwrap_or(1), "has no series below its @data")?;
    Ok((sequences, labelled.then_some(labels)))
}

/// Reads up to `@data`; whether series have labels, or targets.
fn header(lines: &mut Lines) -> Result<bool> {
    let mut labelled = false;
    while let Some((_, line)) = lines.next_text()? {
        let line = line.trim().to_lowercase();
        let mut words = line.split_whitespace();
        let (name, says) = (words.next().unwrap_or(""), words.next() == Some("true"));
        match name {
            "@data" => return Ok(labelled),
            "@classlabel" | "@targetlabel" => labelled = says,
            "@timestamps" if says => {
                return Err(lines.error("has time stamps, which are not read: give the values alone, at equal steps"));
            }
            _ if name.is_empty() || name.starts_with(['#', '@', '%']) => {}
            _ => return Err(lines.error("is no line of a header: a .ts file has its series below @data")),
        }
    }
    Err(Error::data(&lines.file, "has no @data: it is no .ts file, or it is cut short"))
}

type Series = (Vec<Vec<f64>>, Option<String>);

fn series(
    line: &str,
    labelled: bool,
    wanted: bool,
    width: Option<usize>,
    filled: &mut usize,
) -> std::result::Result<Series, String> {
    let mut parts: Vec<&str> = line.split(':').collect();
    let name = if labelled { parts.pop().map(label) } else { None };
    let none = name.as_ref().is_some_and(|name| name.is_empty() || missing(name));
    if parts.is_empty() || (none && wanted) {
        return Err("has no label behind the last colon".into());
    }
    let (count, wanted) = (parts.len(), width.unwrap_or(parts.len()));
    if count != wanted || count == 0 {
        return Err(format!("has {count} channels, and the series before have {wanted}"));
    }
    let mut channels = vec![];
    for (at, part) in parts.iter().enumerate() {
        let mut own = vec![];
        let mut known = 0;
        for (count, field) in part.split(',').map(str::trim).enumerate() {
            known += usize::from(
                value(&mut own, 0, count + 1, field).map_err(|problem| format!("channel {at}: {problem}"))?,
            );
        }
        if known == 0 {
            return Err(format!("channel {at} has no known value: leave the series out"));
        }
        *filled += own.len() - known;
        channels.push(own);
    }
    let steps = channels.iter().map(Vec::len).max().unwrap_or(0);
    for (at, own) in channels.iter_mut().enumerate() {
        let (all, had) = (parts[at].split(',').count(), own.len());
        if all < steps {
            return Err(format!("channel {at} has {all} values, and another has {steps}"));
        }
        // Missing at the end of this channel alone: the last value goes on.
        own.resize(steps, own[had - 1]);
        *filled += steps - had;
    }
    Ok((channels, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{opened_lines, rows_of};

    type Read = (usize, Vec<Vec<f64>>, Option<Vec<String>>);

    fn read(text: &str) -> std::result::Result<Read, String> {
        let read = super::read(&mut opened_lines("m.ts", text.as_bytes()), true);
        let told = |(sequences, labels): (Sequences, _)| (sequences.width, rows_of(&sequences), labels);
        read.map(told).map_err(|error| error.to_string())
    }

    const HEAD: &str = "#a\n@problemName X\n@timestamps false\n@univariate false\n@classLabel true a b\n@data\n";

    #[test]
    fn channels_side_by_side() {
        let labels = |names: [&str; 2]| Some(names.map(String::from).to_vec());
        let found = read(&format!("{HEAD}1,2,3:4,5,6:a\n\n7,8:9,NaN:b\n"));
        let rows = vec![vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0], vec![7.0, 9.0, 8.0, 9.0]];
        assert_eq!(found, Ok((2, rows, labels(["a", "b"]))));
        let bare = read("@classLabel false\n@data\n1,?,3\n");
        assert_eq!(bare, Ok((1, vec![vec![1.0, 2.0, 3.0]], None)));
    }

    #[test]
    fn what_is_refused() {
        let fails = |text: &str, message: &str| assert_eq!(read(text), Err(message.to_string()), "{text:?}");
        fails("1,2:a\n", "m.ts:1: is no line of a header: a .ts file has its series below @data");
        fails("@classLabel true a\n", "m.ts: has no @data: it is no .ts file, or it is cut short");
        fails(HEAD, "m.ts: has no series below its @data");
        fails(
            "@timestamps true\n",
            "m.ts:1: has time stamps, which are not read: give the values alone, at equal steps",
        );
        fails(&format!("{HEAD}1,x:a\n"), "m.ts:7: channel 0: value 2 is `x`, not a finite number");
        fails(&format!("{HEAD}1,2:3:a\n"), "m.ts:7: channel 1 has 1 values, and another has 2");
        fails(&format!("{HEAD}1:2:a\n1:a\n"), "m.ts:8: has 1 channels, and the series before have 2");
        fails(&format!("{HEAD}1,2\n"), "m.ts:7: has no label behind the last colon");
        fails(&format!("{HEAD}1,2:\n"), "m.ts:7: has no label behind the last colon");
    }
}
