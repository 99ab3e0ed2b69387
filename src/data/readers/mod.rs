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
