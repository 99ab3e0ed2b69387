//! What most kernels' files use.

pub(super) use super::declare::kernel;
pub(super) use super::{grid, threads};
pub(super) use crate::plan::{Cost, Dispatch, View};
pub(super) use multiversion::multiversion;
pub(super) use rayon::prelude::*;
