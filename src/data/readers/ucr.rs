//! The text files of the UCR archive: one series a line, its label in front; and such tables with a header, whose label may
//! stand anywhere. A gap in a series is bridged by a
//! straight line; what is missing at its end was never there, which is how the archive writes shorter series.

use super::examples::MOST;
use super::gathered::Gathered;
use super::labels::label;
use super::lines::Lines;
use super::table::{is_index, missing_column, numbered, warn_of_index};
use crate::data::Sequences;
use crate::error::Result;
use crate::listing::quoted;

/// The series, each `[T_i]`, and their labels. The first line decides what separates the fields: tabs in newer files,
/// commas or columns made with blanks in older ones. `label` is the column of the label, by its name in the header or by its number
/// where there is none; without it the label stands in front.
///
/// # Errors
/// Those of reading the lines; [`Error::Data`], with the line, for a series without a known value, for a value that is no
/// number and, where they are wanted, for a series without a label. Where they are not, the first field may be empty.
pub(super) fn read(
    lines: &mut Lines,
    wanted: bool,
    label: Option<&str>,
    header: bool,
) -> Result<(Sequences, Vec<String>)> {
    let (mut separator, mut width, mut place) = (None, usize::MAX, if label.is_none() { Some(0) } else { None });
    let (mut begun, mut index) = (false, 0);
    let mut gathered = Gathered::default();
    while let Some((_, line)) = lines.next_text()? {
        // A line of separators alone is a series without a label.
        if line.trim_matches([' ', '\r']).is_empty() {
            continue;
        }
        let separator = *separator.get_or_insert_with(|| separator_of(line));
        if let Some(column) = label.filter(|_| !std::mem::replace(&mut begun, true)) {
            let first: Vec<String> = fields(line, separator).map(String::from).collect();
            width = first.len();
            let names = if header { first } else { numbered(width) };
            let class = lines.orange.as_ref().and_then(|head| head.class.as_deref());
            let find = |column: &str| names.iter().position(|name| name == column);
            place = find(column).or_else(|| find(class?));
            if place.is_none() && wanted {
                return Err(lines.error(missing_column(column, "label", &names)));
            }
            if !header {
                lines.read_again();
            } else if names.len() > 2 && place != Some(0) && is_index(&names[0]) {
                warn_of_index(&lines.file, &names[0]);
                index = 1;
            }
            continue;
        }
        let own = fields(line, separator).skip(index);
        let parsed = series(own, place.map(|at| at - index), width - index, wanted, &mut gathered);
        gathered.take(lines, parsed)?;
    }
    gathered.finish(lines, 1, "has no series")
}

/// Adds the values of a line of at most `width` fields, of which the one at `place` is the label, and tells its label.
fn series<'a>(
    fields: impl Iterator<Item = &'a str>,
    place: Option<usize>,
    width: usize,
    wanted: bool,
    gathered: &mut Gathered,
) -> std::result::Result<String, String> {
    let Some(label) = place else { return parse(std::iter::once("").chain(fields), wanted, gathered) };
    if label == 0 && width == usize::MAX {
        return parse(fields, wanted, gathered);
    }
    let mut all: Vec<&str> = fields.collect();
    match all.len() {
        count if count > width => Err(format!("has {count} fields, but the header has {width}")),
        count if count <= label => Err(format!("has too few fields ({count}): that of the label is missing")),
        _ => {
            let own = all.remove(label);
            parse(std::iter::once(own).chain(all), wanted, gathered)
        }
    }
}

/// What stands between the fields of a line; `None` for blanks.
pub(super) fn separator_of(line: &str) -> Option<char> {
    ['\t', ',', ';', '|'].into_iter().find(|&mark| line.contains(mark))
}

/// The fields of a line, without blanks and quotes around them.
pub(super) fn fields(line: &str, separator: Option<char>) -> Box<dyn Iterator<Item = &str> + '_> {
    match separator {
        Some(mark) => Box::new(line.split(mark).map(|field| field.trim().trim_matches('"'))),
        None => Box::new(line.split_whitespace()),
    }
}

