//! From files to numbers: tables of labelled texts, class names, words, bytes, word vectors, sequences of numbers.
//!
//! Everything a user hands in comes through this room, so each reader names the file and the line of what it
//! refuses and says what to do about it. Nothing here knows of networks or devices.

pub mod batch;
pub mod emails;
pub mod labels;
pub mod normalisation;
pub mod series;
pub mod source;
pub mod split;
pub mod table;
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
pub(crate) mod listing;
mod npy;
mod npy_header;
mod npz;
mod series_format;
mod ucr;
mod words;

pub use batch::{Batch, Padding, Truncate};
pub use emails::{Part, emails};
pub use format::Format;
pub use labels::Labels;
pub use lines::{InputLines, read_lines};
pub use normalisation::Normalisation;
pub use npy::npy_bytes;
pub use series::{Pixels, Series, SeriesFormat, Targets, read_sequences, read_series};
pub use source::Source;
pub use split::{hold_out, hold_out_unclassed};
pub use table::{Columns, Example, read_examples};
pub use tokenizer::Tokenizer;
pub use vectors::{Vectors, read_vectors};
