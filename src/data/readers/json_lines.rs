//! JSON Lines tables: one object per line; and lists of such objects.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::lines::Lines;
use super::table::{Table, missing_column};
use crate::error::{Error, Problem, Result};
use crate::listing::quoted;

/// Reads one row per line. The text is a string, the label a string, a number or a boolean.
pub(super) fn read(lines: &mut Lines, table: &mut Table) -> Result<()> {
    while let Some((line, text)) = lines.next_text()? {
        if table.rows() == 0 && text.trim_start().starts_with('[') {
            lines.read_again();
            return read_list(lines, table);
        }
        if !text.trim().is_empty() {
            let object = text.to_string();
            let read = cells(&object, table).map_err(|problem| lines.error(problem));
            if let Some((text, label)) = lines.row(read)? {
                table.row(line, &text, label.as_deref());
                table.keep(|| columns(&object));
            }
        }
    }
    Ok(())
}

/// Reads a list of objects, over any lines; a row has the number of its place in the list.
fn read_list(lines: &mut Lines, table: &mut Table) -> Result<()> {
    let mut whole = String::new();
    while let Some((_, text)) = lines.next_text()? {
        whole.push_str(text);
        whole.push('\n');
    }
    let broken = |error: serde_json::Error| Error::data(&lines.file, format!("is not valid JSON ({error})"));
    let list: Vec<&RawValue> = serde_json::from_str(&whole).map_err(broken)?;
    for (row, object) in (1..).zip(list) {
        let wrong = |problem| Error::data(format_args!("{}: object {row} of the list", lines.file), problem);
        let read = cells(object.get(), table).map_err(wrong);
        if let Some((text, label)) = lines.row(read)? {
            table.row(row, &text, label.as_deref());
            table.keep(|| columns(object.get()));
        }
    }
    Ok(())
}

/// The keys of an object, and their values as a table has them.
fn columns(object: &str) -> Vec<(String, String)> {
    let object: Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn cells(line: &str, table: &Table) -> std::result::Result<(String, Option<String>), Problem> {
    let fault = |fault| Problem::from(syntax_problem(&fault));
    let whole: &RawValue = serde_json::from_str(line).map_err(fault)?;
    if kind(whole.get()) != "an object" {
        return Err(format!("is {}, not a JSON object", kind(whole.get())).into());
    }
    // Of what is not asked for nothing is made, whatever it holds.
    let object: BTreeMap<String, &RawValue> = serde_json::from_str(line).map_err(fault)?;
    let (text, label) = table.columns;
    let label = label.map(|label| cell(&object, "label", label)).transpose()?;
    Ok((cell(&object, "text", text)?, label))
}

fn cell(
    object: &BTreeMap<String, &RawValue>,
    role: &'static str,
    column: &str,
) -> std::result::Result<String, Problem> {
    let value = object.get(column).ok_or_else(|| missing_column(column, role, object.keys()))?.get();
    let parsed = || serde_json::from_str::<Value>(value).unwrap_or_default();
    match kind(value) {
        "a string" => Ok(parsed().as_str().unwrap_or_default().to_owned()),
        "a number" | "a boolean" if role == "label" => Ok(parsed().to_string()),
        // Several labels, as `--task labels` tells them.
        "a list" if role == "label" => {
            let items = parsed();
            let items = items.as_array().into_iter().flatten();
            let name = |item: &Value| match item {
                Value::String(name) if !name.contains(',') => Ok(name.clone()),
                Value::Number(_) | Value::Bool(_) => Ok(item.to_string()),
                _ => Err(format!(
                    "the label {} lists {item}: each is a text without a comma, or a number",
                    quoted(column)
                )),
            };
            Ok(items.map(name).collect::<std::result::Result<Vec<_>, _>>()?.join(","))
        }
        other => {
            let wanted = if role == "label" { "a string, a number or a boolean" } else { "a string" };
            Err(format!("the {role} {} is {other}, not {wanted}", quoted(column)).into())
        }
    }
}

/// What serde found, with the column alone: its line is always 1, as it sees one line at a time.
fn syntax_problem(fault: &serde_json::Error) -> String {
    let reason = fault.to_string();
    let place = format!(" at line {} column {}", fault.line(), fault.column());
    let reason = reason.strip_suffix(&place).unwrap_or(&reason);
    // A layout that is JSON but not JSON Lines.
    let hint = match () {
        () if fault.is_eof() => ": each object must stand on one line",
        () => "",
    };
    format!("is not valid JSON ({reason}, column {}){hint}", fault.column())
}

/// What a value is, by its first letter.
fn kind(value: &str) -> &'static str {
    match value.trim_start().chars().next() {
        Some('n') => "null",
        Some('t' | 'f') => "a boolean",
        Some('"') => "a string",
        Some('[') => "a list",
        Some('{') => "an object",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Format::JsonLines;
    use crate::data::readers::fixtures::{read, row};

    fn fails(text: &str, message: &str) {
        assert_eq!(read(text, JsonLines), Err(message.to_string()), "{text:?}");
    }

    #[test]
    fn labels_of_every_kind() {
        let lines = "\u{feff}{\"text\": \"a\\tb\", \"label\": \" ham \"}\r\n\r\n{\"label\": 1, \"text\": \"\"}\n\
                     {\"label\": true, \"text\": \"c\", \"more\": [1]}";
        assert_eq!(read(lines, JsonLines), Ok(vec![row("a\tb", "ham", 1), row("", "1", 3), row("c", "true", 4)]));
    }

    #[test]
    fn lists_of_objects_and_lists_as_labels() {
        let list = "[\n{\"text\": \"a\",\n \"label\": 1}, {\"label\": [\"x\", 2], \"text\": \"b\"}\n]\n";
        assert_eq!(read(list, JsonLines), Ok(vec![row("a", "1", 1), row("b", "x,2", 2)]));
        let error = "t:1: the label `label` lists \"a,b\": each is a text without a comma, or a number";
        fails("{\"text\": \"x\", \"label\": [\"a,b\"]}", error);
    }

    #[test]
    fn broken_lines_name_the_reason() {
        fails("", "t: has no rows");
        fails(
            "{\"text\": \"a\", \"label\": 1}\n\n{\"text\": 1x}",
            "t:3: is not valid JSON (expected `,` or `}`, column 11)",
        );
        fails(
            "{\n\"text\": 1}",
            "t:1: is not valid JSON (EOF while parsing an object, column 1): each object must stand on one line",
        );
        fails("[\n{}]", "t: object 1 of the list: has no column `label`, only nothing");
        fails("[\n{\"text\": 1x}]", "t: is not valid JSON (expected `,` or `}` at line 2 column 11)");
        fails("[]", "t: has no rows");
        fails("{\"label\": 1}", "t:1: has no column `text`, only `label`");
        fails("{\"text\": \"x\"}", "t:1: has no column `label`, only `text`");
        fails("{\"text\": null, \"label\": 1}", "t:1: the text `text` is null, not a string");
        fails(
            "{\"text\": \"x\", \"label\": null}",
            "t:1: the label `label` is null, not a string, a number or a boolean",
        );
        fails("{}", "t:1: has no column `label`, only nothing");
    }
}
