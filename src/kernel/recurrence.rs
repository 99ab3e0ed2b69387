//! What the recurrences of all cells have in common: their spans, their dispatches, and the rows that a workgroup owns.
//!
//! A cell is a pair of shaders with their twins, and one [`Recurrence`] that names them. What all cells do alike stands
//! in `shaders/recurrence/` and, for the twins, in `unroll`.

use super::activation::Activation;
use super::{Binding, BindingSpec, Kernel, grid, gru_backward, gru_before_backward, gru_before_forward, gru_forward};
use super::{lstm_backward, lstm_forward, rnn_backward, rnn_forward};
use crate::plan::{ALIGNMENT, Cost, Dispatch, Limits, View};

/// A cell's kernels, and the numbers of a step in units of H.
pub struct Recurrence {
    pub forward: &'static Kernel,
    pub backward: &'static Kernel,
    /// Gates that read the input.
    pub gates: usize,
    /// What the tape keeps of a step; the last is the state before the step, and the gradients of the gates come first.
    pub tape: usize,
    /// Whether there is a second state that stays within the cell (the c of the LSTM).
    pub memory: bool,
    /// Workgroup memory of the backward shader, which needs the most.
    pub on_chip: usize,
    /// Whether the weights of the candidate are a matrix of their own; see [`candidate_offset`].
    pub candidate_apart: bool,
}

impl std::fmt::Debug for Recurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.forward.name.trim_end_matches("_forward"))
    }
}

pub static GRU: Recurrence = Recurrence {
    forward: &gru_forward::KERNEL,
    backward: &gru_backward::KERNEL,
    gates: 3,
    tape: 5,
    memory: false,
    on_chip: 4,
    candidate_apart: false,
};

pub static GRU_BEFORE: Recurrence = Recurrence {
    forward: &gru_before_forward::KERNEL,
    backward: &gru_before_backward::KERNEL,
    gates: 3,
    tape: 5,
    memory: false,
    on_chip: 4,
    candidate_apart: true,
};

pub static LSTM: Recurrence = Recurrence {
    forward: &lstm_forward::KERNEL,
    backward: &lstm_backward::KERNEL,
    gates: 4,
    tape: 6,
    memory: true,
    on_chip: 6,
    candidate_apart: false,
};

pub static RNN: Recurrence = Recurrence {
    forward: &rnn_forward::KERNEL,
    backward: &rnn_backward::KERNEL,
    gates: 1,
    tape: 2,
    memory: false,
    on_chip: 2,
    candidate_apart: false,
};

/// Where U of the candidate `[H, H]` begins behind U of reset and update `[H, 2H]` in the weights of [`GRU_BEFORE`].
pub fn candidate_offset(hidden: usize) -> usize {
    (2 * hidden * hidden).next_multiple_of(ALIGNMENT)
}

/// The bindings of a forward recurrence, but for the cell's own.
pub(super) const fn forward_bindings(
    gates: &'static str,
    weights: &'static str,
    tape: &'static str,
) -> [BindingSpec; 7] {
    [
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::indices("slots", "[P]"),
        BindingSpec::read("gates", gates),
        BindingSpec::read("weights", weights),
        BindingSpec::write("tape", tape),
        BindingSpec::write("last", "[R, W]"),
        BindingSpec::write("outputs", "[P, W]"),
    ]
}

/// The bindings of a backward recurrence, but for the cell's own.
pub(super) const fn backward_bindings(weights_transposed: &'static str, tape: &'static str) -> [BindingSpec; 5] {
    [
        BindingSpec::indices("rows", "[R, 2]"),
        BindingSpec::read("weights_transposed", weights_transposed),
        BindingSpec::read("outputs_gradient", "[P, W]"),
        BindingSpec::write("tape", tape),
        BindingSpec::write("gradient", "[R, W]"),
    ]
}

