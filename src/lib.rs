//! Sliced recurrent neural networks (Yu & Liu, COLING 2018) on any GPU through wgpu, and on the CPU.
//!
//! A plain GRU reads T steps one after the other. SRNN(n,k) cuts the sequence into n^k slices, runs one GRU over all
//! of them at once, and merges their last states n at a time in k further levels, until one state is left: T steps
//! that must wait for one another become T/n^k + n·k. Kernels are hand-written WGSL; each has a twin on the CPU, which
//! checks it and takes its place where there is no GPU.
//!
//! # In a few lines
//!
//! ```
//! use srnn::network::Optimiser;
//! use srnn::{Config, Device, Network, Slicing};
//!
//! # fn main() -> srnn::Result<()> {
//! // SRNN(4,1) over sequences of at most 16 tokens out of 10, told apart into 2 classes.
//! let config = Config {
//!     slicing: Slicing::new(4, 1)?,
//!     length: 16,
//!     vocabulary: 10,
//!     embedding: 8,
//!     hidden: 16,
//!     classes: 2,
//!     ..Config::default()
//! };
//! let mut network = Network::new(config, Device::auto()?, 1)?;
//!
//! // Class 1 is what holds a 7, wherever it stands.
//! let sequences: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6], &[1, 7, 3, 4, 5, 6], &[7, 2], &[2, 1]];
//! let batch = network.config().batch(&sequences, &[0, 1, 1, 0]);
//! for _ in 0..200 {
//!     network.train_step(&batch, &Optimiser::default())?;
//! }
//! let probabilities = network.probabilities(&batch)?;
//! assert!(probabilities[1] < 0.5 && probabilities[3] > 0.5);
//! # Ok(())
//! # }
//! ```
//!
//! [`Trainer`] adds epochs, shuffling, validation, early stopping and the best weights, and [`train::Training`] goes from
//! files and settings to a model directory; see `examples/` for a file of
//! texts (`sentiment.rs`), one's own training loop (`custom_loop.rs`) and timings (`timing.rs`).
//!
//! # The way of a batch
//!
//! [`data`] reads and cuts it → [`network`] plans → [`engine`] runs the [`plan`] with its [`kernel`]s → [`train`]
//! updates and reports. A plan is pure data, so that it can be printed, costed and checked against a device's limits
//! without that device; the network and the trainer do not know which engine runs it.

#[cfg(feature = "command")]
pub mod cli;
pub mod compare;
pub mod data;
pub mod doctor;
pub mod engine;
pub mod error;
#[cfg(all(any(feature = "files", feature = "gpu"), not(target_arch = "wasm32")))]
pub mod files;
pub mod kernel;
pub mod listing;
pub mod network;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(any(feature = "columnar", feature = "gpu"))]
pub mod panics;
pub mod plan;
pub mod slicing;
pub mod stream;
pub mod timing;
pub mod train;

pub use engine::{Choice, Device};
pub use error::{Error, Result};
pub use network::{Config, Network};
pub use slicing::Slicing;
pub use stream::Stream;
pub use train::Trainer;
