//! JSON Lines tables: one object per line.

use serde_json::{Map, Value};

use super::lines::Lines;
use super::table::{Table, missing_column};
use crate::error::{Problem, Result};
use crate::listing::quoted;

/// Reads one row per line. The text is a string, the label a string, a number or a boolean.
pub(super) fn read(mut lines: Lines, table: &mut Table) -> Result<()> {
    while let Some((line, text)) = lines.next_text()? {
        if !text.trim().is_empty() {
            let (text, label) = cells(text, table).map_err(|problem| lines.error(problem))?;
            table.row(line, &text, label.as_deref());
        }
    }
    Ok(())
}

fn cells(line: &str, table: &Table) -> std::result::Result<(String, Option<String>), Problem> {
    let object = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(other) => return Err(format!("is {}, not a JSON object", kind(&other)).into()),
        Err(fault) => return Err(syntax_problem(line, &fault).into()),
    };
    let (text, label) = table.columns;
    let label = label.map(|label| cell(&object, "label", label)).transpose()?;
    Ok((cell(&object, "text", text)?, label))
}

fn cell(object: &Map<String, Value>, role: &'static str, column: &str) -> std::result::Result<String, Problem> {
    match object.get(column) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) if role == "label" => Ok(value.to_string()),
        Some(other) => {
            let wanted = if role == "label" { "a string, a number or a boolean" } else { "a string" };
            Err(format!("the {role} {} is {}, not {wanted}", quoted(column), kind(other)).into())
        }
        None => Err(missing_column(column, role, object.keys())),
    }
}

/// What serde found, with the column alone: its line is always 1, as it sees one line at a time.
fn syntax_problem(line: &str, fault: &serde_json::Error) -> String {
    let reason = fault.to_string();
    let place = format!(" at line {} column {}", fault.line(), fault.column());
    let reason = reason.strip_suffix(&place).unwrap_or(&reason);
    // The two layouts that are JSON but not JSON Lines.
    let hint = match () {
        () if line.trim_start().starts_with('[') => ": give one object per line, without a list around them",
        () if fault.is_eof() => ": each object must stand on one line",
        () => "",
    };
    format!("is not valid JSON ({reason}, column {}){hint}", fault.column())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
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
        fails(
            "[\n{}]",
            "t:1: is not valid JSON (EOF while parsing a list, column 1): \
             give one object per line, without a list around them",
        );
        fails("[]", "t:1: is a list, not a JSON object");
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
