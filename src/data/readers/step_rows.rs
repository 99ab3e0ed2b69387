//! Tables of steps: a step a line, below a header; a blank line begins another sequence. Columns of numbers are channels, or one
//! column has tokens; others have what is to be told of each step.

use super::examples::{Examples, MOST, RawInputs, RawTargets, ReadOptions};
use super::lines::Lines;
use super::source::Source;
use super::table::{is_index, missing_column, numbered, warn_of_index};
use super::tagged::{Sequence, TOKENS, Tagged, named};
use super::ucr::{missing, separator_of};
use crate::data::Sequences;
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::{listed, quoted};

/// Where the wanted columns stand.
struct Columns {
    separator: Option<char>,
    names: Vec<String>,
    /// Of the tokens, if there are such.
    text: Option<usize>,
    /// Of what is told, if that is wanted or named among them.
    told: Vec<usize>,
    /// Of numbers; found by the first row.
    channels: Vec<usize>,
}

/// Whether such a table has tokens: whether its header names their column.
pub(super) fn has_tokens(source: &Source, options: &ReadOptions) -> bool {
    if options.text != TOKENS {
        return true;
    }
    let Source::File(path) = source else { return true };
    let lines = path.is_file().then(|| Lines::open(source, options).ok()).flatten();
    lines.is_none_or(|mut lines| header(&mut lines, options).is_ok_and(|own| own.is_some_and(|own| own.text.is_some())))
}

/// The columns by the first line that is not blank.
fn header(lines: &mut Lines, options: &ReadOptions) -> Result<Option<Columns>> {
    loop {
        let Some((_, line)) = lines.next_text()? else { return Ok(None) };
        if line.trim().is_empty() {
            continue;
        }
        let separator = separator_of(line);
        let first = fields(line, separator);
        let names = if options.header { first } else { numbered(first.len()) };
        let many = || Problem::Excess(format!("has over {} columns", options.limits.columns));
        ensure!(names.len() <= options.limits.columns, lines.error(many()));
        let position = |name: &str| {
            named(names.iter().map(String::as_str), name).and_then(|name| names.iter().position(|own| own == name))
        };
        let text = position(&options.text);
        // A forecast is of all columns.
        let labels = options.label.split(',').filter(|_| options.ahead.is_none());
        let told = labels.filter_map(|name| position(name.trim())).collect();
        if !options.header {
            lines.read_again();
        }
        return Ok(Some(Columns { separator, text, told, names, channels: vec![] }));
    }
}

impl Columns {
    /// Makes sure that what is wanted is there.
    fn check(&self, lines: &Lines, targets: bool, options: &ReadOptions) -> Result<()> {
        let wanted = options.label.split(',').map(str::trim);
        let is_there = |name: &str| named(self.names.iter().map(String::as_str), name).is_some();
        match wanted.into_iter().find(|name| targets && options.ahead.is_none() && !is_there(name)) {
            Some(name) => Err(lines.error(missing_column(name, "label", &self.names))),
            None => Ok(()),
        }
    }

    /// Finds the channels: all other columns of which this row has a number.
    fn find_channels(&mut self, lines: &Lines, row: &[String]) -> Result<()> {
        let others: Vec<usize> = (0..self.names.len()).filter(|column| !self.told.contains(column)).collect();
        let (channels, left): (Vec<usize>, Vec<usize>) = others
            .into_iter()
            .partition(|&at| row.get(at).is_some_and(|own| missing(own) || own.parse::<f64>().is_ok()));
        let none = format!("has no number, and no column is called {}", quoted(TOKENS));
        ensure!(!channels.is_empty(), lines.error(none));
        let index = channels.first() == Some(&0) && channels.len() > 1 && is_index(&self.names[0]);
        if index {
            warn_of_index(&lines.file, &self.names[0]);
        }
        let channels = channels[usize::from(index)..].to_vec();
        if !left.is_empty() {
            let left = listed(left.iter().map(|&at| self.names[at].as_str()));
            log::warn!("{}: columns that are no numbers are left alone: {left}", lines.file);
        }
        self.channels = channels;
        Ok(())
    }
}

