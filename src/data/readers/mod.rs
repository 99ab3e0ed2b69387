//! The readers of files: tables of texts, arrays, images and series of numbers, word vectors.

mod arrays;
mod binary;
mod csv_rows;
mod emails;
mod examples;
mod format;
mod idx;
mod json_lines;
mod lines;
mod npy;
mod npy_header;
mod npz;
mod series;
mod source;
mod table;
mod ucr;
mod vectors;

pub use emails::{Part, emails};
pub use examples::{Examples, RawInputs, RawTargets, ReadOptions};
pub use format::Format;
pub use lines::read_lines;
pub use npy::npy_bytes;
pub use series::Pixels;
pub use source::Source;
pub use vectors::read_vectors;

/// Files, and what is read of them, for the tests of several readers.
#[cfg(test)]
mod fixtures {
    use super::lines::Lines;
    use super::source::unpack;
    use super::{Examples, Format, RawInputs, RawTargets, idx, npy_header, table};

    /// An IDX file of unsigned bytes.
    pub fn idx_file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
        let dimensions = sizes.clone().count() as u8 / 4;
        idx::MAGIC.into_iter().chain([dimensions]).chain(sizes).chain(bytes.iter().copied()).collect()
    }

    /// An `.npy` file, as NumPy lays it out.
    pub fn npy_file(descr: &str, fortran: bool, shape: &str, bytes: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        npy_with_header(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"), bytes)
    }

    pub fn npy_with_header(text: &str, bytes: &[u8]) -> Vec<u8> {
        let length = (text.len() as u16).to_le_bytes();
        [npy_header::MAGIC, &[1, 0], &length, text.as_bytes(), bytes].concat()
    }

    /// Text, label and line.
    pub type Row = (String, String, u64);

    /// Reads `bytes` as the table `t`, columns `text` and `label`.
    pub fn read(bytes: &str, format: Format) -> Result<Vec<Row>, String> {
        read_bytes(bytes.as_bytes(), Some(format))
    }

    pub fn read_bytes(bytes: &[u8], format: Option<Format>) -> Result<Vec<Row>, String> {
        let lines = Lines::new("t".into(), unpack("t", std::io::Cursor::new(bytes.to_vec()), false).unwrap());
        let read = table::read(lines, ("text", Some("label")), format);
        let Examples { lines, inputs, targets, .. } = read.map_err(|error| error.to_string())?;
        let (RawInputs::Texts(texts), Some(RawTargets::Names(names))) = (inputs, targets) else { unreachable!() };
        Ok(texts.into_iter().zip(names).zip(lines).map(|((text, name), line)| (text, name, line)).collect())
    }

    pub fn row(text: &str, label: &str, line: u64) -> Row {
        (text.into(), label.into(), line)
    }
}
