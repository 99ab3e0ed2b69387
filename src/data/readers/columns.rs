//! Parquet and Arrow files: columns of texts, of labels, and of numbers or lists of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::examples::{Cells, Examples, LeftOut, MOST, RawInputs, RawTargets, ReadOptions};
use super::format::Format;
use super::labels::label;
use super::packing::Packing;
use super::table::{is_index, position, warn_of_index};
use super::ucr::bridge;
use crate::data::Sequences;
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::quoted;
use crate::panics::expecting_panic;

/// Rows that are read at once: what is packed by reference may be many times as large when it is read.
const ROWS: usize = 64;

type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>>>;

/// The columns of a file, and its rows in parts.
fn open(path: &Path, format: Format) -> Result<(SchemaRef, Batches)> {
    let packed = format!("is packed as a whole, and {format} files pack themselves: unpack it first");
    ensure!(Packing::of_name(path).is_none(), Error::data(path.display(), packed));
    let file = File::open(path).map_err(Error::io(path))?;
    let broken = |fault: &dyn std::fmt::Display| {
        Error::data(path.display(), format!("is no {format} file that can be read ({fault}): save or fetch it again"))
    };
    if format == Format::Parquet {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|fault| broken(&fault))?;
        let schema = builder.schema().clone();
        let reader = builder.with_batch_size(ROWS).build().map_err(|fault| broken(&fault))?;
        return Ok((schema, Box::new(reader)));
    }
    let mut file = BufReader::new(file);
    let first = file.fill_buf().map_err(Error::io(path))?;
    let old = "is a Feather file of version 1, which is not read: write version 2";
    ensure!(!first.starts_with(b"FEA1"), Error::data(path.display(), old));
    // Feather files, or the stream that `datasets` keeps.
    if first.starts_with(b"ARROW1") {
        let reader = FileReader::try_new(file, None).map_err(|fault| broken(&fault))?;
        Ok((reader.schema(), Box::new(reader)))
    } else {
        let reader = StreamReader::try_new(file, None).map_err(|fault| broken(&fault))?;
        Ok((reader.schema(), Box::new(reader)))
    }
}

/// Whether the file has no column for the text, and one beside that of the label that is numbers.
pub(super) fn holds_numbers(path: &Path, format: Format, options: &ReadOptions) -> bool {
    let Ok(Ok((schema, _))) = expecting_panic(|| open(path, format)) else { return false };
    let mut others = schema.fields().iter().filter(|field| *field.name() != options.label && !is_index(field.name()));
    schema.column_with_name(&options.text).is_none() && others.any(|field| is_numbers(field.data_type()))
}

/// Whether values of this type are numbers, or lists of them.
fn is_numbers(kind: &DataType) -> bool {
    // A column of nothing has numbers that are all missing.
    item(kind).map_or(kind.is_numeric() || matches!(kind, DataType::Null | DataType::Boolean), is_numbers)
}

/// The type of what a list lists.
fn item(kind: &DataType) -> Option<&DataType> {
    match kind {
        DataType::List(own) | DataType::LargeList(own) | DataType::FixedSizeList(own, _) => Some(own.data_type()),
        _ => None,
    }
}

/// Reads a file of texts, or of sequences of numbers: a list, or lists of channels, a row; or a number a column and step.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`], with the row from 1, for damage, a missing column, values that are missing or of other types.
pub(super) fn read(
    path: &Path,
    format: Format,
    numbers: bool,
    targets: bool,
    options: &ReadOptions,
) -> Result<Examples> {
    // The libraries check less than they rely on.
    let damaged = |panic| Error::data(path.display(), format!("is damaged ({panic}): save or fetch it again"));
    expecting_panic(|| read_columns(path, format, numbers, targets, options)).map_err(damaged)?
}

