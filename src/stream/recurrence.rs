//! One step of the recurrences of a layer, for some streams at once, by the kernels' twins on the calling thread.

use crate::kernel::product::dense_product;
use crate::kernel::recurrence::{ForwardViews, Recurrence, Span, forward_dispatch};
use crate::kernel::strands::Strands;
use crate::kernel::{Binding, threads};
use crate::network::parameters::Unit;
use crate::network::{Config, Parameters};
use crate::plan::{Dispatch, View};

/// A layer with its weights, which reads forward.
pub(super) struct Layer {
    cell: &'static Recurrence,
    span: Span,
    /// Numbers of a step that it reads.
    inputs: usize,
    /// Of each head: W `[inputs, G·H]` and its bias.
    input: Vec<Vec<f32>>,
    /// U of all heads.
    recurrent: Vec<f32>,
    /// The dispatch of the last step, which is made anew for another number of streams.
    dispatch: Option<Dispatch>,
    rows: Vec<u32>,
    gates: Vec<f32>,
}

/// The states of a layer, of all streams.
#[derive(Clone)]
pub(super) struct States {
    /// `[B, H]`
    pub h: Vec<f32>,
    /// `[B, H]`; nothing of cells without a second state.
    pub memory: Vec<f32>,
    width: usize,
    pub has_memory: bool,
}

impl States {
    /// Of `streams` that have read nothing.
    pub fn new(config: &Config, streams: usize) -> States {
        let (width, has_memory) = (config.width(), config.recurrence().memory);
        let memory = if has_memory { streams * width } else { 0 };
        States { h: vec![0.0; streams * width], memory: vec![0.0; memory], width, has_memory }
    }

    /// Those of some streams.
    pub fn select(&self, streams: &[usize]) -> States {
        let pick = |values: &[f32]| -> Vec<f32> {
            let own = |&stream: &usize| if values.is_empty() { &[][..] } else { self.own(values, stream) };
            streams.iter().flat_map(own).copied().collect()
        };
        let States { width, has_memory, .. } = *self;
        States { h: pick(&self.h), memory: pick(&self.memory), width, has_memory }
    }

    /// Makes room for so many streams; new ones begin with 0.
    pub fn resize(&mut self, streams: usize) {
        self.h.resize(streams * self.width, 0.0);
        if self.has_memory {
            self.memory.resize(streams * self.width, 0.0);
        }
    }

    fn own<'v>(&self, values: &'v [f32], stream: usize) -> &'v [f32] {
        &values[stream * self.width..][..self.width]
    }

    /// Puts those of some streams in their places.
    pub fn put(&mut self, streams: &[usize], own: &States) {
        let width = self.width;
        for (at, &stream) in streams.iter().enumerate() {
            for (all, own) in [(&mut self.h, &own.h), (&mut self.memory, &own.memory)] {
                if !own.is_empty() {
                    all[stream * width..][..width].copy_from_slice(&own[at * width..][..width]);
                }
            }
        }
    }

    /// Begins a stream anew, with this state, or 0.
    pub fn begin(&mut self, stream: usize, h: Option<&[f32]>) {
        let width = self.width;
        let own = &mut self.h[stream * width..][..width];
        match h {
            Some(h) => own.copy_from_slice(h),
            None => own.fill(0.0),
        }
        if !self.memory.is_empty() {
            self.memory[stream * width..][..width].fill(0.0);
        }
    }
}

impl Layer {
    pub fn new(config: &Config, units: &[Unit], parameters: &Parameters) -> Layer {
        let (cell, hidden) = (config.recurrence(), config.units());
        let own = |offset: usize, len: usize| parameters.flat[offset..offset + len].to_vec();
        let input = units.iter().map(|unit| own(unit.input.offset, unit.input.len())).collect();
        let mut ends = units.iter().filter_map(|unit| Some((unit.recurrent.first()?, unit.recurrent.last()?)));
        let recurrent = match (ends.clone().next(), ends.next_back()) {
            (Some((first, _)), Some((_, last))) => own(first.offset, last.offset + last.len() - first.offset),
            _ => vec![],
        };
        let apart = units[0].apart();
        let span = Span {
            strands: Strands::new(units.len(), [0, apart, 0]),
            forward: units.len(),
            first: true,
            memory: cell.memory,
            activation: config.activation,
            stride: config.width(),
            ..Span::whole(1, 1, 1, hidden)
        };
        let inputs = units[0].input.inputs;
        Layer { cell, span, inputs, input, recurrent, dispatch: None, rows: vec![], gates: vec![] }
    }

    /// Numbers of a step that it reads.
    pub fn width(&self) -> usize {
        self.inputs
    }

    /// Reads a step `x [n, inputs]` of each of n streams, whose `states` these are, and become.
    pub fn step(&mut self, x: &[f32], states: &mut States) {
        let count = x.len() / self.inputs;
        let wide = self.cell.gates.len() * self.span.hidden;
        if self.dispatch.is_none() || self.span.rows != count {
            let Strands { count: heads, apart: [_, apart, _] } = self.span.strands;
            let strands = Strands::new(heads, [count * wide, apart, 0]);
            self.span = Span { rows: count, steps: count, strands, ..self.span };
            let none = View::NONE;
            let views = ForwardViews {
                rows: none,
                slots: none,
                gates: none,
                weights: none,
                tape: none,
                states: none,
                outputs: none,
                memories: none,
            };
            self.dispatch = Some(forward_dispatch(self.cell, String::new(), self.span, false, views));
            self.rows = (0..count as u32).flat_map(|row| [row, 1]).collect();
            self.gates.resize(self.input.len() * count * wide, 0.0);
        }
        for (weights, gates) in self.input.iter().zip(self.gates.chunks_mut(count * wide)) {
            let (matrix, bias) = weights.split_at(self.inputs * wide);
            gates.chunks_mut(wide).for_each(|row| row.copy_from_slice(bias));
            dense_product((count, wide, self.inputs), gates, true, x, matrix);
        }
        let (Some(dispatch), States { h, memory, .. }) = (&self.dispatch, states) else { return };
        let read = |values| Binding::Read(bytemuck::cast_slice(values));
        let mut bindings = [
            Binding::Read(&self.rows),
            Binding::Read(&[]),
            read(&self.gates[..]),
            read(&self.recurrent[..]),
            Binding::Write(&mut []),
            Binding::Write(bytemuck::cast_slice_mut(h)),
            Binding::Write(&mut []),
            Binding::Write(bytemuck::cast_slice_mut(memory)),
        ];
        threads::alone(|| (self.cell.forward.twin)(dispatch, &mut bindings));
    }
}
