//! The readers of files: tables of texts, arrays, images and series of numbers, word vectors.

mod arff;
mod arrays;
mod binary;
#[cfg(feature = "columnar")]
mod columns;
mod csv_rows;
mod emails;
mod encoding;
mod examples;
mod forecast;
mod format;
mod gathered;
mod idx;
mod in_time;
mod json_lines;
mod keys;
pub(crate) mod labels;
mod limits;
mod lines;
mod npy;
mod npy_header;
mod npz;
mod orange;
mod packing;
mod series;
mod source;
mod step_rows;
mod table;
mod tagged;
mod texts;
mod ts;
mod tsv_rows;
mod ucr;
mod vectors;

pub use emails::emails;
pub use encoding::Encoding;
pub use examples::{BETWEEN, Cells, Examples, LeftOut, Pixels, RawInputs, RawTargets, ReadOptions};
pub use format::Format;
pub use keys::Keys;
pub use limits::Limits;
pub use lines::read_lines;
pub use npy::npy_bytes;
pub use source::Source;
pub use vectors::read_vectors;

use crate::error::{Error, Problem, Result, ensure};
use lines::Lines;

/// Rows that were left out which a warning tells of.
const MOST_TOLD: usize = 10;

impl ReadOptions {
    /// Reads a whole file, packed (gzip, xz, zstd, a zip of one file) or not, once; with `targets` there must be some, without
    /// none are looked at.
    /// A byte order mark, blank lines and Windows line ends of a text are no trouble.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read. [`Error::Data`], with line or row, step and column where there are
    /// some, for files that are empty, damaged or not what their format says, without a wanted column, with numbers that
    /// are not finite, and for targets that are missing, do not fit, or stand in a file of their own beside a table.
    pub fn read(&self, source: &Source, targets: bool) -> Result<Examples> {
        let examples = self.read_all(source, targets)?;
        let examples = match self.ahead.filter(|_| targets) {
            Some(ahead) => examples.with_forecasts(ahead)?,
            None => examples,
        };
        let LeftOut { count, told } = &examples.left_out;
        if *count > 0 {
            let shown = told.iter().take(MOST_TOLD).map(|row| format!("\n  {row}")).collect::<String>();
            let more = count.saturating_sub(MOST_TOLD);
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            log::warn!("{source}: {count} broken rows are left out:{shown}{more}");
        }
        Ok(examples)
    }

    fn read_all(&self, source: &Source, targets: bool) -> Result<Examples> {
        let format = self.format_of(source);
        if let Some(format) = format.filter(|format| format.is_columnar()) {
            return self.read_columns(source, format, targets && self.ahead.is_none());
        }
        if self.steps && matches!(format, Some(Format::Tsv | Format::Csv)) {
            return step_rows::read(Lines::open(source, self)?, targets, self);
        }
        if let Some(format) = format.filter(|format| format.is_numbers()) {
            let Source::File(path) = source else {
                return Err(Error::Config("numbers are read from files, not from standard input".into()));
            };
            let targets = targets && self.ahead.is_none();
            let examples = series::read(path, format, targets, self)?;
            ensure!(examples.targets.is_some() || !targets, Error::data(source, Problem::NoTargets));
            return Ok(examples);
        }
        if let Source::File(path) = source
            && path.is_dir()
        {
            return texts::read_folder(path, targets, self);
        }
        let beside = "a table has its labels in a column: leave out the file of labels";
        ensure!(self.labels.is_none() || !targets, Error::data(source, beside));
        texts::read(Lines::open(source, self)?, targets, format, self)
    }

    #[cfg(feature = "columnar")]
    fn read_columns(&self, source: &Source, format: Format, targets: bool) -> Result<Examples> {
        let Source::File(path) = source else {
            return Err(Error::Config(format!("{format} is read from files, not from standard input")));
        };
        columns::read(path, format, self.are_numbers(source, Some(format)), targets, self)
    }

    #[cfg(not(feature = "columnar"))]
    fn read_columns(&self, source: &Source, format: Format, _: bool) -> Result<Examples> {
        Err(Error::data(source, Problem::NoColumns(format.to_string())))
    }
}

/// Files, and what is read of them, for the tests of several readers.
#[cfg(test)]
mod fixtures {
    use super::limits::{Limits, Reader, Weighed};
    use super::lines::Lines;
    use super::packing::unpack;
    use super::{Examples, Format, RawInputs, RawTargets, ReadOptions, format, source, texts};
    use crate::data::Sequences;

    /// These bytes as an opened file.
    pub fn opened(bytes: &[u8]) -> Reader<'_> {
        Weighed::new(bytes, None, Limits::default())
    }

    /// These bytes as the lines of a file of this name, packed or not.
    pub fn opened_lines(name: &str, bytes: &[u8]) -> Lines {
        lines_of(name, bytes, &ReadOptions::default())
    }

    /// The same, as these options say.
    pub fn lines_of(name: &str, bytes: &[u8], options: &ReadOptions) -> Lines {
        let limits = options.limits.clone();
        let (unpacked, packed) = unpack(name, std::io::Cursor::new(bytes.to_vec()), None, &limits).unwrap();
        Lines::new(name.into(), source::text(unpacked, packed, limits, options.encoding).unwrap(), options)
    }

    /// The numbers of each sequence.
    pub fn rows_of(sequences: &Sequences) -> Vec<Vec<f64>> {
        (0..sequences.len()).map(|row| sequences.row(row).collect()).collect()
    }

    /// An IDX file of unsigned bytes.
    pub fn idx_file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
        let dimensions = sizes.clone().count() as u8 / 4;
        format::IDX.iter().copied().chain([dimensions]).chain(sizes).chain(bytes.iter().copied()).collect()
    }

    /// An `.npy` file, as NumPy lays it out.
    pub fn npy_file(descr: &str, fortran: bool, shape: &str, bytes: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        npy_with_header(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"), bytes)
    }

    pub fn npy_with_header(text: &str, bytes: &[u8]) -> Vec<u8> {
        let length = (text.len() as u16).to_le_bytes();
        [format::NPY, &[1, 0], &length, text.as_bytes(), bytes].concat()
    }

    /// Text, label and line.
    pub type Row = (String, String, u64);

    /// Reads `bytes` as the table `t`, columns `text` and `label`.
    pub fn read(bytes: &str, format: Format) -> Result<Vec<Row>, String> {
        read_bytes(bytes.as_bytes(), Some(format))
    }

    pub fn read_bytes(bytes: &[u8], format: Option<Format>) -> Result<Vec<Row>, String> {
        let read = texts::read(opened_lines("t", bytes), true, format, &ReadOptions::default());
        let Examples { lines, inputs, targets, .. } = read.map_err(|error| error.to_string())?;
        let (RawInputs::Texts(texts), Some(RawTargets::Names(names))) = (inputs, targets) else { unreachable!() };
        Ok(texts.into_iter().zip(names).zip(lines).map(|((text, name), line)| (text, name, line)).collect())
    }

    pub fn row(text: &str, label: &str, line: u64) -> Row {
        (text.into(), label.into(), line)
    }
}
