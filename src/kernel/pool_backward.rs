//! From the gradient of what slices pass up to the gradient of every step's output.

use super::pool_forward::{Mode, Pool};
use super::{Binding, BindingSpec, Kernel, grid};
use crate::compare::Tolerance;
use crate::plan::{Dispatch, View};

pub static KERNEL: Kernel = Kernel {
    name: "pool_backward",
    preludes: &[],
    shader: include_str!("../../shaders/pool_backward.wgsl"),
    bindings: &[
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::read("outputs", "[P, W]"),
        BindingSpec::read("attention", "[W]"),
        BindingSpec::read("shares", "[P]"),
        BindingSpec::read("pooled", "[R, W]"),
        BindingSpec::read("gradient", "[R, W]"),
        BindingSpec::write("outputs_gradient", "[P, W]"),
        BindingSpec::write("attention_gradient", "[R, W]"),
    ],
    twin,
    workgroup_memory: |_| 64 * 4,
    tolerance: Tolerance::new(2e-6, 2e-5),
};

/// What the backward pass reads and writes; the first six as in `pool_forward`.
#[derive(Clone, Copy, Debug)]
pub struct Views {
    pub rows: View,
    pub outputs: View,
    pub attention: View,
    pub shares: View,
    pub pooled: View,
    pub gradient: View,
    pub outputs_gradient: View,
    pub attention_gradient: View,
}

/// `outputs_gradient [P, W]`, and each row's part of the attention's gradient.
pub fn dispatch(place: String, pool: Pool, views: Views) -> Dispatch {
    let Views { rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient } = views;
    Dispatch {
        kernel: &KERNEL,
        place,
        bindings: vec![rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient],
        constants: vec![("MODE", pool.mode as u32)],
        parameters: pool.parameters(),
        workgroups: grid(pool.rows),
        cost: pool.cost(2.0),
    }
}

fn twin(d: &Dispatch, bindings: &mut [Binding]) {
    let [rows, outputs, attention, shares, pooled, gradient, to_outputs, to_attention] = bindings else {
        unreachable!("checked by the plan")
    };
    let (count, width) = (d.parameter(0), d.parameter(1));
    let mode = Mode::from_constant(d.constant("MODE"));
    let (outputs, attention, shares) = (outputs.f32(), attention.f32(), shares.f32());
    let (pooled, gradient) = (pooled.f32(), gradient.f32());
    let (to_outputs, to_attention) = (to_outputs.f32_mut(), to_attention.f32_mut());
    for (row, own) in rows.u32().chunks(2).take(count).enumerate() {
        let steps = own[0] as usize..(own[0] + own[1]) as usize;
        let pooled = &pooled[row * width..][..width];
        let gradient = &gradient[row * width..][..width];
        match mode {
            Mode::Mean => {
                let share = 1.0 / own[1] as f32;
                for step in steps {
                    let out = &mut to_outputs[step * width..][..width];
                    out.iter_mut().zip(gradient).for_each(|(out, g)| *out = share * g);
                }
            }
            Mode::Max => {
                // Only the first of equal maxima gets the gradient.
                let mut open = vec![true; width];
                for step in steps {
                    for j in 0..width {
                        let gets = open[j] && outputs[step * width + j] == pooled[j];
                        open[j] &= !gets;
                        to_outputs[step * width + j] = if gets { gradient[j] } else { 0.0 };
                    }
                }
            }
            Mode::Attention => {
                let of_attention = &mut to_attention[row * width..][..width];
                of_attention.fill(0.0);
                let mean: f32 = gradient.iter().zip(pooled).map(|(g, p)| g * p).sum();
                for step in steps {
                    let output = &outputs[step * width..][..width];
                    let own: f32 = gradient.iter().zip(output).map(|(g, o)| g * o).sum();
                    let of_score = shares[step] * (own - mean);
                    for j in 0..width {
                        let y = output[j].tanh();
                        to_outputs[step * width + j] =
                            shares[step] * gradient[j] + of_score * attention[j] * (1.0 - y * y);
                        of_attention[j] += of_score * y;
                    }
                }
            }
        }
    }
}
