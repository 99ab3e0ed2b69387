//! The kernels: each stands once, with its shader, its bindings and its twin on the CPU.
//!
//! One kernel is one pair of files of the same name: `shaders/gru_forward.wgsl` and `src/kernel/gru_forward.rs`. The
//! Rust file holds the declaration, a function that makes a dispatch of it, and the twin: the same work on the same
//! bindings in the same order, written for the CPU.

use crate::compare::Tolerance;
use crate::plan::Dispatch;

pub mod adam;
pub mod dropout;
pub mod element_loss;
pub mod gather_rows;
pub mod gru_backward;
pub mod gru_before_backward;
pub mod gru_before_forward;
pub mod gru_forward;
pub mod lstm_backward;
pub mod lstm_forward;
pub mod matmul;
pub mod pool_backward;
pub mod pool_forward;
pub mod recurrence;
pub mod rnn_backward;
pub mod rnn_forward;
pub mod sgd;
pub mod softmax_cross_entropy;
pub mod squared_norm;
pub mod step_control;
pub mod sum_by_token;
pub mod sum_partials;
pub mod transpose;

pub mod activation;
mod prefetch;
pub(crate) mod product;
pub(crate) mod threads;
mod tiles;
mod unroll;

/// How a kernel uses a binding. What is only read is bound read-only: every writable buffer costs a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Element type of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    U32,
}

/// One storage buffer of a kernel, as its shader declares it.
#[derive(Clone, Copy, Debug)]
pub struct BindingSpec {
    pub name: &'static str,
    pub access: Access,
    pub element: Element,
    /// The shape in the words of the design: `[R, 2]`.
    pub shape: &'static str,
}

impl BindingSpec {
    const fn read(name: &'static str, shape: &'static str) -> BindingSpec {
        BindingSpec { name, access: Access::Read, element: Element::F32, shape }
    }

    const fn indices(name: &'static str, shape: &'static str) -> BindingSpec {
        BindingSpec { name, access: Access::Read, element: Element::U32, shape }
    }

    const fn write(name: &'static str, shape: &'static str) -> BindingSpec {
        BindingSpec { name, access: Access::Write, element: Element::F32, shape }
    }
}

/// A kernel: shader, bindings and CPU twin.
pub struct Kernel {
    pub name: &'static str,
    /// WGSL that stands in front of the shader, as several share it.
    pub preludes: &'static [&'static str],
    /// WGSL without its shape constants; see [`Kernel::source`].
    pub shader: &'static str,
    pub bindings: &'static [BindingSpec],
    /// The same work on the CPU. Bindings come in the declared order.
    pub twin: fn(&Dispatch, &mut [Binding]),
    /// Bytes of workgroup memory that the shader needs with a dispatch's constants.
    pub workgroup_memory: fn(&Dispatch) -> u32,
    /// How far shader and twin may differ, as both round in their own order.
    pub tolerance: Tolerance,
}

impl Kernel {
    /// The complete WGSL: a dispatch's constants as `const NAME: u32 = value;`, the types of its `LANES` where it has
    /// such, its preludes, then the shader.
    pub fn source(&self, constants: &[(&'static str, u32)]) -> String {
        let mut source = String::with_capacity(self.shader.len() + 32 * constants.len());
        for (name, value) in constants {
            source.push_str(&format!("const {name}: u32 = {value}u;\n"));
            if *name == "LANES" {
                source.push_str(recurrence::lane_types(*value));
            }
        }
        self.preludes.iter().for_each(|prelude| source.push_str(prelude));
        source.push_str(self.shader);
        source
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Kernel) -> bool {
        self.name == other.name
    }
}

/// Every kernel of the crate.
pub static KERNELS: [&Kernel; 22] = [
    &gather_rows::KERNEL,
    &matmul::KERNEL,
    &sum_partials::KERNEL,
    &transpose::KERNEL,
    &gru_forward::KERNEL,
    &gru_backward::KERNEL,
    &gru_before_forward::KERNEL,
    &gru_before_backward::KERNEL,
    &lstm_forward::KERNEL,
    &lstm_backward::KERNEL,
    &rnn_forward::KERNEL,
    &rnn_backward::KERNEL,
    &pool_forward::KERNEL,
    &pool_backward::KERNEL,
    &dropout::KERNEL,
    &sum_by_token::KERNEL,
    &softmax_cross_entropy::KERNEL,
    &element_loss::KERNEL,
    &squared_norm::KERNEL,
    &step_control::KERNEL,
    &adam::KERNEL,
    &sgd::KERNEL,
];

/// What a twin gets for one binding: 4-byte words, shared or its own.
pub enum Binding<'a> {
    Read(&'a [u32]),
    Write(&'a mut [u32]),
}

impl Binding<'_> {
    fn words(&self) -> &[u32] {
        match self {
            Binding::Read(words) => words,
            Binding::Write(words) => words,
        }
    }

    /// The binding as indices.
    pub fn u32(&self) -> &[u32] {
        self.words()
    }

    /// The binding as numbers.
    pub fn f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.words())
    }

    /// The binding as numbers to be written.
    ///
    /// # Panics
    /// If the kernel declared it as read-only: a mistake in this crate, found by any run of the twin.
    pub fn f32_mut(&mut self) -> &mut [f32] {
        match self {
            Binding::Read(_) => panic!("a twin writes a read-only binding"),
            Binding::Write(words) => bytemuck::cast_slice_mut(words),
        }
    }
}

impl Dispatch {
    /// A shape constant by name.
    ///
    /// # Panics
    /// If the dispatch was made without it: a mistake in this crate.
    pub fn constant(&self, name: &str) -> usize {
        self.constants.iter().find(|(n, _)| *n == name).expect("constant of the kernel").1 as usize
    }

    /// Run-time number `at` as an index.
    pub fn parameter(&self, at: usize) -> usize {
        self.parameters[at] as usize
    }

    /// Run-time number `at` as a float.
    pub fn parameter_f32(&self, at: usize) -> f32 {
        f32::from_bits(self.parameters[at])
    }
}

/// No workgroup memory.
const fn no_workgroup_memory(_: &Dispatch) -> u32 {
    0
}

/// Workgroups for `count` items as a grid of two dimensions: WebGPU allows 65,535 along each. Shaders number their
/// workgroup `x + y · (workgroups along x)`.
pub fn grid(count: usize) -> [u32; 3] {
    let count = count.max(1);
    let y = count.div_ceil(32_768);
    [count.div_ceil(y) as u32, y as u32, 1]
}