/// Adds the values of a line, counts those that are filled in, and tells its label.
pub(super) fn parse<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    wanted: bool,
    gathered: &mut Gathered,
) -> std::result::Result<String, String> {
    let label = match fields.next() {
        Some(name) if !missing(name) => label(name),
        Some(_) if !wanted => String::new(),
        _ => return Err("has no label: the first field is the label, the others are values".into()),
    };
    let Gathered { values, filled, .. } = gathered;
    let (first, mut count, mut known) = (values.len(), 0, 0);
    for field in fields {
        count += 1;
        known += usize::from(value(values, first, count, field)?);
    }
    *filled += values.len() - first - known;
    match count {
        _ if values.len() > first => Ok(label),
        0 => Err("has a label and no values".into()),
        missing => Err(format!("has no known value, {missing} are missing: leave the line out")),
    }
}

/// Adds the `count`-th value of the series that begins at `first`, if it is known; whether it is.
pub(super) fn value(
    values: &mut Vec<f64>,
    first: usize,
    count: usize,
    field: &str,
) -> std::result::Result<bool, String> {
    match field.parse::<f64>() {
        _ if missing(field) => Ok(false),
        Ok(value) if value.abs() <= MOST => {
            bridge(values, first, count, value);
            Ok(true)
        }
        _ => Err(format!("value {count} is {}, not a finite number", quoted(field))),
    }
}

/// Whether a field is a number, or says that there is none.
pub(super) fn is_value(field: &str) -> bool {
    missing(field) || field.parse::<f64>().is_ok()
}

pub(super) fn missing(field: &str) -> bool {
    field.is_empty() || field == "?" || field.trim_start_matches(['-', '+']).eq_ignore_ascii_case("nan")
}

/// Adds a value as the `count`-th of the series that begins at `first`. What is missing before it is filled in: along a line from the value before, at the beginning
/// with the value itself. What is missing at the end is never added.
pub(super) fn bridge(values: &mut Vec<f64>, first: usize, count: usize, value: f64) {
    let (start, from) = (values.len() - first, values[first..].last().copied().unwrap_or(value));
    // The last known value stands at start - 1.
    let steps = (count - start) as f64;
    values.extend((1..count - start).map(|step| from + (value - from) * step as f64 / steps));
    values.push(value);
}

#[cfg(test)]
mod tests {
    use crate::data::readers::ReadOptions;
    use crate::data::readers::fixtures::{lines_of, opened_lines, rows_of};

    type Rows = (Vec<Vec<f64>>, Vec<String>);

    fn read(text: &str) -> Result<Rows, String> {
        let read = super::read(&mut opened_lines("u.tsv", text.as_bytes()), true, None, true);
        read.map(|(sequences, labels)| (rows_of(&sequences), labels)).map_err(|error| error.to_string())
    }

    fn rows(rows: &[(&str, &[f64])]) -> Result<Rows, String> {
        Ok((rows.iter().map(|row| row.1.to_vec()).collect(), rows.iter().map(|row| row.0.to_string()).collect()))
    }

    #[test]
    fn tabs_commas_and_blanks() {
        assert_eq!(read("1\t0.5\t-2e1\r\n\r\n-1\t3\t4\n"), rows(&[("1", &[0.5, -20.0]), ("-1", &[3.0, 4.0])]));
        assert_eq!(read("\u{feff}a,1, 2\nb b,3,4\n"), rows(&[("a", &[1.0, 2.0]), ("b b", &[3.0, 4.0])]));
        let old = "  1.0000000e+00  -7.0e-01   2\n  1  5\n -2.0 3\n1.5 4";
        assert_eq!(read(old), rows(&[("1", &[-0.7, 2.0]), ("1", &[5.0]), ("-2", &[3.0]), ("1.5", &[4.0])]));
    }