fn read_columns(path: &Path, format: Format, numbers: bool, targets: bool, options: &ReadOptions) -> Result<Examples> {
    let (schema, batches) = open(path, format)?;
    let place = path.display().to_string();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    ensure!(names.len() <= options.limits.columns, {
        Error::data(&place, Problem::Excess(format!("has over {} columns", options.limits.columns)))
    });
    let find = |wanted: &str, role| position(&names, wanted, role).map_err(|problem| Error::data(&place, problem));
    let label = if targets {
        Some(find(&options.label, "label")?)
    } else {
        names.iter().position(|name| *name == options.label)
    };
    let text = if numbers { None } else { Some(find(&options.text, "text")?) };
    let kind = |column: usize| schema.field(column).data_type();
    let steps: Vec<usize> = (0..names.len()).filter(|&column| Some(column) != label).collect();
    // A list a row is no column a step.
    let (lists, plain): (Vec<usize>, Vec<usize>) =
        steps.into_iter().partition(|&column| item(schema.field(column).data_type()).is_some());
    let (index, plain): (Vec<usize>, Vec<usize>) = plain.into_iter().partition(|&column| is_index(names[column]));
    if numbers {
        let foreign = plain.iter().find(|&&column| !lists.is_empty() || !is_numbers(kind(column)));
        let foreign = foreign.or(lists.iter().find(|&&column| !is_numbers(kind(column))));
        if let Some(&column) = foreign {
            let beside = if lists.is_empty() { "" } else { " beside lists of numbers" };
            let problem =
                format!("has the column {} of type {}{beside}: leave it out", quoted(names[column]), kind(column));
            return Err(Error::data(&place, problem));
        }
    }
    let steps = if !lists.is_empty() {
        lists
    } else {
        index.iter().filter(|_| numbers).for_each(|&column| warn_of_index(&place, names[column]));
        plain
    };
    let mut rows = Rows::new(&schema, &steps, options);
    let size = std::fs::metadata(path).map_or(0, |own| own.len());
    for batch in batches {
        let damaged = |fault: ArrowError| match fault.to_string() {
            // Of a way to pack that was not built.
            words if words.contains("Disabled feature") => Error::data(
                &place,
                format!("is packed in a way that is not read ({words}): use snappy, zstd, lz4 or gzip"),
            ),
            words => Error::data(&place, format!("is damaged ({words}): save or fetch it again")),
        };
        let batch = batch.map_err(damaged)?;
        let bytes = batch.get_array_memory_size() as u64;
        rows.weigh(bytes, size).map_err(|problem| Error::data(&place, problem))?;
        for begin in (0..batch.num_rows()).step_by(ROWS) {
            let part = batch.slice(begin, ROWS.min(batch.num_rows() - begin));
            let grown = rows.take(&place, &part, text, label.filter(|_| targets))?;
            rows.weigh(grown, size).map_err(|problem| Error::data(&place, problem))?;
        }
    }
    rows.finish(place, numbers, targets)
}

/// What was read so far.
struct Rows<'a> {
    options: &'a ReadOptions,
    /// The columns of a sequence's numbers.
    steps: &'a [usize],
    /// Rows of the file so far.
    count: u64,
    /// Bytes that they take.
    taken: u64,
    lines: Vec<u64>,
    texts: Vec<String>,
    labels: Vec<String>,
    values: Vec<f64>,
    ends: Vec<usize>,
    width: Option<usize>,
    /// Numbers that were missing.
    filled: usize,
    cells: Option<Cells>,
    left_out: LeftOut,
}