/// What stands in front of every forward shader, behind its constants.
pub(super) const FORWARD: &[&str] = &[
    include_str!("../../shaders/recurrence/rows.wgsl"),
    include_str!("../../shaders/recurrence/gates.wgsl"),
    include_str!("../../shaders/recurrence/activation.wgsl"),
    include_str!("../../shaders/recurrence/forward.wgsl"),
];

/// What stands in front of every backward shader.
pub(super) const BACKWARD: &[&str] = &[
    include_str!("../../shaders/recurrence/rows.wgsl"),
    include_str!("../../shaders/recurrence/gates.wgsl"),
    include_str!("../../shaders/recurrence/activation.wgsl"),
    include_str!("../../shaders/recurrence/backward.wgsl"),
];

/// Rows that one workgroup of the shaders can own, in the lanes of a number, a `vec2` or a `vec4`.
pub const LANES: [usize; 3] = [1, 2, 4];

/// Bytes of workgroup memory that a shader with `columns · H` numbers for every row takes.
pub(super) fn on_chip(d: &Dispatch, columns: usize) -> u32 {
    (4 * columns * d.constant("LANES") * d.constant("H")) as u32
}

impl Recurrence {
    /// Rows to a workgroup: with more rows every weight that is read serves more of them, with fewer there are more
    /// workgroups. So as many as leave enough workgroups to fill the device, and as the backward recurrence, the larger
    /// of both, has workgroup memory for.
    pub fn lanes(&self, rows: usize, hidden: usize, limits: &Limits) -> usize {
        let fits = |lanes: usize| 4 * self.on_chip * lanes * hidden <= limits.workgroup_memory as usize;
        let fills = |lanes: usize| rows.div_ceil(lanes) >= limits.tuning.workgroups;
        LANES.into_iter().rev().find(|&lanes| fits(lanes) && fills(lanes)).unwrap_or(1)
    }
}

/// The part of a level that one dispatch of the recurrence works on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Rows of the level.
    pub rows: usize,
    /// Real steps of all rows.
    pub steps: usize,
    /// Steps `begin..end` of every row are run; a row's state is carried in the level's states.
    pub begin: usize,
    pub end: usize,
    pub hidden: usize,
    /// Rows to a workgroup: see [`Recurrence::lanes`].
    pub lanes: usize,
    /// The t-th step of row `i` reads its gates from `slots[p]`, otherwise from `p` itself; p is where it stands.
    pub slotted: bool,
    /// Rows are read from their last step to their first.
    pub reverse: bool,
    /// The output of every step counts, not only the last state.
    pub stepwise: bool,
    /// Of the candidate of a GRU, or of a plain RNN.
    pub activation: Activation,
    /// W: numbers from row to row of states and outputs, and the first one of this direction.
    pub stride: usize,
    pub column: usize,
}

impl Span {
    /// A whole level of the plain kind: one direction, last states only.
    pub fn whole(rows: usize, steps: usize, longest: usize, hidden: usize) -> Span {
        Span {
            rows,
            steps,
            begin: 0,
            end: longest,
            hidden,
            lanes: 1,
            slotted: false,
            reverse: false,
            stepwise: false,
            activation: Activation::Tanh,
            stride: hidden,
            column: 0,
        }
    }

    /// Threads of a workgroup: one per hidden unit, in whole groups of 32, at most what every device has.
    pub fn threads(&self) -> u32 {
        self.hidden.next_multiple_of(32).min(256) as u32
    }

    /// Share of the level's steps that lie in `begin..end`, if rows were equally long.
    fn work(&self) -> f64 {
        let mean = self.steps as f64 / self.rows as f64;
        self.rows as f64 * ((self.end as f64).min(mean.ceil()) - self.begin as f64).max(0.0)
    }

    /// Operations of the recurrent products, forward; the backward pass has as many.
    pub fn operations(&self, cell: &Recurrence) -> f64 {
        self.work() * 2.0 * (cell.gates * self.hidden * self.hidden) as f64
    }