    #[test]
    fn a_header_says_where_the_label_is() {
        let read = |text: &str| {
            let read = super::read(&mut opened_lines("u.csv", text.as_bytes()), true, Some("label"), true);
            read.map(|(sequences, labels)| (rows_of(&sequences), labels)).map_err(|error| error.to_string())
        };
        assert_eq!(read("t0;\"label\";t1\n1;a;2\n3;b;\n"), rows(&[("a", &[1.0, 2.0]), ("b", &[3.0])]));
        assert_eq!(read("t0,t1\n1,2\n"), Err("u.csv:1: has no column `label`, only `t0`, `t1`".into()));
        assert_eq!(read("t0,label\n1,a,2\n"), Err("u.csv:2: has 3 fields, but the header has 2".into()));
        assert_eq!(read("t0,label\n1\n"), Err("u.csv:2: has too few fields (1): that of the label is missing".into()));
    }

    #[test]
    fn columns_that_number_the_rows_are_no_steps() {
        let read = |text: &str| {
            let read = super::read(&mut opened_lines("u.csv", text.as_bytes()), true, Some("label"), true);
            read.map(|(sequences, labels)| (rows_of(&sequences), labels)).map_err(|error| error.to_string())
        };
        assert_eq!(read(",t0,label,t1\n7,1,a,2\n8,3,b,4\n"), rows(&[("a", &[1.0, 2.0]), ("b", &[3.0, 4.0])]));
        assert_eq!(read("label,id,t0\na,1,2\n"), rows(&[("a", &[1.0, 2.0])]));
    }

    #[test]
    fn labels_by_number_and_broken_lines() {
        let options = ReadOptions { header: false, skip_bad_rows: true, ..ReadOptions::default() };
        let mut lines = lines_of("u.csv", b"1,2,a\nx,4,b\n4,x,b\n5,,c\n", &options);
        let (sequences, labels) = super::read(&mut lines, true, Some("3"), false).unwrap();
        assert_eq!((rows_of(&sequences), labels), (vec![vec![1.0, 2.0], vec![5.0]], vec!["a".into(), "c".into()]));
        let broken = |line, value| format!("u.csv:{line}: value {value} is `x`, not a finite number");
        assert_eq!(lines.left_out.told, [broken(2, 1), broken(3, 2)]);
    }

    #[test]
    fn what_is_missing() {
        assert_eq!(read("1\t1\t2\tNaN\t\n"), rows(&[("1", &[1.0, 2.0])]));
        assert_eq!(read("1\t\t?\t1\tnan\t\t4\t-NaN\t6\tNaN"), rows(&[("1", &[1., 1., 1., 2., 3., 4., 5., 6.])]));
        assert_eq!(read("1,-3e38,?,3e38"), rows(&[("1", &[-3e38, 0.0, 3e38])]));
    }

    #[test]
    fn lines_that_are_refused() {
        let fails = |text: &str, message: &str| assert_eq!(read(text), Err(message.to_string()), "{text:?}");
        fails("1\t2\n1\tNaN\t?\n", "u.tsv:2: has no known value, 2 are missing: leave the line out");
        fails("1\t2\n1\n", "u.tsv:2: has a label and no values");
        fails("\t2\n", "u.tsv:1: has no label: the first field is the label, the others are values");
        fails("1\t2\n\t\t\n", "u.tsv:2: has no label: the first field is the label, the others are values");
        fails("NaN,2\n", "u.tsv:1: has no label: the first field is the label, the others are values");
        fails("1\t2\tx\n", "u.tsv:1: value 2 is `x`, not a finite number");
        fails("1\t2\t-inf\n", "u.tsv:1: value 2 is `-inf`, not a finite number");
        fails("1\t1e39\n", "u.tsv:1: value 1 is `1e39`, not a finite number");
        fails("\n\n", "u.tsv: has no series");
    }
}
