//! From files to numbers: tables of labelled texts, class names, words, bytes, word vectors, sequences of numbers.
//!
//! Everything a user hands in comes through this room, so each reader names the file and the line of what it
//! refuses. Nothing here knows of networks or devices.

pub mod batch;
#[cfg(feature = "files")]
mod channels;
pub mod normalisation;
mod rows;
pub mod scaling;
#[cfg(feature = "files")]
mod sequences;
pub mod split;
#[cfg(feature = "texts")]
pub mod tokenizer;

#[cfg(feature = "texts")]
mod bytes;
#[cfg(feature = "files")]
mod classes;
#[cfg(feature = "texts")]
mod endings;
#[cfg(feature = "files")]
pub(crate) mod readers;
#[cfg(feature = "texts")]
mod tokenizer_parts;
#[cfg(feature = "texts")]
mod words;

pub use batch::{Batch, Inputs, Padding, Rows, Targets, Truncate};
#[cfg(feature = "files")]
pub use channels::{Channel, Channels};
#[cfg(feature = "files")]
pub use classes::Classes;
pub use normalisation::Normalisation;
#[cfg(feature = "files")]
pub use readers::{
    BETWEEN, Cells, Encoding, Examples, Format, Keys, LeftOut, Limits, Pixels, RawInputs, RawTargets, ReadOptions,
    Source, emails, npy_bytes, read_lines, read_vectors,
};
pub use scaling::{Scale, Scaling};
#[cfg(feature = "files")]
pub use sequences::{Numbers, Sequences};
pub use split::{fold, hold_out, hold_out_unclassed};
#[cfg(feature = "texts")]
pub use tokenizer::{Pieces, Tokenizer};
