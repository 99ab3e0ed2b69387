//! Recurrences that begin with a given state, and give its gradient back: both engines against PyTorch's values
//! (`tests/golden/make_golden.py`), whole and cut along time.

mod golden;
mod network_cases;

use golden::Golden;
use network_cases::on_gpu;
use srnn::Slicing;
use srnn::compare::{Tolerance, compare};
use srnn::engine::{Engine, cpu::Cpu, read_f32, write_f32};
use srnn::kernel::matmul::{self, Columns, Out};
use srnn::kernel::recurrence::{BackwardViews, ForwardViews, Span, backward_dispatch, forward_dispatch, matrix_offset};
use srnn::kernel::strands::Strands;
use srnn::kernel::transpose::{self, Matrix};
use srnn::network::{Config, Direction, Input, Layout, Parameters, buffer};
use srnn::plan::{BufferName, Plan, Product, View};

const STATES: BufferName = BufferName::of("states");
const MEMORIES: BufferName = BufferName::of("memories");
const STATES_GRADIENT: BufferName = BufferName::of("states' gradient");
const MEMORIES_GRADIENT: BufferName = BufferName::of("memories' gradient");
const OUTPUTS: BufferName = BufferName::of("outputs");
const INPUTS_GRADIENT: BufferName = BufferName::of("inputs' gradient");

fn config(golden: &Golden) -> Config {
    let settings = golden.settings();
    let named = |name: &str, or: &str| {
        let text = settings.text(name);
        serde_json::Value::from(if text.is_empty() { or } else { text })
    };
    Config {
        cell: serde_json::from_value(named("cell", "")).unwrap(),
        reset: serde_json::from_value(named("reset", "after")).unwrap(),
        activation: serde_json::from_value(named("activation", "tanh")).unwrap(),
        direction: serde_json::from_value(named("direction", "forward")).unwrap(),
        slicing: Slicing::plain(),
        input: Input::Numbers,
        vocabulary: 0,
        embedding: settings.number("inputs"),
        hidden: settings.number("hidden"),
        ..Config::default()
    }
}

fn floats(golden: &Golden, name: &str) -> Vec<f32> {
    golden.values(name).into_iter().map(|value| value as f32).collect()
}

