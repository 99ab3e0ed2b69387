//! What the recurrences of all cells have in common: their declaration, their spans and their dispatches.
//!
//! What all shaders do alike stands in `shaders/recurrence/`, and for the twins in `unroll`; a cell of `cell/` adds what one
//! step of it computes, forward and backward.

use super::activation::Activation;
use super::declare::{bindings, parameters, views};
use super::grid;
use super::strands::Strands;
use crate::compare::Tolerance;
use crate::plan::{ALIGNMENT, Binding, CHUNK, Cost, Dispatch, Kernel, Limits, Product};

/// A cell: its kernels, and where its numbers stand. Columns of the tape and blocks of weights are H numbers wide.
pub struct Recurrence {
    /// Runs all strands of a layer of a level, each in its direction.
    pub forward: Kernel,
    /// Runs it back, and turns the tape into gradients in place.
    pub backward: Kernel,
    /// The gates that read the input, by their places in PyTorch's order; their gradients are the first columns of the tape.
    pub gates: &'static [usize],
    /// The matrices of U, the first of which is multiplied with the states before a step.
    pub matrices: &'static [Matrix],
    /// Whether the first matrix has a bias.
    pub bias: bool,
    /// Columns of the tape; the last is the state before the step.
    pub tape: usize,
    /// Whether there is a second state that stays within the cell (the c of the LSTM).
    pub memory: bool,
    /// The activation that is usual where the cell leaves one open.
    pub activation: Option<Activation>,
    /// The gate, by its place among [`Recurrence::gates`], whose bias begins at 1.
    pub opened: Option<usize>,
    /// Columns of workgroup memory that the cell's own parts of the shaders declare, forward and backward. Where there are
    /// such, the twins have two columns of scratch.
    pub on_chip: [usize; 2],
}

/// One matrix of U, `[H, gates·H]`.
pub struct Matrix {
    /// Its gates by their places in PyTorch's order.
    pub gates: &'static [usize],
    /// The first column of the tape that holds gradients of its results.
    pub delta: usize,
    /// The column of the tape that it is multiplied with.
    pub state: usize,
}

impl std::fmt::Debug for Recurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.forward.name.trim_end_matches("_forward"))
    }
}

/// Where a matrix begins in the recurrent weights of one layer: at a multiple of [`ALIGNMENT`].
pub fn matrix_offset(cell: &Recurrence, matrix: usize, hidden: usize) -> usize {
    let before = cell.matrices[..matrix].iter().enumerate();
    let numbers = before.map(|(at, matrix)| (hidden + usize::from(cell.bias && at == 0)) * matrix.gates.len() * hidden);
    numbers.map(|len| len.next_multiple_of(ALIGNMENT)).sum()
}

parameters! {
    /// Of both kernels of every cell.
    Params {
        /// R: rows of the level.
        rows: usize,
        /// Steps `begin..end` of every row are run.
        begin: usize,
        /// The step behind the last one.
        end: usize,
        /// W: numbers from row to row of states and outputs, where strands stand side by side.
        stride: usize,
        /// The first of these numbers that is the first strand's.
        column: usize,
        /// Numbers from a strand's gates to those of the next, forward.
        gates_apart: usize,
        /// The same of weights.
        weights_apart: usize,
        /// The same of tapes.
        tape_apart: usize,
        /// Backward: whether a gradient comes from the last states.
        state_given: bool,
        /// Whether the first memories are given with the first states; backward, whether a gradient comes from the last ones.
        memory_given: bool,
    }
}

/// What stands in front of a cell's part of the shaders and behind it.
pub const ROWS: &str = include_str!("../../shaders/recurrence/rows.wgsl");
/// Stands in front of a cell of one phase, which has nothing to prepare or to settle.
pub const ONE_PHASE: &str = include_str!("../../shaders/recurrence/one_phase.wgsl");
/// The forward recurrence around the cell: bindings, `main` and the loop over steps.
pub const FORWARD: &str = include_str!("../../shaders/recurrence/forward.wgsl");
/// The backward recurrence around the cell, alike.
pub const BACKWARD: &str = include_str!("../../shaders/recurrence/backward.wgsl");

