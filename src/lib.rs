pub mod compare;
pub mod data;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod kernel;
pub mod network;
pub mod plan;
pub mod slicing;
pub mod timing;
pub mod train;

pub use engine::{Choice, Device};
pub use error::{Error, Result};
pub use network::{Config, Network};
pub use slicing::Slicing;
pub use train::Trainer;