fn words(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Runs a file's recurrence in spans that begin at these steps, and compares all that it gives.
fn run(golden: &Golden, engine: &mut dyn Engine, begins: &[usize]) {
    // Both engines stay within 4e-7; an exp of a GPU may round more than theirs.
    const CLOSE: Tolerance = Tolerance::new(1e-7, 5e-6);
    let config = config(golden);
    let (cell, hidden, width, layout) = (config.recurrence(), config.hidden, config.embedding, Layout::new(&config));
    let unit = &layout.levels[0].layers[0][0];
    let weights = Parameters::from_tensors(&config, |name| match name.strip_prefix("levels.0.") {
        Some(name) => Some((golden.find(name).0, floats(golden, name))),
        None if name == "head.bias" => Some((vec![config.classes], vec![0.0; config.classes])),
        None => Some((vec![config.classes, hidden], vec![0.0; config.classes * hidden])),
    })
    .unwrap();

    let list: Vec<u32> = golden.indices("rows").into_iter().map(|at| at as u32).collect();
    let (count, steps) = (list.len() / 2, golden.find("inputs").0[0]);
    let longest = list.chunks(2).map(|row| row[1] as usize).max().unwrap();
    let mut plan = Plan::default();
    let flat = plan.persistent(buffer::WEIGHTS, &[layout.len]);
    let gradients = plan.persistent(buffer::GRADIENTS, &[layout.len]);
    let states = plan.persistent(STATES, &[count, hidden]);
    let states_gradient = plan.persistent(STATES_GRADIENT, &[count, hidden]);
    let [mut memories, mut memories_gradient] = [View::NONE; 2];
    if cell.memory {
        memories = plan.persistent(MEMORIES, &[count, hidden]);
        memories_gradient = plan.persistent(MEMORIES_GRADIENT, &[count, hidden]);
    }
    let outputs = plan.output(OUTPUTS, &[steps, hidden]);
    let inputs_gradient = plan.output(INPUTS_GRADIENT, &[steps, width]);
    let inputs = plan.upload("inputs", &[steps, width], words(&floats(golden, "inputs")));
    let outputs_gradient =
        plan.upload("outputs gradient", &[steps, hidden], words(&floats(golden, "upstream.outputs")));
    let rows = plan.upload("rows", &[count, 2], list);
    let wide = unit.input.outputs;
    let gates = plan.scratch("gates", &[steps, wide]);
    let tape = plan.scratch("tape", &[steps, cell.tape * hidden]);

    let part = |whole: View, offset: usize, len: usize| View { offset, len, ..whole };
    let input = part(flat, unit.input.offset, unit.input.len());
    let how = (Product::Chunked, Strands::ONE);
    plan.push(matmul::project("gates".into(), how, (steps, wide, width), inputs, input, gates));
    let [mut recurrent, mut transposed] = [View::NONE; 2];
    if let (Some(first), Some(last)) = (unit.recurrent.first(), unit.recurrent.last()) {
        recurrent = part(flat, first.offset, last.offset + last.len() - first.offset);
        transposed = plan.scratch("transposed", &[recurrent.len]);
    }
    let matrices = unit.recurrent.iter().enumerate().map(|(at, affine)| {
        let to = matrix_offset(cell, at, hidden);
        Matrix { to, from: affine.offset, m: hidden, n: affine.outputs }
    });
    let matrices: Vec<Matrix> = matrices.collect();
    if !matrices.is_empty() {
        let list = plan.upload("matrices", &[matrices.len(), 4], transpose::list(&matrices));
        plan.push(transpose::dispatch("transposed".into(), &matrices, [list, flat, transposed]));
    }
    let span = Span {
        first: true,
        memory: true,
        forward: usize::from(config.direction != Direction::Backward),
        stepwise: true,
        activation: config.activation,
        ..Span::whole(count, steps, longest, hidden)
    };
    let ends = begins[1..].iter().copied().chain([longest]);
    let spans: Vec<Span> = begins.iter().zip(ends).map(|(&begin, end)| Span { begin, end, ..span }).collect();
    let views = ForwardViews { rows, slots: View::NONE, gates, weights: recurrent, tape, states, outputs, memories };
    for span in &spans {
        plan.push(forward_dispatch(cell, "forward".into(), *span, true, views));
    }
    // The states after the last step are read before their place is taken.
    let forward = plan.clone();
    let views = BackwardViews {
        rows,
        weights_transposed: transposed,
        outputs_gradient,
        tape,
        states_gradient,
        memories_gradient,
    };
    for span in spans.iter().rev() {
        plan.push(backward_dispatch(cell, "backward".into(), *span, [true; 2], views));
    }
    let on_tape = |column: usize| Columns { column: column * hidden, ..Columns::all(tape, cell.tape * hidden) };
    let delta = on_tape(0);
    let products = cell.matrices.iter().map(|matrix| [on_tape(matrix.state), on_tape(matrix.delta)]);
    let operands = [[Columns::all(inputs, width), delta]].into_iter().chain(products);
    for (affine, operands) in [&unit.input].into_iter().chain(&unit.recurrent).zip(operands) {
        let (sizes, bias) = ((affine.inputs, affine.outputs, steps), affine.bias.is_some());
        let out = part(gradients, affine.offset, affine.len());
        plan.push(matmul::weight_gradient("gradient".into(), how, sizes, bias, operands, out.into()));
    }
    let (sizes, out) = ((steps, width, wide), Out::from(inputs_gradient));
    plan.push(matmul::input_gradient("inputs gradient".into(), how, sizes, delta, input, out));

    let (states_and_more, gradients_and_more) = if cell.memory {
        (vec![(STATES, "h_0"), (MEMORIES, "c_0")], vec![(STATES_GRADIENT, "h_n"), (MEMORIES_GRADIENT, "c_n")])
    } else {
        (vec![(STATES, "h_0")], vec![(STATES_GRADIENT, "h_n")])
    };
    let begin = |engine: &mut dyn Engine| {
        write_f32(engine, buffer::WEIGHTS, &weights.flat).unwrap();
        write_f32(engine, buffer::GRADIENTS, &vec![0.0; layout.len]).unwrap();
        for (name, values) in &states_and_more {
            write_f32(engine, *name, &floats(golden, values)).unwrap();
        }
        for (name, values) in &gradients_and_more {
            write_f32(engine, *name, &floats(golden, &format!("upstream.{values}"))).unwrap();
        }
    };
    let agree = |engine: &mut dyn Engine, buffer: BufferName, name: &str| {
        let expected = golden.values(name);
        let actual = read_f32(engine, buffer, expected.len()).unwrap();
        compare(&actual, &expected, CLOSE).unwrap_or_else(|error| panic!("{}: {name}: {error}", golden.name));
    };
    begin(engine);
    engine.run(&forward.checked(engine.limits()).unwrap()).unwrap();
    agree(engine, OUTPUTS, "outputs");
    agree(engine, STATES, "h_n");
    if cell.memory {
        agree(engine, MEMORIES, "c_n");
    }
    begin(engine);
    engine.run(&plan.checked(engine.limits()).unwrap()).unwrap();
    agree(engine, STATES_GRADIENT, "grad.h_0");
    if cell.memory {
        agree(engine, MEMORIES_GRADIENT, "grad.c_0");
    }
    agree(engine, INPUTS_GRADIENT, "grad.inputs");
    let found = Parameters { flat: read_f32(engine, buffer::GRADIENTS, layout.len).unwrap(), embedding: vec![] };
    for tensor in found.tensors(&config) {
        if let Some(name) = tensor.name.strip_prefix("levels.0.") {
            let (shape, expected) = golden.find(&format!("grad.{name}"));
            assert_eq!(shape, tensor.shape, "{}: {name}", golden.name);
            compare(&tensor.values, &expected, CLOSE).unwrap_or_else(|e| panic!("{}: {name}: {e}", golden.name));
        }
    }
}

/// Whole, and in spans of which each begins with what the one before left.
const CUTS: [&[usize]; 3] = [&[0], &[0, 2], &[0, 1, 4]];

#[test]
fn the_cpu_engine_gives_pytorchs_values() {
    for golden in Golden::states() {
        CUTS.iter().for_each(|begins| run(&golden, &mut Cpu::new(u64::MAX).sharing_all(), begins));
    }
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_gpu_engine_gives_pytorchs_values() {
    for golden in Golden::states() {
        CUTS.iter().for_each(|begins| on_gpu(|engine| run(&golden, engine, begins)));
    }
}
