//! From files to numbers: tables of labelled texts, class names, words, bytes, word vectors, sequences of numbers.
//!
//! Everything a user hands in comes through this room, so each reader names the file and the line of what it
//! refuses. Nothing here knows of networks or devices.

pub mod batch;
#[cfg(feature = "files")]
pub mod classes;
#[cfg(feature = "files")]
pub mod emails;
#[cfg(feature = "files")]
pub mod examples;
pub mod normalisation;
#[cfg(feature = "files")]
pub mod source;
pub mod split;
#[cfg(feature = "texts")]
pub mod tokenizer;
#[cfg(feature = "files")]
pub mod vectors;

#[cfg(feature = "files")]
mod arrays;
#[cfg(feature = "files")]
mod binary;
#[cfg(feature = "texts")]
mod bytes;
#[cfg(feature = "files")]
mod csv_rows;
#[cfg(feature = "files")]
mod format;
#[cfg(feature = "files")]
mod idx;
#[cfg(feature = "files")]
mod json_lines;
#[cfg(feature = "files")]
mod lines;
#[cfg(feature = "files")]
mod npy;
#[cfg(feature = "files")]
mod npy_header;
#[cfg(feature = "files")]
mod npz;
#[cfg(feature = "files")]
mod series;
#[cfg(feature = "files")]
mod table;
#[cfg(feature = "files")]
mod ucr;
#[cfg(feature = "texts")]
mod words;

pub use batch::{Batch, Inputs, Padding, Targets, Truncate};
#[cfg(feature = "files")]
pub use classes::Classes;
#[cfg(feature = "files")]
pub use emails::{Part, emails};
#[cfg(feature = "files")]
pub use examples::{Examples, RawInputs, RawTargets, ReadOptions};
#[cfg(feature = "files")]
pub use format::{Format, SeriesFormat, TableFormat};
#[cfg(feature = "files")]
pub use lines::{InputLines, read_lines};
pub use normalisation::Normalisation;
#[cfg(feature = "files")]
pub use npy::npy_bytes;
#[cfg(feature = "files")]
pub use series::Pixels;
#[cfg(feature = "files")]
pub use source::Source;
pub use split::{hold_out, hold_out_unclassed};
#[cfg(feature = "texts")]
pub use tokenizer::Tokenizer;
#[cfg(feature = "files")]
pub use vectors::{Vectors, read_vectors};