impl<'a> Rows<'a> {
    fn new(schema: &SchemaRef, steps: &'a [usize], options: &'a ReadOptions) -> Rows<'a> {
        let header = schema.fields().iter().map(|field| field.name().clone()).collect();
        let cells = options.cells.then(|| Cells { header, rows: vec![] });
        let (lines, texts, labels, values, ends) = (vec![], vec![], vec![], vec![], vec![]);
        Rows {
            options,
            steps,
            count: 0,
            taken: 0,
            lines,
            texts,
            labels,
            values,
            ends,
            width: None,
            filled: 0,
            cells,
            left_out: LeftOut::default(),
        }
    }

    /// Counts bytes of a file of `size`.
    fn weigh(&mut self, bytes: u64, size: u64) -> std::result::Result<(), Problem> {
        let limits = &self.options.limits;
        self.taken = self.taken.saturating_add(bytes);
        ensure!(self.taken <= limits.memory, Problem::TooLarge { limit: limits.memory });
        let most = limits.ratio.saturating_mul(size).saturating_add(limits.unpacked);
        ensure!(
            self.taken <= most,
            Problem::Excess(format!("unpacks to what takes over {} times its size", limits.ratio))
        );
        Ok(())
    }

    /// Takes the rows of a part; how many bytes of texts they have.
    fn take(&mut self, place: &str, batch: &RecordBatch, text: Option<usize>, label: Option<usize>) -> Result<u64> {
        let wrong = |problem: String| Error::data(place, problem);
        let as_text = |column: usize| strings(batch.column(column)).map_err(wrong);
        let texts = text.map(as_text).transpose()?;
        let names = label.map(|column| labels(batch.column(column)).map_err(wrong)).transpose()?;
        let cells = self
            .cells
            .as_ref()
            .map(|_| (0..batch.num_columns()).map(|column| as_text(column).ok()).collect::<Vec<_>>());
        let steps: Vec<ArrayRef> = if text.is_some() {
            vec![]
        } else {
            self.steps.iter().map(|&column| batch.column(column).clone()).collect()
        };
        let mut grown = 0;
        for row in 0..batch.num_rows() {
            self.count += 1;
            let (begin, had) = (self.values.len(), self.filled);
            let read = match &texts {
                Some(texts) if texts.is_null(row) => Err("has no text".to_string()),
                Some(_) => Ok(()),
                None => self.add_sequence(&steps, row),
            };
            let name = names.as_ref().map(|names| names[row].clone());
            let read = read.and_then(|()| match &name {
                Some(None) => Err("has no label".to_string()),
                _ => Ok(()),
            });
            let read = read.map_err(|problem| Error::data(format_args!("{place}: row {}", self.count), problem));
            if self.left_out.row(self.options.skip_bad_rows, read)?.is_none() {
                self.values.truncate(begin);
                self.filled = had;
                continue;
            }
            self.lines.push(self.count);
            self.labels.extend(name.flatten());
            match &texts {
                Some(texts) => {
                    grown += texts.value(row).len() as u64;
                    self.texts.push(texts.value(row).to_string());
                }
                None => self.ends.push(self.values.len()),
            }
            if let (Some(own), Some(cells)) = (&mut self.cells, &cells) {
                let cell = |column: &Option<StringArray>| {
                    column
                        .as_ref()
                        .filter(|own| own.is_valid(row))
                        .map_or(String::new(), |own| own.value(row).to_string())
                };
                own.rows.push(cells.iter().map(cell).collect());
            }
        }
        Ok(grown)
    }

    /// Adds the numbers of a row: of lists side by side, of a list of lists, or of plain columns.
    fn add_sequence(&mut self, steps: &[ArrayRef], row: usize) -> std::result::Result<(), String> {
        let is_list = steps.first().is_some_and(|column| item(column.data_type()).is_some());
        let mut channels = vec![];
        if is_list {
            for column in steps {
                channels.extend(channels_of(column, row)?);
            }
        } else {
            let each = steps.iter().map(|column| Ok(numbers(&column.slice(row, 1))?[0]));
            channels.push(each.collect::<std::result::Result<Vec<_>, String>>()?);
        }
        let count = channels.first().map_or(0, Vec::len);
        ensure!(channels.iter().all(|channel| channel.len() == count), "has channels of different lengths".to_string());
        let width = channels.len();
        let channels =
            channels.into_iter().map(|channel| self.known(channel)).collect::<std::result::Result<Vec<_>, _>>()?;
        let own: Vec<f64> = (0..count).flat_map(|step| channels.iter().map(move |channel| channel[step])).collect();
        ensure!(!own.is_empty(), "has no steps".to_string());
        let before = *self.width.get_or_insert(width);
        ensure!(before == width, format!("has steps of {width} numbers, and rows before have {before}"));
        self.values.extend(own);
        Ok(())
    }

    /// The numbers of a channel, of which what is missing is filled in, as in a text.
    fn known(&mut self, channel: Vec<Option<f64>>) -> std::result::Result<Vec<f64>, String> {
        let (count, mut own) = (channel.len(), vec![]);
        for (at, value) in (1..).zip(&channel) {
            match value {
                Some(value) if value.abs() <= MOST => bridge(&mut own, 0, at, *value),
                Some(value) if !value.is_nan() => {
                    return Err(format!("number {at} is {value:e}, and at most {MOST:e} is read"));
                }
                _ => {}
            }
        }
        let last = *own.last().ok_or(format!("has no known number, {count} are missing"))?;
        own.resize(count, last);
        self.filled += channel.iter().filter(|own| own.is_none_or(f64::is_nan)).count();
        Ok(own)
    }

    fn finish(self, place: String, numbers: bool, targets: bool) -> Result<Examples> {
        ensure!(!self.lines.is_empty(), self.left_out.none(&place, "has no rows"));
        let inputs = if numbers {
            let mut own = Sequences::of_ends(self.width.unwrap_or(1), self.values, self.ends);
            own.filled = self.filled;
            RawInputs::Numbers(own)
        } else {
            RawInputs::Texts(self.texts)
        };
        let targets = targets.then_some(RawTargets::Names(self.labels));
        let (lines, cells, left_out) = (self.lines, self.cells, self.left_out);
        Ok(Examples { place, lines, inputs, targets, targets_place: None, cells, left_out })
    }
}

