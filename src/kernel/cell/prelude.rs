//! What every cell's file uses.

pub(super) use super::units::units;
pub use crate::compare::Tolerance;
pub use crate::kernel::activation::{Activation, activate, fused, sigmoid, slope, tanh};
pub use crate::kernel::recurrence::{BACKWARD, FORWARD, Matrix, ONE_PHASE, ROWS, Recurrence, backward, forward};
pub use crate::kernel::unroll::{TileStep, run_backward, run_forward};
