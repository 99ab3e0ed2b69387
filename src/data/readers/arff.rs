//! Weka's ARFF files: attributes by name and type, then a series a line.

use super::gathered::Gathered;
use super::lines::Lines;
use super::ucr::parse;
use crate::data::Sequences;
use crate::error::{Error, Result};
use crate::listing::quoted;

/// The series, each `[T_i]`, and their labels. The label is the attribute of the name `column`, else the only one that is not
/// numeric, else the last.
///
/// # Errors
/// Those of reading the lines; [`Error::Data`], with the line, for attributes of other kinds, and as for UCR text.
pub(super) fn read(lines: &mut Lines, column: &str, wanted: bool) -> Result<(Sequences, Vec<String>)> {
    let attributes = attributes(lines)?;
    let bare = !wanted && attributes.iter().all(|(name, numeric)| *numeric && name != column);
    let label = if bare { Ok(None) } else { label_of(&attributes, column).map(Some) };
    let label = label.map_err(|problem| Error::data(&lines.file, problem))?;
    let mut gathered = Gathered::default();
    while let Some((_, line)) = lines.next_text()? {
        let line = line.trim();
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        let mut fields = fields(line);
        let (count, all) = (fields.len(), attributes.len());
        let other = if line.starts_with('{') {
            "is a sparse row, which is not read".to_string()
        } else {
            format!("has {count} values, and there are {all} attributes")
        };
        let parsed = if count == all && !line.starts_with('{') {
            let own = label.map_or(String::new(), |label| fields.remove(label));
            parse(std::iter::once(&own).chain(&fields).map(String::as_str), wanted, &mut gathered)
        } else {
            Err(other)
        };
        gathered.take(lines, parsed)?;
    }
    gathered.finish(lines, 1, "has no series below its @data")
}

/// The fields of a row, without quotes around them; a comma within quotes is none between fields.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quote, mut letters) = (vec![], String::new(), None, line.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote.is_some() => field.extend(letters.next()),
            _ if quote == Some(letter) => quote = None,
            '\'' | '"' if quote.is_none() && field.trim().is_empty() => {
                field.clear();
                quote = Some(letter);
            }
            ',' if quote.is_none() => fields.push(std::mem::take(&mut field).trim().to_string()),
            _ => field.push(letter),
        }
    }
    fields.push(field.trim().to_string());
    fields
}

/// Name of each attribute, and whether it is numeric, up to `@data`.
fn attributes(lines: &mut Lines) -> Result<Vec<(String, bool)>> {
    let mut attributes = vec![];
    while let Some((_, line)) = lines.next_text()? {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_lowercase().as_str() {
            "@data" => return Ok(attributes),
            "@attribute" => attributes.push(attribute(rest.trim()).map_err(|problem| lines.error(problem))?),
            word if word.is_empty() || word.starts_with(['%', '@']) => {}
            _ => return Err(lines.error("is no line of a header: an .arff file has its series below @data")),
        }
    }
    Err(Error::data(&lines.file, "has no @data: it is no .arff file, or it is cut short"))
}

/// The name of an attribute, and whether it is numeric.
fn attribute(rest: &str) -> std::result::Result<(String, bool), &'static str> {
    let quote = rest.chars().next().filter(|own| ['\'', '"'].contains(own));
    let end = match quote {
        Some(quote) => rest[1..].find(quote).map(|at| at + 1),
        None => rest.find(|own: char| own.is_whitespace() || own == '{'),
    };
    let end = end.ok_or("has an attribute without a type")?;
    let name = rest[..end].trim_start_matches(['\'', '"']);
    let kind = rest[end..].trim_start_matches(['\'', '"']).trim().to_lowercase();
    if kind.starts_with("relational") {
        return Err("is an attribute of several channels, which is not read: give the .ts file of the same data");
    }
    Ok((name.to_string(), ["numeric", "real", "integer"].contains(&kind.as_str())))
}

/// The place of the attribute that is the label.
fn label_of(attributes: &[(String, bool)], column: &str) -> std::result::Result<usize, String> {
    let named = attributes.iter().position(|(name, _)| name == column);
    let mut texts = (0..attributes.len()).filter(|&at| !attributes[at].1);
    match (named, texts.next(), texts.next()) {
        (Some(at), ..) => Ok(at),
        (None, Some(at), None) => Ok(at),
        (None, None, _) if attributes.len() > 1 => Ok(attributes.len() - 1),
        (None, Some(one), Some(other)) => {
            let (one, other) = (quoted(&attributes[one].0), quoted(&attributes[other].0));
            Err(format!("has several attributes that are not numeric, {one} and {other}: name the label with --label"))
        }
        _ => Err("has no attributes of a series".into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::data::readers::fixtures::{opened_lines, rows_of};

    type Read = (Vec<Vec<f64>>, Vec<String>);

    fn read(text: &str) -> Result<Read, String> {
        let read = super::read(&mut opened_lines("m.arff", text.as_bytes()), "label", true);
        read.map(|(sequences, labels)| (rows_of(&sequences), labels)).map_err(|error| error.to_string())
    }

    const HEAD: &str =
        "% a\n@relation x\n@attribute 'att 1' numeric\n@attribute att2 REAL\n@attribute target {0,1}\n@data\n";

    #[test]
    fn series_with_their_classes() {
        let names = |names: [&str; 2]| names.map(String::from).to_vec();
        let found = read(&format!("{HEAD}1.5,2,0\n%\n?,3,'1'\n"));
        assert_eq!(found, Ok((vec![vec![1.5, 2.0], vec![3.0, 3.0]], names(["0", "1"]))));
        let quoted = read("@attribute a numeric\n@attribute kind {x,y}\n@data\n1,'a, b'\n2,'it\\'s'\n");
        assert_eq!(quoted, Ok((vec![vec![1.0], vec![2.0]], names(["a, b", "it's"]))));
        let numeric = "@attribute a numeric\n@attribute label numeric\n@attribute b numeric\n@data\n1,7,2\n1,8,2\n";
        assert_eq!(read(numeric), Ok((vec![vec![1.0, 2.0]; 2], names(["7", "8"]))));
    }

    #[test]
    fn what_is_refused() {
        let fails = |text: &str, message: &str| assert_eq!(read(text), Err(message.to_string()), "{text:?}");
        fails(&format!("{HEAD}1,0\n"), "m.arff:7: has 2 values, and there are 3 attributes");
        fails(&format!("{HEAD}{{1 2, 3 0, 1 1}}\n"), "m.arff:7: is a sparse row, which is not read");
        fails(HEAD, "m.arff: has no series below its @data");
        fails("@relation x\n", "m.arff: has no @data: it is no .arff file, or it is cut short");
        fails(
            "@attribute a relational\n",
            "m.arff:1: is an attribute of several channels, which is not read: give the .ts file of the same data",
        );
        fails("a,b\n", "m.arff:1: is no line of a header: an .arff file has its series below @data");
        let two = "@attribute a {x}\n@attribute b string\n@data\n";
        fails(two, "m.arff: has several attributes that are not numeric, `a` and `b`: name the label with --label");
    }
}