/// Reads a table with the columns that the options name: of tokens, and of tags or numbers to tell.
///
/// # Errors
/// [`Error::Data`], with the line, for a table without a wanted column, for a row of another width, for what is no number and,
/// where it is to be told, for what is missing.
pub(super) fn read(mut lines: Lines, targets: bool, options: &ReadOptions) -> Result<Examples> {
    let none = |lines: &Lines| lines.none("has no rows");
    let Some(mut columns) = header(&mut lines, options)? else { return Err(none(&lines)) };
    columns.check(&lines, targets, options)?;
    if columns.text.is_some() {
        return read_tokens(lines, columns, targets);
    }
    ensure!(options.text == TOKENS, lines.error(missing_column(&options.text, "text", &columns.names)));
    let told = targets && options.ahead.is_none();
    let (mut values, mut ends, mut starts, mut filled) = (vec![], vec![], vec![], 0);
    let mut answers = Answers::default();
    while let Some((line, text)) = lines.next_text()? {
        if text.trim().is_empty() {
            close(&mut ends, values.len());
            continue;
        }
        let text = text.to_string();
        let row = fields(&text, columns.separator);
        ensure!(row.len() == columns.names.len(), lines.error(width(&row, &columns)));
        if columns.channels.is_empty() {
            columns.find_channels(&lines, &row)?;
        }
        let begin = ends.last().copied().unwrap_or(0);
        if values.len() == begin {
            starts.push(line);
        }
        for (at, &column) in columns.channels.iter().enumerate() {
            let own = match row[column].as_str() {
                // What is missing is as it was a step before.
                gap if missing(gap) => {
                    filled += 1;
                    let before = (values.len() - begin).checked_sub(columns.channels.len());
                    before.map_or(f64::NAN, |_| values[values.len() - columns.channels.len()])
                }
                given => number(given).ok_or_else(|| lines.error(no_number(&columns.names[column], given)))?,
            };
            values.push(own);
            // Nor was it there before the first that is known.
            if !own.is_nan() {
                let width = columns.channels.len();
                let mut earlier = values.len() - 1;
                while earlier >= begin + width + at && values[earlier - width].is_nan() {
                    earlier -= width;
                    values[earlier] = own;
                }
            }
        }
        if told {
            columns.told.iter().try_for_each(|&column| {
                answers
                    .take(&row[column])
                    .map_err(|problem| lines.error(format!("column {}: {problem}", quoted(&columns.names[column]))))
            })?;
        }
    }
    close(&mut ends, values.len());
    ensure!(!ends.is_empty(), none(&lines));
    if let Some(at) = values.iter().position(|value| value.is_nan()) {
        let name = &columns.names[columns.channels[at % columns.channels.len()]];
        return Err(Error::data(&lines.file, format!("column {} has no number in a whole sequence", quoted(name))));
    }
    let (width, per_step) = (columns.channels.len(), columns.told.len());
    let steps: Vec<usize> = ends.iter().map(|end| end / width).collect();
    let mut sequences = Sequences::of_ends(width, values, ends);
    sequences.filled = filled;
    let targets = told.then(|| answers.finish(per_step, &steps, &lines.file)).transpose()?;
    Ok(Examples::of_lines(lines.file, starts, RawInputs::Numbers(sequences), targets, lines.left_out))
}

/// The fields of a line. What is wholly in quotes is taken out of them; with other separators than tabs and blanks these may stand
/// within quotes. A lone quote is itself.
fn fields(line: &str, separator: Option<char>) -> Vec<String> {
    let whole = |field: &str| {
        let inner = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.map_or_else(|| field.to_string(), |inner| inner.replace("\"\"", "\""))
    };
    let Some(mark) = separator else { return line.split_whitespace().map(String::from).collect() };
    let (mut all, mut rest) = (vec![], line.trim_end_matches('\r'));
    loop {
        // A quote that closes stands before a separator, or at the end.
        let closing = |(at, _): &(usize, &str)| {
            let inner = &rest[1..*at];
            let behind = rest[at + 1..].trim_start_matches(' ');
            inner.matches('"').count().is_multiple_of(2) && (behind.is_empty() || behind.starts_with(mark))
        };
        let quoted = rest.starts_with('"') && mark != '\t';
        let end = quoted.then(|| rest.match_indices('"').skip(1).find(closing)).flatten().map_or(0, |(at, _)| at);
        match rest[end..].find(mark) {
            Some(at) => {
                all.push(whole(rest[..end + at].trim()));
                rest = rest[end + at + mark.len_utf8()..].trim_start_matches(' ');
            }
            None => {
                all.push(whole(rest.trim()));
                return all;
            }
        }
    }
}

/// Ends a sequence, unless nothing is in it.
fn close(ends: &mut Vec<usize>, end: usize) {
    if ends.last().copied().unwrap_or(0) < end {
        ends.push(end);
    }
}

fn width(row: &[String], columns: &Columns) -> String {
    format!("has {} fields, and the table {} columns", row.len(), columns.names.len())
}

fn no_number(column: &str, given: &str) -> String {
    format!("column {}: {} is not a finite number", quoted(column), quoted(given))
}

fn number(given: &str) -> Option<f64> {
    given.parse::<f64>().ok().filter(|number| number.abs() <= MOST)
}

/// What is told of each step, as texts as long as not all of it is numbers.
#[derive(Default)]
struct Answers {
    texts: Vec<String>,
}

impl Answers {
    fn take(&mut self, given: &str) -> std::result::Result<(), &'static str> {
        if missing(given) {
            return Err("what is to be told is missing");
        }
        self.texts.push(given.to_string());
        Ok(())
    }

    /// Tags, or numbers if there are several a step; a reader of tags takes whole numbers for such, too. `ends` are the steps at
    /// which sequences end.
    fn finish(self, width: usize, ends: &[usize], place: &str) -> Result<RawTargets> {
        let numbers: Option<Vec<f64>> = self.texts.iter().map(|own| number(own)).collect();
        match numbers {
            Some(numbers) if width > 1 || numbers.iter().any(|own| own.fract() != 0.0) => {
                Ok(RawTargets::Steps(Sequences::of_ends(width, numbers, ends.iter().map(|end| end * width))))
            }
            _ if width > 1 => Err(Error::data(place, "several columns that are to be told must all be numbers")),
            _ => {
                let begins = std::iter::once(0).chain(ends.iter().copied());
                let tags = begins.zip(ends).map(|(begin, &end)| self.texts[begin * width..end * width].join("\n"));
                Ok(RawTargets::Tags(tags.collect()))
            }
        }
    }
}

