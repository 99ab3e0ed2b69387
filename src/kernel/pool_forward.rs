//! What a slice passes up when it is not its last state: maximum, mean, or attention (Zhou et al., 2016: shares are the
//! softmax over the slice's steps of v · tanh(output)).

use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Cost, Dispatch, View};
use rayon::prelude::*;

pub static KERNEL: Kernel = Kernel {
    name: "pool_forward",
    preludes: &[],
    shader: include_str!("../../shaders/pool_forward.wgsl"),
    bindings: &[
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::read("outputs", "[P, W]"),
        BindingSpec::read("attention", "[W]"),
        BindingSpec::write("shares", "[P]"),
        BindingSpec::write("pooled", "[R, W]"),
    ],
    twin,
    workgroup_memory: |_| 64 * 4,
    tolerance: Tolerance::new(2e-6, 2e-5),
};

/// How the outputs of a slice are pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Max = 0,
    Mean = 1,
    Attention = 2,
}

impl Mode {
    pub(super) fn from_constant(constant: usize) -> Mode {
        match constant {
            0 => Mode::Max,
            1 => Mode::Mean,
            _ => Mode::Attention,
        }
    }
}

/// Which numbers are pooled.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub mode: Mode,
    /// Slices, and their steps together.
    pub rows: usize,
    pub steps: usize,
    /// W: numbers of an output.
    pub width: usize,
}

impl Pool {
    pub(super) fn parameters(&self) -> Vec<u32> {
        vec![self.rows as u32, self.width as u32]
    }

    pub(super) fn cost(&self, passes: f64) -> Cost {
        let numbers = (self.steps * self.width) as f64;
        Cost { operations: passes * numbers, bytes: 4.0 * passes * numbers }
    }
}

/// `pooled [R, W]` of `outputs [P, W]`, slice by slice; `shares [P]` are kept for the backward pass.
pub fn dispatch(place: String, pool: Pool, [rows, outputs, attention, shares, pooled]: [View; 5]) -> Dispatch {
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![rows, outputs, attention, shares, pooled],
        constants: vec![("MODE", pool.mode as u32)],
        parameters: pool.parameters(),
        workgroups: grid(pool.rows),
        cost: pool.cost(1.0),
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, outputs, attention, shares, pooled] = bindings else { unreachable!("checked by the plan") };
    let (count, width) = (d.parameter(0), d.parameter(1));
    let mode = Mode::from_constant(d.constant("MODE"));
    let (rows, outputs, attention, shares) = (rows.u32(), outputs.f32(), attention.f32(), shares.f32_mut());
    let output = |step: usize| &outputs[step * width..][..width];
    if mode == Mode::Attention {
        for row in rows.chunks(2).take(count) {
            let own = row[0] as usize..(row[0] + row[1]) as usize;
            for step in own.clone() {
                shares[step] = output(step).iter().zip(attention).map(|(o, v)| v * o.tanh()).sum();
            }
            let shares = &mut shares[own];
            let largest = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            shares.iter_mut().for_each(|share| *share = (*share - largest).exp());
            let sum: f32 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= sum);
        }
    }
    let shares = &*shares;
    pooled.f32_mut()[..count * width].par_chunks_mut(width).zip(rows.par_chunks(2)).with_min_len(64).for_each(
        |(pooled, row)| {
            let (first, steps) = (row[0] as usize, row[1] as usize);
            pooled.copy_from_slice(output(first));
            if mode == Mode::Attention {
                pooled.iter_mut().for_each(|value| *value *= shares[first]);
            }
            for step in first + 1..first + steps {
                // There are shares in attention only.
                let share = shares.get(step).copied().unwrap_or_default();
                let each = pooled.iter_mut().zip(output(step));
                match mode {
                    // Written so that NaN stays NaN.
                    Mode::Max => each.for_each(|(value, own)| *value = if *own <= *value { *value } else { *own }),
                    Mode::Mean => each.for_each(|(value, own)| *value += own),
                    Mode::Attention => each.for_each(|(value, own)| *value += share * own),
                }
            }
            if mode == Mode::Mean {
                pooled.iter_mut().for_each(|value| *value /= steps as f32);
            }
        },
    );
}