    fn constants(&self, cell: &Recurrence) -> Vec<(&'static str, u32)> {
        let mut constants = vec![
            ("H", self.hidden as u32),
            ("THREADS", self.threads()),
            ("LANES", self.lanes as u32),
            ("REVERSE", self.reverse.into()),
            ("STEPWISE", self.stepwise.into()),
            ("ACTIVATION", self.activation as u32),
        ];
        if cell.candidate_apart {
            constants.push(("CANDIDATE", candidate_offset(self.hidden) as u32));
        }
        constants
    }

    fn parameters(&self, fresh: bool) -> Vec<u32> {
        let numbers = [self.rows, self.begin, self.end, self.stride, self.column, usize::from(fresh)];
        numbers.map(|number| number as u32).to_vec()
    }

    fn bytes(&self, columns: usize) -> f64 {
        4.0 * self.work() * (self.hidden * columns) as f64
    }
}

/// What a forward recurrence reads and writes; see its shader for the shapes.
#[derive(Clone, Copy, Debug)]
pub struct ForwardViews {
    pub rows: View,
    pub slots: View,
    pub gates: View,
    pub weights: View,
    pub tape: View,
    pub last: View,
    pub outputs: View,
    /// Of cells with a memory; others leave it alone.
    pub memory: View,
}

/// One level's recurrence: reads gates, writes each row's last state, every step's if [`Span::stepwise`], and, when
/// `save`, what the backward pass needs.
pub fn forward(cell: &Recurrence, place: String, span: Span, save: bool, views: ForwardViews) -> Dispatch {
    let ForwardViews { rows, slots, gates, weights, tape, last, outputs, memory } = views;
    let mut bindings = vec![rows, slots, gates, weights, tape, last, outputs];
    if cell.memory {
        bindings.push(memory);
    }
    let mut constants = span.constants(cell);
    constants.extend([("SLOTTED", span.slotted.into()), ("SAVE", save.into())]);
    let moved = cell.gates + if save { cell.tape } else { 0 } + usize::from(span.stepwise);
    Dispatch {
        kernel: cell.forward,
        place,
        bindings,
        constants,
        parameters: span.parameters(false),
        workgroups: grid(span.rows.div_ceil(span.lanes)),
        cost: Cost { operations: span.operations(cell), bytes: span.bytes(moved) },
    }
}

/// What a backward recurrence reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct BackwardViews {
    pub rows: View,
    pub weights_transposed: View,
    pub outputs_gradient: View,
    pub tape: View,
    pub gradient: View,
    pub memory_gradient: View,
}

/// One level's backward recurrence. What the tape keeps of the gates becomes their gradients before the activation.
/// `gradient [R, W]` holds ∂loss/∂state, of each row's last state at the beginning (`fresh`: there is none) and,
/// between the spans of a level, of the state before step `begin`. If [`Span::stepwise`], the gradient of every step's
/// output is added on the way.
pub fn backward(cell: &Recurrence, place: String, span: Span, fresh: bool, views: BackwardViews) -> Dispatch {
    let BackwardViews { rows, weights_transposed, outputs_gradient, tape, gradient, memory_gradient } = views;
    let mut bindings = vec![rows, weights_transposed, outputs_gradient, tape, gradient];
    if cell.memory {
        bindings.push(memory_gradient);
    }
    let moved = 2 * cell.tape - 1 + usize::from(span.stepwise);
    Dispatch {
        kernel: cell.backward,
        place,
        bindings,
        constants: span.constants(cell),
        parameters: span.parameters(fresh),
        workgroups: grid(span.rows.div_ceil(span.lanes)),
        cost: Cost { operations: span.operations(cell), bytes: span.bytes(moved) },
    }
}

/// The binding of a cell's memory, or nothing.
pub(super) fn memory<'b>(rest: &'b mut [Binding]) -> &'b mut [f32] {
    rest.first_mut().map_or(&mut [], |memory| memory.f32_mut())
}