fn read_tokens(mut lines: Lines, columns: Columns, targets: bool) -> Result<Examples> {
    let (mut tagged, mut sequence) = (Tagged::default(), Sequence::default());
    let text = columns.text.unwrap_or_default();
    let several = "tokens have one column of tags";
    ensure!(columns.told.len() < 2 || !targets, Error::data(&lines.file, several));
    while let Some((line, own)) = lines.next_text()? {
        if own.trim().is_empty() {
            tagged.take(&mut sequence);
            continue;
        }
        let row = fields(own, columns.separator);
        let read = match row.len() == columns.names.len() {
            true => {
                let tag = columns.told.first().filter(|_| targets).map(|&at| row[at].as_str());
                sequence.push(line, &row[text], tag)
            }
            false => Err(width(&row, &columns).into()),
        };
        read.map_err(|problem| lines.error(problem))?;
    }
    tagged.take(&mut sequence);
    tagged.finish(lines, targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{lines_of, rows_of};

    fn options(label: &str) -> ReadOptions {
        ReadOptions { steps: true, text: "tokens".into(), label: label.into(), ..ReadOptions::default() }
    }

    fn found(text: &str, options: &ReadOptions) -> std::result::Result<Examples, String> {
        read(lines_of("t", text.as_bytes(), options), true, options).map_err(|error| error.to_string())
    }

    fn numbers(examples: &Examples) -> Vec<Vec<f64>> {
        let RawInputs::Numbers(own) = &examples.inputs else { panic!("numbers") };
        rows_of(own)
    }

    #[test]
    fn steps_of_numbers_with_tags_or_numbers() {
        let text = "time,a,b,tag\nx,,2,on\ny,3,,on\n\nz,5,6,off\n";
        let own = found(text, &options("tags")).unwrap();
        assert_eq!((numbers(&own), &own.lines[..]), (vec![vec![3.0, 2.0, 3.0, 2.0], vec![5.0, 6.0]], &[2, 5][..]));
        assert_eq!(own.targets, Some(RawTargets::Tags(vec!["on\non".into(), "off".into()])));
        let own = found("a;y;z\n1;0.5;2\n2;1;3\n", &options("y,z")).unwrap();
        let Some(RawTargets::Steps(told)) = &own.targets else { panic!("numbers") };
        assert_eq!((told.width, rows_of(told)), (2, vec![vec![0.5, 2.0, 1.0, 3.0]]));
        let ahead = ReadOptions { ahead: Some(1), ..options("tags") };
        assert_eq!(numbers(&found("a\n1\n2\n", &ahead).unwrap()), [vec![1.0, 2.0]]);
    }

    #[test]
    fn broken_tables() {
        let error = |text: &str| found(text, &options("tags")).unwrap_err();
        assert_eq!(error(""), "t: has no rows");
        assert_eq!(error("a,tag\n"), "t: has no rows");
        assert_eq!(error("a,b\n1,2\n"), "t:1: has no column `tags`, only `a`, `b`");
        assert_eq!(error("a,tag\n1\n"), "t:2: has 1 fields, and the table 2 columns");
        assert_eq!(error("a,tag\n1,x\n2,\n"), "t:3: column `tag`: what is to be told is missing");
        assert_eq!(error("a,tag\n1,x\nz,x\n"), "t:3: column `a`: `z` is not a finite number");
        assert_eq!(error("a,tag\nz,x\n"), "t:2: has no number, and no column is called `tokens`");
        assert_eq!(error("a,b,tag\n1,,x\n"), "t: column `b` has no number in a whole sequence");
    }

    #[test]
    fn fields_with_and_without_quotes() {
        let of = |line: &str, mark| fields(line, Some(mark));
        assert_eq!(of("\",\",O", ','), [",", "O"]);
        assert_eq!(of("\"\"\"\", O,\"a,\"\"b\"\"\"", ','), ["\"", "O", "a,\"b\""]);
        assert_eq!(of("\"\tO\t\"x\"", '\t'), ["\"", "O", "x"]);
        assert_eq!(of("a,,\"Hi\" you,", ','), ["a", "", "\"Hi\" you", ""]);
        assert_eq!(fields(" a  \" ", None), ["a", "\""]);
    }

    #[test]
    fn tokens_of_a_table() {
        let own = found("token\ttag\na\tX\nb c\tY\n\nd\tX\n", &options("tags")).unwrap();
        assert_eq!(own.texts().unwrap(), ["a\nb c", "d"]);
        assert_eq!(own.targets, Some(RawTargets::Tags(vec!["X\nY".into(), "X".into()])));
    }
}
