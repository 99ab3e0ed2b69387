//! From files to numbers: tables of labelled texts, class names, words, bytes, word vectors, sequences of numbers.
//!
//! Everything a user hands in comes through this room, so each reader names the file and the line of what it
//! refuses and says what to do about it. Nothing here knows of networks or devices.

pub mod batch;
pub mod classes;
pub mod emails;
pub mod examples;
pub mod normalisation;
pub mod source;
pub mod split;
pub mod tokenizer;
pub mod vectors;

mod arrays;
mod binary;
mod bytes;
mod csv_rows;
mod format;
mod idx;
mod json_lines;
mod lines;
mod npy;
mod npy_header;
mod npz;
mod series;
mod table;
mod ucr;
mod words;

pub use batch::{Batch, Inputs, Padding, Targets, Truncate};
pub use classes::Classes;
pub use emails::{Part, emails};
pub use examples::{Examples, RawInputs, RawTargets, ReadOptions};
pub use format::{Format, SeriesFormat, TableFormat};
pub use lines::{InputLines, read_lines};
pub use normalisation::Normalisation;
pub use npy::npy_bytes;
pub use series::Pixels;
pub use source::Source;
pub use split::{hold_out, hold_out_unclassed};
pub use tokenizer::Tokenizer;
pub use vectors::{Vectors, read_vectors};
