//! The kernels: each stands once, with its shader, its bindings and its twin on the CPU.
//!
//! One kernel is one pair of files of the same name: `shaders/matmul.wgsl` and `src/kernel/matmul.rs`. The Rust file holds
//! the declaration, a function that makes a dispatch of it, and the twin: the same work on the same bindings in the same
//! order, written for the CPU. A cell's two kernels stand in one file of `cell`, and what all cells share in `recurrence`.

pub use crate::plan::{Access, Binding, BindingSpec, Element, Kernel};

pub mod cell;
pub mod dropout;
pub mod element_loss;
mod faded;
pub mod gather_rows;
pub mod loss;
pub mod matmul;
pub mod pool_backward;
pub mod pool_forward;
pub mod recurrence;
pub mod softmax_cross_entropy;
pub mod squared_norm;
pub mod step_control;
pub mod strands;
pub mod sum_by_token;
pub mod sum_partials;
pub mod transpose;
pub mod update;

pub mod activation;
mod declare;
mod prefetch;
mod prelude;
pub(crate) mod product;
pub(crate) mod threads;
mod tiles;
mod unroll;

/// Every kernel of the crate.
pub fn kernels() -> impl Iterator<Item = &'static Kernel> {
    let others = [
        &gather_rows::KERNEL,
        &matmul::KERNEL,
        &sum_partials::KERNEL,
        &transpose::KERNEL,
        &pool_forward::KERNEL,
        &pool_backward::KERNEL,
        &dropout::KERNEL,
        &sum_by_token::KERNEL,
        &softmax_cross_entropy::KERNEL,
        &element_loss::KERNEL,
        &squared_norm::KERNEL,
        &step_control::KERNEL,
        &update::KERNEL,
    ];
    others.into_iter().chain(cell::RECURRENCES.iter().flat_map(|cell| [&cell.forward, &cell.backward]))
}

/// Workgroups for `count` items as a grid of two dimensions: WebGPU allows 65,535 along each. Shaders number their
/// workgroup `x + y · (workgroups along x)`.
pub fn grid(count: usize) -> [u32; 3] {
    let count = count.max(1);
    let y = count.div_ceil(32_768);
    [count.div_ceil(y) as u32, y as u32, 1]
}
