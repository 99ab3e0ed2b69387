//! What every cell's file uses.

pub(super) use super::declare::recurrence;
pub(super) use super::units::units;
pub use crate::kernel::activation::{Activation, activate, fused, sigmoid, slope, tanh};
pub use crate::kernel::unroll::TileStep;