fn strings(column: &ArrayRef) -> std::result::Result<StringArray, String> {
    let own = cast(column, &DataType::Utf8)
        .map_err(|_| format!("has a column of type {}, not of texts", column.data_type()))?;
    Ok(own.as_string::<i32>().clone())
}

/// The label of each row, of several with commas between them; `None` where there is none.
fn labels(column: &ArrayRef) -> std::result::Result<Vec<Option<String>>, String> {
    let Some(_) = item(column.data_type()) else {
        let own = strings(column)?;
        return Ok(own.iter().map(|name| name.map(label)).collect());
    };
    let each = |row: usize| {
        let own = element(column, row);
        own.map(|own| Ok(strings(&own)?.iter().flatten().map(label).collect::<Vec<_>>().join(","))).transpose()
    };
    (0..column.len()).map(each).collect()
}

/// What a row of a column of lists lists; `None` where it is missing.
fn element(column: &ArrayRef, row: usize) -> Option<ArrayRef> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::List(_) => Some(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(column.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// The channels in a row of a column of lists, of numbers or of steps of several numbers.
fn channels_of(column: &ArrayRef, row: usize) -> std::result::Result<Vec<Vec<Option<f64>>>, String> {
    let own = element(column, row).ok_or("has no numbers")?;
    if item(own.data_type()).is_none() {
        return Ok(vec![numbers(&own)?]);
    }
    let mut channels: Vec<Vec<Option<f64>>> = vec![];
    for step in 0..own.len() {
        let values = numbers(&element(&own, step).ok_or_else(|| format!("has no numbers at step {step}"))?)?;
        channels.resize_with(if step == 0 { values.len() } else { channels.len() }, Vec::new);
        ensure!(
            values.len() == channels.len(),
            format!("has {} numbers at step {step}, and before {}", values.len(), channels.len())
        );
        channels.iter_mut().zip(values).for_each(|(channel, value)| channel.push(value));
    }
    ensure!(!channels.is_empty(), "has no steps".to_string());
    Ok(channels)
}

/// `None` where a number is missing.
fn numbers(column: &ArrayRef) -> std::result::Result<Vec<Option<f64>>, String> {
    let own = cast(column, &DataType::Float64).map_err(|_| format!("has {} for numbers", column.data_type()))?;
    let own: &Float64Array = own.as_primitive::<Float64Type>();
    Ok(own.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::data::readers::fixtures::rows_of;

    /// A file that other libraries made; see `tests/data/make_columns.py`.
    fn made(name: &str) -> Source {
        Source::File(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name))
    }

    /// The labels, with blanks between them.
    fn names(examples: &Examples) -> String {
        examples.names().unwrap().join(" ")
    }

    fn numbers_of(name: &str) -> (usize, Vec<Vec<f64>>, String) {
        let read = ReadOptions::default().read(&made(name), true).unwrap();
        let RawInputs::Numbers(own) = &read.inputs else { panic!("{name} holds texts") };
        (own.width, rows_of(own), names(&read))
    }

    #[test]
    fn texts_with_their_labels() {
        for name in ["texts.parquet", "texts.feather"] {
            let options = ReadOptions { cells: true, ..ReadOptions::default() };
            let read = options.read(&made(name), true).unwrap();
            assert_eq!(read.texts().unwrap(), ["a film", "né", "x"], "{name}");
            assert_eq!((names(&read), &read.lines[..]), ("good bad good".into(), &[1, 2, 3][..]));
            let cells = read.cells.unwrap();
            assert_eq!((cells.header.join(" "), cells.rows[1].join(" ")), ("id text label".into(), "2 né bad".into()));
            let other = ReadOptions { label: "stars".into(), ..ReadOptions::default() };
            let error = other.read(&made(name), true).unwrap_err().to_string();
            assert!(error.ends_with("has no column `stars`, only `id`, `text`, `label`"), "{error}");
            assert_eq!(other.read(&made(name), false).unwrap().targets, None);
        }
    }

    #[test]
    fn rows_with_gaps() {
        let error = ReadOptions::default().read(&made("gaps.parquet"), true).unwrap_err().to_string();
        assert!(error.ends_with("gaps.parquet: row 2: has no text"), "{error}");
        let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
        let read = options.read(&made("gaps.parquet"), true).unwrap();
        assert_eq!((names(&read), &read.lines[..], read.left_out.count), ("1,2 2".into(), &[1, 3][..], 1));
    }

    #[test]
    fn numbers_in_lists_and_in_columns() {
        let plain = vec![vec![1.0, 2.0, 3.0], vec![4.0], vec![5.0, 6.0]];
        assert_eq!(numbers_of("lists.parquet"), (1, plain, "1 2 1".into()));
        let beside = vec![vec![1.0, 0.0, 2.0, 1.0, 3.0, 2.0], vec![4.0, 3.0], vec![5.0, 4.0, 6.0, 5.0]];
        assert_eq!(numbers_of("channels.arrow"), (2, beside, "a b a".into()));
        let steps = vec![vec![1.0, 10.0, 2.0, 20.0], vec![3.0, 30.0]];
        assert_eq!(numbers_of("steps.arrow"), (2, steps, "true false".into()));
        assert_eq!(numbers_of("wide.parquet"), (1, vec![vec![0.0, 1.0, 2.0], vec![3.0, 4.0, 5.0]], "a b".into()));
    }

    #[test]
    fn damage_is_never_more_than_an_error() {
        let room = tempfile::tempdir().unwrap();
        std::panic::set_hook(Box::new(|panic| {
            if !crate::panics::is_panic_expected() {
                eprintln!("{panic}");
            }
        }));
        for name in ["texts.parquet", "texts.feather", "gaps.parquet", "lists.parquet", "channels.arrow", "steps.arrow"]
        {
            let Source::File(path) = made(name) else { unreachable!() };
            let whole = std::fs::read(path).unwrap();
            let own = room.path().join(name);
            let read = |bytes: &[u8]| {
                std::fs::write(&own, bytes).unwrap();
                ReadOptions::default().read(&Source::File(own.clone()), true)
            };
            for at in 0..whole.len() {
                drop(read(&whole[..at]));
                // Arrow asks for as much memory as a damaged length says, which ends a program.
                if name.ends_with(".parquet") {
                    let mut damaged = whole.clone();
                    damaged[at] ^= 0x55;
                    drop(read(&damaged));
                }
            }
        }
    }
}
