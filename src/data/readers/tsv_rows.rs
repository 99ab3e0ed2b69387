//! Tables with tabs between their fields. Most programs write fields as they are; some (pandas, Orange) put quotes around those with
//! tabs, line breaks or quotes in them, as in CSV. A field that is wholly in quotes is taken out of them; tabs and line breaks within
//! quotes are taken for such where the row has not as many fields as the header otherwise.

use std::collections::VecDeque;

use super::lines::Lines;
use super::table::Table;
use crate::error::Result;

/// Lines that a row may go over.
const MOST_LINES: usize = 1000;

/// Reads rows below a header.
pub(super) fn read(lines: &mut Lines, table: &mut Table) -> Result<()> {
    let mut ahead = VecDeque::new();
    while let Some((line, text)) = next(lines, &mut ahead)? {
        // A line of tabs alone is a row of empty fields.
        if text.trim().is_empty() && !text.contains('\t') {
            continue;
        }
        let fields = record(lines, &mut ahead, text, table)?;
        table.record(lines, line, &fields)?;
    }
    Ok(())
}

type Ahead = VecDeque<(u64, String)>;

fn next(lines: &mut Lines, ahead: &mut Ahead) -> Result<Option<(u64, String)>> {
    match ahead.pop_front() {
        Some(next) => Ok(Some(next)),
        None => Ok(lines.next_text()?.map(|(line, text)| (line, text.to_string()))),
    }
}

/// The fields of the record that begins with this line. What is read of further lines, and not part of it, stays `ahead`.
fn record(lines: &mut Lines, ahead: &mut Ahead, text: String, table: &Table) -> Result<Vec<String>> {
    let plain: Vec<&str> = text.split('\t').take(table.most.saturating_add(1)).collect();
    let (Some(width), true) = (table.width(), text.contains('"')) else {
        return Ok(plain.into_iter().map(unquoted).collect());
    };
    let last = plain.last().copied().unwrap_or_default();
    let opens = last.starts_with('"') && matches!(cut(last), Cut::Open);
    if plain.len() == width && !opens {
        return Ok(plain.into_iter().map(unquoted).collect());
    }
    let mut whole = text.clone();
    let mut read: Ahead = VecDeque::new();
    // Only a line with a quote can close one.
    let mut may_close = true;
    let found = loop {
        match may_close.then(|| cut(&whole)) {
            Some(Cut::Fields(fields)) => break Some(fields).filter(|fields| fields.len() == width),
            None | Some(Cut::Open) if read.len() < MOST_LINES => {}
            _ => break None,
        }
        let Some((line, more)) = next(lines, ahead)? else { break None };
        may_close = more.contains('"');
        let is_row = more.split('\t').count() == width;
        whole.push('\n');
        whole.push_str(&more);
        read.push_back((line, more));
        // A row that is whole, with another one behind it, only begins its last text with a quote.
        if plain.len() == width && is_row {
            break None;
        }
    };
    Ok(found.unwrap_or_else(|| {
        while let Some(own) = read.pop_back() {
            ahead.push_front(own);
        }
        plain.into_iter().map(unquoted).collect()
    }))
}

/// What a text is, if fields may be in quotes.
enum Cut {
    Fields(Vec<String>),
    /// A quote is not closed.
    Open,
    /// It is not written so.
    Not,
}

fn cut(text: &str) -> Cut {
    let (mut fields, mut rest) = (vec![], text);
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            None => {
                rest.split_once('\t').map_or((rest.to_string(), None), |(own, behind)| (own.to_string(), Some(behind)))
            }
            Some(mut inner) => {
                let mut field = String::new();
                loop {
                    let Some((own, behind)) = inner.split_once('"') else { return Cut::Open };
                    field.push_str(own);
                    match behind.chars().next() {
                        None => break (field, None),
                        Some('\t') => break (field, Some(&behind[1..])),
                        Some('"') => {
                            field.push('"');
                            inner = &behind[1..];
                        }
                        Some(_) => return Cut::Not,
                    }
                }
            }
        };
        fields.push(field);
        match behind {
            Some(behind) => rest = behind,
            None => return Cut::Fields(fields),
        }
    }
}

/// A field without the quotes around it, if they are such.
fn unquoted(field: &str) -> String {
    match cut(field) {
        Cut::Fields(own) if field.starts_with('"') && own.len() == 1 => own.into_iter().next().unwrap_or_default(),
        _ => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::data::readers::Format;
    use crate::data::readers::fixtures::{read, row};

    #[test]
    fn quotes_of_programs_and_quotes_of_texts() {
        // As pandas writes them.
        let found = read("text\tlabel\n\"a \"\"b\"\"\"\tx\n\"c\td\"\ty\n\"e\nf\n\ng\"\tz\nh\tx\n", Format::Tsv);
        assert_eq!(
            found,
            Ok(vec![row("a \"b\"", "x", 2), row("c\td", "y", 3), row("e\nf\n\ng", "z", 4), row("h", "x", 8)])
        );
        let found = read("label\ttext\nx\t\"a\nb\"\ny\t\"c\ty\"\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("a\nb", "x", 2), row("c\ty", "y", 4)]));
        let found = read("label\ttext\npos\t\"I love it.\nneg\tIt is great.\"\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("\"I love it.", "pos", 2), row("It is great.\"", "neg", 3)]));
        // As texts have them.
        let plain = "label\ttext\nx\t\"Hello,\" she said\ny\t\"open\nx\t5\" of \"it\"\ny\t\"\n";
        let found = read(plain, Format::Tsv);
        let rows = [("\"Hello,\" she said", "x"), ("\"open", "y"), ("5\" of \"it\"", "x"), ("\"", "y")];
        assert_eq!(found, Ok(rows.into_iter().zip(2..).map(|((text, label), line)| row(text, label, line)).collect()));
        let found = read("text\tlabel\n\"I love it.\tpos\nIt is great.\"\tneg\n", Format::Tsv);
        assert_eq!(found, Ok(vec![row("\"I love it.", "pos", 2), row("It is great.\"", "neg", 3)]));
        let broken = read("text\tlabel\n\"a\nb\tx\n", Format::Tsv);
        assert_eq!(broken, Err("t:2: has 1 field, but the header has 2".into()));
    }
}