/// Makes the list of a pass's bindings, their slices for the twins and their views for dispatches.
macro_rules! pass {
    ($(#[$doc:meta])* $specs:ident, $slices:ident, $views:ident, reads: $reads:tt, writes: $writes:tt) => {
        bindings! { $specs, $slices, $reads $writes }
        views! { $(#[$doc])* $views $reads $writes }
    };
}

pass! {
    /// What a forward recurrence reads and writes; see `shaders/recurrence/forward.wgsl` for the shapes.
    FORWARD_BINDINGS, ForwardSlices, ForwardViews,
    reads: {
        /// `[R, 2]`: first step and number of steps of each row.
        rows: u32 "[R, 2]",
        /// `[P]`: the row of `gates` that each step reads; not read unless [`Span::slotted`].
        slots: u32 "[P]",
        /// `[strands][N, gates·H]`: x·W + b.
        gates: f32 "[strands][N, gates·H]",
        /// `[strands][H+1, products·H]`: U and its bias, then further matrices of the cell.
        weights: f32 "[strands][H+1, products·H] and more matrices",
    },
    writes: {
        /// `[strands][P, tape·H]`: written for the backward pass; [`View::NONE`](crate::plan::View::NONE) in inference.
        tape: f32 "[strands][P, tape·H]",
        /// `[R, W]`: the first states, read where [`Span::first`] says so; then the last ones, written.
        states: f32 "[R, W]",
        /// `[P, W]`: written where [`Span::stepwise`] says so, the state after every step.
        outputs: f32 "[P, W]",
        /// The same of the second states of cells with a memory, read where [`Span::memory`] says so; others leave it alone.
        memories: f32 "[R, W]",
    }
}

pass! {
    /// What a backward recurrence reads and writes.
    BACKWARD_BINDINGS, BackwardSlices, BackwardViews,
    reads: {
        /// `[R, 2]`: first step and number of steps of each row.
        rows: u32 "[R, 2]",
        /// `[strands][products·H, H]`: Uᵀ, then further matrices alike.
        weights_transposed: f32 "[strands][products·H, H] and more matrices",
        /// `[P, W]`: read where [`Span::stepwise`] says so, the gradient of every step's output.
        outputs_gradient: f32 "[P, W]",
    },
    writes: {
        /// `[strands][P, tape·H]`: what the forward pass kept; its first columns become the gradients.
        tape: f32 "[strands][P, tape·H]",
        /// `[R, W]`: the gradient of the last states; then that of the first ones, where [`Span::first`] says so.
        states_gradient: f32 "[R, W]",
        /// `[R, W]`: the same of the memories; cells without one leave it alone.
        memories_gradient: f32 "[R, W]",
    }
}

type Twin = fn(&Dispatch, &mut [Binding]);

/// The kernel of a forward recurrence.
pub const fn forward(name: &'static str, shader: &'static [&'static str], twin: Twin) -> Kernel {
    Kernel {
        name,
        shader,
        bindings: FORWARD_BINDINGS,
        parameters: Params::FIELDS,
        twin,
        workgroup_memory: workgroup_memory_forward,
        // WGSL lets exp(x) be off by 3 + 2|x| units in the last place.
        tolerance: Tolerance::new(2e-6, 2e-5),
    }
}

/// The kernel of a backward recurrence.
pub const fn backward(name: &'static str, shader: &'static [&'static str], twin: Twin, tolerance: Tolerance) -> Kernel {
    Kernel {
        name,
        shader,
        bindings: BACKWARD_BINDINGS,
        parameters: Params::FIELDS,
        twin,
        workgroup_memory: |d| workgroup_memory(d)[1],
        tolerance,
    }
}

/// Rows that one workgroup of the shaders can own, in the lanes of a number, a `vec2` or a `vec4`.
pub const LANES: [usize; 3] = [1, 2, 4];

/// Threads of the largest workgroup that every device has.
pub(crate) const MOST_THREADS: usize = 256;

/// Numbers that the shaders have on chip for each row, forward and backward: the states before and after a step, or their
/// gradients and those of all `products`, the memory, and the cell's `own` columns.
fn on_chip(hidden: usize, chunk: usize, memory: usize, products: usize, own: [usize; 2]) -> [usize; 2] {
    let column = hidden.next_multiple_of(chunk);
    let delta = (products.max(1) * hidden).next_multiple_of(chunk);
    [(2 + memory + own[0]) * column, (1 + memory + own[1]) * column + delta]
}

/// Threads that share a unit where U is held.
fn parts(hidden: usize) -> usize {
    hidden.div_ceil(CHUNK)
}

/// Threads that units take, in whole groups of 32.
fn units(hidden: usize) -> usize {
    hidden.next_multiple_of(32)
}

/// Numbers on chip for each row where U is held: the states, the memory, and what each part adds to the products.
fn on_chip_held(hidden: usize, memory: usize, products: usize) -> usize {
    (2 + memory) * parts(hidden) * CHUNK + parts(hidden) * products * units(hidden)
}

/// Bytes of workgroup memory of a dispatch, if it is a forward or a backward one.
fn workgroup_memory(d: &Dispatch) -> [u32; 2] {
    let own = [d.constant("ON_CHIP"); 2];
    let [hidden, chunk, memory, products] = ["H", "CHUNK", "MEMORY", "PRODUCTS"].map(|name| d.constant(name));
    let numbers = on_chip(hidden, chunk, memory, products, own);
    numbers.map(|numbers| (4 * numbers * d.constant("LANES")) as u32)
}

/// Bytes of workgroup memory of a forward dispatch.
fn workgroup_memory_forward(d: &Dispatch) -> u32 {
    match d.constant("HELD") {
        0 => workgroup_memory(d)[0],
        rows => (4 * rows * on_chip_held(d.constant("H"), d.constant("MEMORY"), d.constant("PRODUCTS"))) as u32,
    }
}

impl Recurrence {
    /// Gates of the first matrix of U.
    pub fn products(&self) -> usize {
        self.matrices.first().map_or(0, |matrix| matrix.gates.len())
    }

    /// Rows to a workgroup, of a level of so many rows and strands: with more rows every weight that is read serves more of
    /// them, with fewer there are more workgroups. So as many as leave enough workgroups to fill the device, and as both
    /// passes have workgroup memory for.
    pub fn lanes(&self, (rows, strands): (usize, usize), hidden: usize, limits: &Limits) -> usize {
        let (chunk, memory) = (limits.tuning.product.chunk(), usize::from(self.memory));
        let [forward, backward] = on_chip(hidden, chunk, memory, self.products(), self.on_chip);
        let fits = |lanes: usize| 4 * lanes * forward.max(backward) <= limits.workgroup_memory as usize;
        let fills = |lanes: usize| strands * rows.div_ceil(lanes) >= limits.tuning.workgroups;
        LANES.into_iter().rev().find(|&lanes| fits(lanes) && fills(lanes)).unwrap_or(1)
    }

    /// How products are computed with so many rows to a workgroup: as the tuning has it, if U can be held.
    pub fn product(&self, lanes: usize, hidden: usize, limits: &Limits) -> Product {
        let memory = 4 * lanes * on_chip_held(hidden, usize::from(self.memory), self.products());
        let can_hold = self.matrices.len() == 1
            // Each row needs a part that owns it.
            && lanes <= parts(hidden)
            && parts(hidden) * units(hidden) <= MOST_THREADS
            && memory <= limits.workgroup_memory as usize;
        match limits.tuning.product {
            Product::Held if !can_hold => Product::Chunked,
            product => product,
        }
    }
}

/// The part of a level that one dispatch of the recurrence works on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Rows of the level.
    pub rows: usize,
    /// Real steps of all rows.
    pub steps: usize,
    /// Steps `begin..end` of every row are run.
    pub begin: usize,
    /// The step behind the last one that is run.
    pub end: usize,
    /// Hidden units of a strand, H.
    pub hidden: usize,
    /// How far apart the strands' gates, weights and tapes are.
    pub strands: Strands<3>,
    /// Strands that read rows from their first step to their last; those behind them read from the last to the first.
    pub forward: usize,
    /// Rows to a workgroup: see [`Recurrence::lanes`].
    pub lanes: usize,
    /// How inner products are computed: see [`Recurrence::product`].
    pub product: Product,
    /// The states before step `begin` are given, and their gradient is asked for; otherwise they are 0.
    pub first: bool,
    /// Memories are given with them; otherwise they are 0, whatever the states.
    pub memory: bool,
    /// The t-th step of row `i` reads its gates from `slots[p]`, otherwise from `p` itself; p is where it stands.
    pub slotted: bool,
    /// The output of every step counts, not only the last state.
    pub stepwise: bool,
    /// Of the candidate of a GRU, or of a plain RNN.
    pub activation: Activation,
    /// W: numbers from row to row of states and outputs.
    pub stride: usize,
    /// The first of these numbers that is the first strand's, from 0.
    pub column: usize,
}

impl Span {
    /// A whole level of the plain kind: one strand, forward, last states only, from 0.
    pub fn whole(rows: usize, steps: usize, longest: usize, hidden: usize) -> Span {
        Span {
            rows,
            steps,
            begin: 0,
            end: longest,
            hidden,
            strands: Strands::ONE,
            forward: 1,
            lanes: 1,
            product: Product::Paired,
            first: false,
            memory: false,
            slotted: false,
            stepwise: false,
            activation: Activation::Tanh,
            stride: hidden,
            column: 0,
        }
    }

    /// Steps of all strands' rows that lie in `begin..end`, if rows were equally long.
    fn work(&self) -> f64 {
        let mean = self.steps as f64 / self.rows as f64;
        let steps = ((self.end as f64).min(mean.ceil()) - self.begin as f64).max(0.0);
        (self.strands.count * self.rows) as f64 * steps
    }

    /// Operations of the recurrent products, forward, or of as many units; the backward pass has as many.
    pub fn operations(&self, cell: &Recurrence) -> f64 {
        let products: usize = cell.matrices.iter().map(|matrix| matrix.gates.len()).sum();
        self.work() * 2.0 * (self.hidden * (products * self.hidden).max(cell.gates.len())) as f64
    }

    /// Of a pass that holds U for `held` rows to a workgroup, or for none.
    fn constants(&self, cell: &Recurrence, on_chip: usize, held: usize) -> Vec<(&'static str, u32)> {
        // One thread for each unit, as far as a workgroup goes, or for each part of it.
        let threads =
            if held > 0 { parts(self.hidden) * units(self.hidden) } else { units(self.hidden).min(MOST_THREADS) };
        let mut constants = vec![
            ("H", self.hidden as u32),
            ("STRANDS", self.strands.count as u32),
            ("FORWARD", self.forward as u32),
            ("THREADS", threads as u32),
            ("LANES", if held > 0 { 1 } else { self.lanes } as u32),
            ("CHUNK", self.product.chunk() as u32),
            ("FIRST", self.first.into()),
            ("STEPWISE", self.stepwise.into()),
            ("ACTIVATION", self.activation as u32),
            ("GATES", cell.gates.len() as u32),
            ("PRODUCTS", cell.products() as u32),
            ("BIAS", cell.bias.into()),
            ("TAPE", cell.tape as u32),
            ("DELTA", cell.matrices.first().map_or(0, |matrix| matrix.delta) as u32),
            ("MEMORY", cell.memory.into()),
            ("ON_CHIP", on_chip as u32),
        ];
        if cell.matrices.len() > 1 {
            constants.push(("CANDIDATE", matrix_offset(cell, 1, self.hidden) as u32));
        }
        constants
    }

    fn parameters(&self, [state_given, memory_given]: [bool; 2]) -> Params {
        let Span { rows, begin, end, stride, column, strands, .. } = *self;
        let [gates_apart, weights_apart, tape_apart] = strands.apart;
        Params { rows, begin, end, stride, column, gates_apart, weights_apart, tape_apart, state_given, memory_given }
    }

    fn workgroups(&self) -> [u32; 3] {
        grid(self.strands.count * self.rows.div_ceil(self.lanes))
    }

    /// Of a pass that moves so many columns at every step.
    fn cost(&self, cell: &Recurrence, columns: usize) -> Cost {
        Cost { operations: self.operations(cell), bytes: 4.0 * self.work() * (self.hidden * columns) as f64 }
    }
}

/// One level's recurrence: reads gates, and from [`Span::first`] the states before; writes each row's last state, every
/// step's if [`Span::stepwise`], and, when `save`, what the backward pass needs.
pub fn forward_dispatch(
    cell: &'static Recurrence,
    place: String,
    span: Span,
    save: bool,
    views: ForwardViews,
) -> Dispatch {
    let held = if span.product == Product::Held { span.lanes } else { 0 };
    let mut constants = span.constants(cell, cell.on_chip[0], held);
    constants.extend([("HELD", held as u32), ("SLOTTED", span.slotted.into()), ("SAVE", save.into())]);
    let moved = cell.gates.len() + if save { cell.tape } else { 0 } + usize::from(span.stepwise);
    let (parameters, cost) = (span.parameters([false, span.memory]), span.cost(cell, moved));
    cell.forward.dispatch(place, views, constants, parameters, span.workgroups(), cost)
}

/// One level's backward recurrence. What the tape keeps of the gates becomes their gradients before the activation.
/// `states_gradient [R, W]` holds ∂loss/∂state, of each row's last state at the beginning and of the state before step
/// `begin` in the end; `memories_gradient [R, W]` of the second state alike. `given` says whether these gradients come from
/// above at the beginning: of states, of memories. If [`Span::stepwise`], the gradient of every step's output is added on
/// the way.
pub fn backward_dispatch(
    cell: &'static Recurrence,
    place: String,
    span: Span,
    given: [bool; 2],
    views: BackwardViews,
) -> Dispatch {
    let constants = span.constants(cell, cell.on_chip[1], 0);
    let cost = span.cost(cell, 2 * cell.tape - 1 + usize::from(span.stepwise));
    cell.backward.dispatch(place, views, constants, span.parameters(given), span.workgroups(), cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::cell::{Cell, Reset};
    use crate::plan::Tuning;

    #[test]
    fn held_where_it_fits() {
        let default = Limits::webgpu_default();
        let limits = Limits { tuning: Tuning { product: Product::Held, ..default.tuning }, ..default };
        let of = |cell: Cell, reset, lanes, hidden| cell.recurrence(reset).unwrap().product(lanes, hidden, &limits);
        for (cell, lanes, hidden) in [(Cell::Gru, 1, 1), (Cell::Gru, 4, 50), (Cell::Lstm, 2, 64), (Cell::Rnn, 2, 17)] {
            assert_eq!(of(cell, Reset::After, lanes, hidden), Product::Held, "{cell:?}, {lanes} lanes, H = {hidden}");
        }
        // More rows than parts; more threads, or numbers on chip, than every device has.
        for (cell, lanes, hidden) in [(Cell::Gru, 2, 16), (Cell::Rnn, 1, 65), (Cell::Lstm, 4, 50)] {
            assert_eq!(
                of(cell, Reset::After, lanes, hidden),
                Product::Chunked,
                "{cell:?}, {lanes} lanes, H = {hidden}"
            );
        }
        // Two matrices; none.
        assert_eq!(of(Cell::Gru, Reset::Before, 1, 50), Product::Chunked);
        assert_eq!(of(Cell::MinGru, Reset::After, 1, 50), Product::Chunked);
        let paired = Limits { tuning: Tuning { product: Product::Paired, ..limits.tuning }, ..limits.clone() };
        assert_eq!(Cell::Gru.recurrence(Reset::After).unwrap().product(1, 50, &paired), Product::Paired);
    }
}
