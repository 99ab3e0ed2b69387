//! The float64 reference, checked by itself: every gradient of the whole family against finite differences,
//! slicing and masking against networks put together by hand, and the comparator against wrong gradients.

mod reference;

use reference::{
    Activation, Align, Cell, Direction, Model, Pool, Random, Recurrence, Spec, State, Step, Told,
    binary_cross_entropy_with_logits, embed, mean_squared_error, run_tokens, smoothed_cross_entropy,
    softmax_cross_entropy,
};

/// Allowed error of an entry: RELATIVE · its size + ABSOLUTE.
const RELATIVE: f64 = 1e-8;
const ABSOLUTE: f64 = 3e-11;

/// A random model with a batch for it.
struct Case {
    model: Model,
    /// `[len, D]` each
    sequences: Vec<Vec<f64>>,
    /// `[B]`
    labels: Vec<usize>,
}

/// (n, k, T, D, H, C, lengths)
type Shape = (usize, u32, usize, usize, usize, usize, &'static [usize]);

const SHAPES: [Shape; 9] = [
    (2, 0, 6, 3, 4, 3, &[6, 1, 4]),    // the plain GRU
    (5, 0, 1, 2, 3, 2, &[1, 1]),       // T = 1
    (2, 1, 6, 3, 4, 3, &[6, 2, 4, 3]), // slices of 3: full, partly and wholly padded
    (3, 1, 3, 2, 3, 2, &[3, 1, 2]),    // slices of one step
    (3, 1, 12, 2, 3, 4, &[1, 1, 1]),   // sequences of one step only
    (2, 2, 8, 3, 4, 3, &[8, 1, 5, 3]), // padding at every level
    (2, 2, 12, 1, 1, 2, &[12, 7, 10]), // one input, one unit
    (3, 2, 18, 2, 3, 2, &[18, 4, 11]), // n is no power of two
    (1, 2, 4, 2, 2, 3, &[4, 1, 3]),    // merges of a single state
];

fn case(shape: Shape, seed: u64) -> Case {
    case_of(Spec::default(), shape, seed)
}

fn case_of(spec: Spec, shape: Shape, seed: u64) -> Case {
    let (n, k, length, inputs, hidden, classes, lengths) = shape;
    let random = &mut Random(seed);
    let told = if spec.told == Told::Sequences { lengths.len() } else { lengths.iter().sum() };
    Case {
        model: Model::zeros(spec, n, k, length, inputs, hidden, classes).randomized(0.9, random),
        sequences: lengths.iter().map(|len| random.values(len * inputs, 1.5)).collect(),
        labels: (0..told).map(|_| random.below(classes)).collect(),
    }
}

/// The derivative at 0, by the central difference of fourth order. Relu and the maximum have kinks, and the steps
/// must not reach over one: the step shrinks until half of it gives the same.
fn slope(at: impl Fn(f64) -> f64) -> f64 {
    let central = |step: f64| (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
    let mut step = 1e-3;
    let mut coarse = central(step);
    loop {
        let fine = central(step / 2.0);
        if (coarse - fine).abs() <= 0.5 * (RELATIVE * fine.abs() + ABSOLUTE) {
            return coarse; // its rounding error is the smaller one
        }
        assert!(step > 1e-5, "no derivative: {coarse:e}, then {fine:e}");
        (step, coarse) = (step / 2.0, fine);
    }
}

/// The numeric gradient of `objective` at `values`.
fn differences(values: &[f64], objective: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let moved = |index: usize, by: f64| {
        let mut values = values.to_vec();
        values[index] += by;
        objective(&values)
    };
    (0..values.len()).map(|index| slope(|by| moved(index, by))).collect()
}

/// The numeric gradient of `objective` with respect to every weight array of `model`, by name.
fn weight_differences(model: &Model, objective: impl Fn(&Model) -> f64) -> Vec<(String, Vec<f64>)> {
    let mut all = Vec::new();
    for (index, (name, values)) in model.named().into_iter().enumerate() {
        let numeric = differences(values, |values| {
            let mut moved = model.clone();
            *moved.named_mut()[index].1 = values.to_vec();
            objective(&moved)
        });
        all.push((name, numeric));
    }
    all
}

/// The largest errors seen, and over how many entries.
#[derive(Debug, Default)]
struct Seen {
    entries: usize,
    absolute: f64,
    /// Over entries above 1e-4.
    relative: f64,
}

impl Seen {
    /// Compares two gradients entry by entry. Fails on a wrong length, on nothing to compare, and on NaN or infinity.
    fn compare(&mut self, name: &str, analytic: &[f64], numeric: &[f64]) -> Result<(), String> {
        if analytic.is_empty() || analytic.len() != numeric.len() {
            let (left, right) = (analytic.len(), numeric.len());
            return Err(format!("{name}: {left} entries against {right}"));
        }
        for (index, (a, b)) in analytic.iter().zip(numeric).enumerate() {
            let size = a.abs().max(b.abs());
            let error = (a - b).abs();
            let close = error <= RELATIVE * size + ABSOLUTE; // false for NaN
            if !(a.is_finite() && b.is_finite() && close) {
                return Err(format!("{name}[{index}]: {a:e} against {b:e}"));
            }
            self.entries += 1;
            self.absolute = self.absolute.max(error);
            if size > 1e-4 {
                self.relative = self.relative.max(error / size);
            }
        }
        Ok(())
    }

    fn compare_weights(&mut self, analytic: &Model, numeric: &[(String, Vec<f64>)]) -> Result<(), String> {
        let analytic = analytic.named();
        if analytic.len() != numeric.len() {
            return Err("another number of weight arrays".into());
        }
        for ((name, a), (_, b)) in analytic.iter().zip(numeric) {
            self.compare(name, a, b)?;
        }
        Ok(())
    }

    fn compare_inputs(
        &mut self,
        analytic: &[Vec<f64>],
        sequences: &[Vec<f64>],
        objective: impl Fn(&[Vec<f64>]) -> f64,
    ) -> Result<(), String> {
        if analytic.len() != sequences.len() {
            return Err("another number of sequences".into());
        }
        for (index, sequence) in sequences.iter().enumerate() {
            let numeric = differences(sequence, |values| {
                let mut moved = sequences.to_vec();
                moved[index] = values.to_vec();
                objective(&moved)
            });
            self.compare(&format!("x{index}"), &analytic[index], &numeric)?;
        }
        Ok(())
    }
}

#[test]
fn every_weight_and_input_gradient_matches_finite_differences() -> Result<(), String> {
    for (index, shape) in SHAPES.into_iter().enumerate() {
        let Case { model, sequences, labels } = case(shape, 100 + index as u64);
        let outcome = model.run(&sequences, &labels);
        assert_eq!(outcome.loss, model.loss(&sequences, &labels));

        let mut seen = Seen::default();
        let numeric = weight_differences(&model, |model| model.loss(&sequences, &labels));
        seen.compare_weights(&outcome.gradients, &numeric)?;
        seen.compare_inputs(&outcome.inputs, &sequences, |x| model.loss(x, &labels))?;
        println!("{shape:?}: {seen:?}");

        // Nothing above compared zeros only, but where the state before every step is zero.
        for (name, values) in outcome.gradients.named() {
            let one_step = name.contains("weight_hh") && values.iter().all(|value| *value == 0.0);
            assert!(one_step || values.iter().any(|value| value.abs() > 1e-5), "{name} of {shape:?}");
        }
    }
    Ok(())
}

#[test]
fn gradients_match_from_a_random_upstream_gradient() -> Result<(), String> {
    for (index, shape) in SHAPES.into_iter().enumerate() {
        let Case { model, sequences, .. } = case(shape, 200 + index as u64);
        let upstream = Random(300 + index as u64).values(sequences.len() * model.width(), 3.0);
        let objective = |model: &Model, sequences: &[Vec<f64>]| -> f64 {
            let states = model.states(sequences).concat();
            states.iter().zip(&upstream).map(|(h, g)| h * g).sum()
        };
        let (gradients, inputs) = model.backward_from(&sequences, &upstream);

        let mut seen = Seen::default();
        let numeric = weight_differences(&model, |model| objective(model, &sequences));
        seen.compare_weights(&gradients, &numeric)?;
        seen.compare_inputs(&inputs, &sequences, |x| objective(&model, x))?;
        println!("{shape:?}: {seen:?}");
    }
    Ok(())
}

#[test]
fn the_embedding_gradient_matches_finite_differences() -> Result<(), String> {
    let random = &mut Random(400);
    let (vocabulary, width) = (6, 3);
    for k in 0..=2 {
        let model = Model::zeros(Spec::default(), 2, k, 8, width, 4, 3).randomized(0.9, random);
        let embedding = random.values(vocabulary * width, 1.0);
        // Repeated within and across sequences; token 4 is never used.
        let tokens = [vec![1, 0, 1, 1, 5, 2, 3, 1], vec![5], vec![2, 2, 0]];
        let labels = [2, 0, 1];

        let (outcome, gradient) = run_tokens(&model, &embedding, &tokens, &labels);
        let numeric = differences(&embedding, |values| model.loss(&embed(values, width, &tokens), &labels));
        let mut seen = Seen::default();
        seen.compare("embedding", &gradient, &numeric)?;
        let numeric = weight_differences(&model, |model| model.loss(&embed(&embedding, width, &tokens), &labels));
        seen.compare_weights(&outcome.gradients, &numeric)?;
        println!("k = {k}: {seen:?}");

        for (token, step) in gradient.chunks(width).enumerate() {
            let used = step.iter().all(|value| value.abs() > 1e-7);
            let unused = step.iter().all(|value| *value == 0.0);
            assert!(if token == 4 { unused } else { used }, "token {token}");
        }
    }
    Ok(())
}

#[test]
fn the_comparator_fails_on_wrong_gradients() {
    for shape in [SHAPES[0], SHAPES[2], SHAPES[5]] {
        let Case { model, sequences, labels } = case(shape, 500);
        let good = model.run(&sequences, &labels).gradients;
        let numeric = weight_differences(&model, |model| model.loss(&sequences, &labels));
        let verdict = |gradients: &Model| Seen::default().compare_weights(gradients, &numeric);
        assert_eq!(verdict(&good), Ok(()));

        let mut caught = 0;
        for (array, (name, values)) in good.named().into_iter().enumerate() {
            for (index, value) in values.iter().enumerate() {
                let with = |wrong: f64| {
                    let mut gradients = good.clone();
                    gradients.named_mut()[array].1[index] = wrong;
                    verdict(&gradients)
                };
                assert_eq!(with(*value), Ok(()));
                for wrong in [f64::NAN, f64::INFINITY, -f64::INFINITY, value + 1e-6] {
                    assert!(with(wrong).is_err(), "{name}[{index}] = {wrong}");
                }
                if value.abs() > 1e-7 {
                    assert!(with(value * 1.001).is_err(), "{name}[{index}]");
                    assert!(with(-value).is_err(), "{name}[{index}]");
                    caught += 1;
                }
            }
        }
        assert!(caught > 100, "only {caught} entries of {shape:?}");
    }

    let mut seen = Seen::default();
    assert!(seen.compare("good", &[1.0, 2.0], &[1.0, 2.0]).is_ok());
    assert!(seen.compare("empty", &[], &[]).is_err());
    assert!(seen.compare("short", &[1.0], &[1.0, 2.0]).is_err());
    assert!(seen.compare("shifted", &[1.0, 2.0], &[2.0, 1.0]).is_err());
    for wrong in [f64::NAN, f64::INFINITY] {
        assert!(seen.compare("left", &[wrong], &[1.0]).is_err());
        assert!(seen.compare("right", &[1.0], &[wrong]).is_err());
        assert!(seen.compare("both", &[wrong], &[wrong]).is_err());
    }
}

/// `model` with other slicing and the same weights.
fn resliced(model: &Model, n: usize, length: usize) -> Model {
    Model { n, length, ..model.clone() }
}

/// Everything but the slicing must be the same, to the bit.
fn assert_same(left: &Model, right: &Model, sequences: &[Vec<f64>], labels: &[usize]) {
    let (left, right) = (left.run(sequences, labels), right.run(sequences, labels));
    assert_eq!(left.states, right.states);
    assert_eq!(left.logits, right.logits);
    assert_eq!(left.loss, right.loss);
    assert_eq!(left.inputs, right.inputs);
    assert_eq!(left.gradients.named(), right.gradients.named());
}

#[test]
fn padding_in_front_changes_nothing() {
    let random = &mut Random(600);
    let sequences = [random.values(5 * 3, 1.5), random.values(2 * 3, 1.5)];
    let labels = [1, 0];

    // The plain GRU: T = 5 and T = 9.
    let plain = Model::zeros(Spec::default(), 2, 0, 9, 3, 4, 2).randomized(0.9, random);
    assert_same(&plain, &resliced(&plain, 2, 5), &sequences, &labels);

    // Slices of 2 steps: of 7 slices the front 4 are padding, so 3 slices give the same.
    let sliced = Model::zeros(Spec::default(), 7, 1, 14, 3, 4, 2).randomized(0.9, random);
    assert_same(&sliced, &resliced(&sliced, 3, 6), &sequences, &labels);

    // But slices of 3 steps do not.
    let wider = resliced(&sliced, 7, 21);
    assert_ne!(sliced.states(&sequences), wider.states(&sequences));
}

#[test]
fn slices_and_merges_are_plain_recurrences() {
    let random = &mut Random(700);
    let model = Model::zeros(Spec::default(), 2, 2, 12, 3, 4, 2).randomized(0.9, random);
    let plain = |level: usize, x: &[f64]| -> Vec<f64> {
        let inputs = model.levels[level].layers[0][0].inputs;
        let mut network = Model::zeros(model.spec, 2, 0, x.len() / inputs, inputs, model.hidden, 2);
        network.levels = vec![model.levels[level].clone()];
        network.states(&[x.to_vec()]).concat()
    };

    // A full sequence: 4 slices of 3 steps.
    let full = random.values(12 * 3, 1.5);
    let states: Vec<f64> = full.chunks(9).flat_map(|slice| plain(0, slice)).collect();
    let merged = [plain(1, &states[..8]), plain(1, &states[8..])].concat();
    assert_eq!(model.states(std::slice::from_ref(&full)), [plain(2, &merged)]);

    // 7 of 12 steps: slices of 0, 1, 3 and 3 real steps.
    let ragged = &full[..7 * 3];
    let first = plain(0, &ragged[..3]);
    let second = [plain(0, &ragged[3..12]), plain(0, &ragged[12..])].concat();
    let merged = [plain(1, &first), plain(1, &second)].concat();
    assert_eq!(model.states(&[ragged.to_vec()]), [plain(2, &merged)]);

    // 5 of 12 steps: slices of 0, 0, 2 and 3, so that level 2 has a padded step, too.
    let short = &full[..5 * 3];
    let states = [plain(0, &short[..6]), plain(0, &short[6..])].concat();
    assert_eq!(model.states(&[short.to_vec()]), [plain(2, &plain(1, &states))]);
}

#[test]
fn one_unit_agrees_with_numbers_worked_out_elsewhere() {
    let mut model = Model::zeros(Spec::default(), 2, 0, 2, 1, 1, 2);
    let gru = &mut model.levels[0].layers[0][0];
    gru.w = vec![0.5, -0.3, 0.8];
    gru.b = vec![0.1, 0.2, -0.1];
    gru.u = vec![-0.4, 0.6, 0.9];
    gru.c = vec![0.05, -0.15, 0.25];
    let states = model.states(&[vec![1.0], vec![1.0, -2.0]]).concat();
    for (state, expected) in states.iter().zip([0.39264781801871446, 0.011698786692705465]) {
        assert!((state - expected).abs() < 1e-15, "{state} {expected}");
    }
    assert_eq!(states.len(), 2);
}

#[test]
fn cross_entropy_bears_large_logits() {
    let (loss, gradient) = softmax_cross_entropy(&[1000.0, 0.0, 0.0, -1000.0], &[0, 1], 2);
    assert_eq!(loss, 500.0); // the mean of 0 and 1000
    assert_eq!(gradient, [0.0, 0.0, 0.5, -0.5]);
    let (loss, _) = softmax_cross_entropy(&[0.0; 5], &[3], 5);
    assert!((loss - 5.0_f64.ln()).abs() < 1e-15);
}

/// Every cell with every activation that it can have.
const CELLS: [(Cell, Activation); 13] = [
    (Cell::GruAfter, Activation::Tanh),
    (Cell::GruAfter, Activation::Relu),
    (Cell::GruAfter, Activation::Identity),
    (Cell::GruBefore, Activation::Tanh),
    (Cell::GruBefore, Activation::Relu),
    (Cell::GruBefore, Activation::Identity),
    (Cell::Lstm, Activation::Tanh),
    (Cell::Rnn, Activation::Tanh),
    (Cell::Rnn, Activation::Relu),
    (Cell::Rnn, Activation::Identity),
    (Cell::MinGru, Activation::Tanh),
    (Cell::MinGru, Activation::Relu),
    (Cell::MinGru, Activation::Identity),
];
const DIRECTIONS: [Direction; 3] = [Direction::Forward, Direction::Backward, Direction::Both];
const POOLS: [Pool; 4] = [Pool::Last, Pool::Max, Pool::Mean, Pool::Attention];
/// (layers, context); a context of 4 reaches over more than one slice.
const DEPTHS: [(usize, usize); 6] = [(1, 0), (2, 0), (1, 1), (1, 4), (2, 1), (2, 4)];

/// Small, as there are many networks; at every level, some slice has more than one step.
const FAMILY_SHAPES: [Shape; 4] = [
    (2, 1, 6, 2, 2, 3, &[6, 2, 4]), // slices of 3
    (2, 2, 8, 2, 2, 2, &[8, 1, 5]), // padding at every level
    (3, 1, 9, 1, 3, 2, &[9, 7]),    // n is no power of two
    (2, 0, 5, 2, 2, 2, &[5, 1, 4]), // no merge
];

fn gradients_of_the_family(specs: &[Spec]) -> Result<(), String> {
    let mut seen = Seen::default();
    for (index, spec) in specs.iter().enumerate() {
        // The shape changes with every network, and in another rhythm than the settings, which come by fours.
        let shape = FAMILY_SHAPES[(index + index / 4 + index / 16) % 4];
        let Case { model, sequences, labels } = case_of(*spec, shape, 900 + index as u64);
        let at = |error: String| format!("{spec:?} {shape:?}: {error}");
        let outcome = model.run(&sequences, &labels);
        let numeric = weight_differences(&model, |model| model.loss(&sequences, &labels));
        seen.compare_weights(&outcome.gradients, &numeric).map_err(at)?;
        seen.compare_inputs(&outcome.inputs, &sequences, |x| model.loss(x, &labels)).map_err(at)?;

        // A relu may be 0 at every step, and a maximum may be taken before any state counts; of nothing else have zeros
        // only been compared. Of two slices the last hands nothing down: the first alone reads no state.
        let of_two = spec.told == Told::Steps && shape.0 == 2;
        let may_be_zero =
            of_two || spec.activation == Activation::Relu || [spec.pool, spec.head_pool].contains(&Pool::Max);
        for (name, values) in outcome.gradients.named() {
            let some = values.iter().any(|value| value.abs() > 1e-7);
            assert!(some || may_be_zero, "{name} of {spec:?} {shape:?}");
        }
    }
    println!("{seen:?}");
    Ok(())
}

#[test]
fn every_cell_direction_and_depth_matches_finite_differences() -> Result<(), String> {
    let mut specs = Vec::new();
    for (cell, activation) in CELLS {
        for direction in DIRECTIONS {
            for (layers, context) in DEPTHS {
                // Pooling takes its turns.
                let (pool, head_pool) = (POOLS[specs.len() / 3 % 4], POOLS[specs.len() / 5 % 4]);
                let align = [Align::End, Align::Start][specs.len() % 2];
                specs.push(Spec {
                    cell,
                    activation,
                    direction,
                    layers,
                    pool,
                    head_pool,
                    context,
                    align,
                    told: Told::Sequences,
                });
            }
        }
    }
    gradients_of_the_family(&specs)
}

#[test]
fn every_pair_of_poolings_matches_finite_differences() -> Result<(), String> {
    let mut specs = Vec::new();
    for direction in DIRECTIONS {
        for pool in POOLS {
            for head_pool in POOLS {
                let (layers, context) = DEPTHS[specs.len() % 5];
                let (cell, activation) = CELLS[specs.len() * 7 % CELLS.len()];
                let align = [Align::End, Align::Start][specs.len() % 2];
                specs.push(Spec {
                    cell,
                    activation,
                    direction,
                    layers,
                    pool,
                    head_pool,
                    context,
                    align,
                    told: Told::Sequences,
                });
            }
        }
    }
    gradients_of_the_family(&specs)
}

#[test]
fn outputs_of_every_step_match_finite_differences() -> Result<(), String> {
    let mut specs = Vec::new();
    for (cell, activation) in CELLS {
        for direction in DIRECTIONS {
            for (layers, context) in DEPTHS.into_iter().step_by(1 + specs.len() % 2) {
                let align = [Align::End, Align::Start][specs.len() / 2 % 2];
                // Pooling takes its turns, where something passes up.
                let (told, pool) = match specs.len() % 5 {
                    4 => (Told::StepsOfSlices, Pool::Last),
                    _ => (Told::Steps, POOLS[specs.len() / 3 % 4]),
                };
                let head_pool = Pool::Last;
                specs.push(Spec { cell, activation, direction, layers, pool, head_pool, context, align, told });
            }
        }
    }
    gradients_of_the_family(&specs)
}

#[test]
fn with_the_downward_pass_a_step_has_seen_all_before_it_and_nothing_behind_it() {
    let mut random = Random(6);
    for (told, align) in [(Told::Steps, Align::End), (Told::Steps, Align::Start), (Told::StepsOfSlices, Align::End)] {
        let spec = Spec { told, align, ..Spec::default() };
        let model = Model::zeros(spec, 2, 3, 16, 1, 2, 2).randomized(1.5, &mut random);
        for length in [13, 16] {
            let sequence = random.values(length, 1.5);
            let outputs = model.states(std::slice::from_ref(&sequence));
            for changed in 0..length {
                let mut other = sequence.clone();
                other[changed] += 1.0;
                let others = model.states(&[other]);
                // Slices of two steps.
                let slice = |step: usize| if align == Align::End { (step + 16 - length) / 2 } else { step / 2 };
                for step in 0..length {
                    let sees = step >= changed && (told == Told::Steps || slice(step) == slice(changed));
                    assert_eq!(outputs[step] != others[step], sees, "{told:?} {align:?} {length} {changed} {step}");
                }
            }
        }
    }
}

#[test]
fn slices_from_the_start_are_those_from_the_end_of_the_reversed_sequence() {
    let mut random = Random(5);
    for (index, direction) in [Direction::Forward, Direction::Backward].into_iter().cycle().take(24).enumerate() {
        let (cell, activation) = CELLS[index % CELLS.len()];
        let (layers, context) = DEPTHS[index % DEPTHS.len()];
        let pool = POOLS[index / 2 % 4];
        let spec = Spec {
            cell,
            activation,
            direction,
            layers,
            pool,
            head_pool: pool,
            context,
            align: Align::Start,
            told: Told::Sequences,
        };
        let other = if direction == Direction::Forward { Direction::Backward } else { Direction::Forward };
        let model = Model::zeros(spec, 3, 2, 18, 2, 3, 2).randomized(0.8, &mut random);
        let mut mirrored = model.clone();
        mirrored.spec = Spec { direction: other, align: Align::End, ..spec };
        for length in 1..=18 {
            let sequence: Vec<f64> = (0..2 * length).map(|_| random.within(1.0)).collect();
            let reversed: Vec<f64> = sequence.chunks(2).rev().flatten().copied().collect();
            let (own, other) = (model.states(&[sequence]).concat(), mirrored.states(&[reversed]).concat());
            let close = own.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-14);
            assert!(close && own.len() == other.len(), "{spec:?}, {length} steps: {own:?} {other:?}");
        }
    }
    // Beyond T the top level goes on: 20 steps in slices of two are ten steps of a network of one merge.
    let spec = Spec { align: Align::Start, ..Spec::default() };
    let short = Model::zeros(spec, 4, 1, 8, 1, 2, 2).randomized(0.8, &mut random);
    let long = Model { n: 10, length: 20, spec: Spec::default(), ..short.clone() };
    let sequence: Vec<f64> = (0..20).map(|_| random.within(1.0)).collect();
    assert_eq!(short.states(std::slice::from_ref(&sequence)), long.states(&[sequence]));
}

#[test]
fn a_context_reads_across_the_cuts_and_is_not_pooled() {
    // An RNN of one unit that adds up its inputs, over two slices of three steps.
    let sum_of_layers = |layers, direction, pool, context, sequence: &[f64]| {
        let (cell, activation) = (Cell::Rnn, Activation::Identity);
        let spec = Spec { cell, activation, direction, layers, pool, context, ..Spec::default() };
        let mut model = Model::zeros(spec, 2, 1, 6, 1, 1, 1);
        for layer in model.levels.iter_mut().flat_map(|level| &mut level.layers) {
            (layer[0].w, layer[0].u) = (vec![1.0], vec![1.0]);
        }
        model.states(&[sequence.to_vec()])[0][0]
    };
    let sum = |direction, pool, context, sequence: &[f64]| sum_of_layers(1, direction, pool, context, sequence);
    let full = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
    assert_eq!(sum(Direction::Forward, Pool::Last, 0, full), 7.0 + 56.0);
    assert_eq!(sum(Direction::Forward, Pool::Last, 2, full), 7.0 + 62.0);
    assert_eq!(sum(Direction::Forward, Pool::Last, 9, full), 7.0 + 63.0);
    assert_eq!(sum(Direction::Backward, Pool::Last, 2, full), 31.0 + 56.0);
    assert_eq!(sum(Direction::Backward, Pool::Max, 9, full), 63.0 + 56.0);
    assert_eq!(sum(Direction::Forward, Pool::Mean, 2, full), (1.0 + 3.0 + 7.0) / 3.0 + (14.0 + 30.0 + 62.0) / 3.0);
    // Two real steps in the first slice and, with one slice only, nothing to warm up with.
    assert_eq!(sum(Direction::Forward, Pool::Last, 3, &full[1..]), 6.0 + 62.0);
    assert_eq!(sum(Direction::Backward, Pool::Last, 1, &full[1..]), 14.0 + 56.0);
    assert_eq!(sum(Direction::Forward, Pool::Last, 3, &full[3..]), 56.0);
    // The first layer has 1 3 7 and, after a 4, 12 28 60; the second 1 4 11 and, after a 7, 19 47 107.
    assert_eq!(sum_of_layers(2, Direction::Forward, Pool::Last, 1, full), 11.0 + (11.0 + 107.0));
}

/// One recurrence that begins with a state other than 0, and a row of steps for it.
#[derive(Clone)]
struct Row {
    spec: Spec,
    recurrence: Recurrence,
    /// `[len, D]`
    x: Vec<f64>,
    first: State,
    /// The gradients of a loss into the states after the steps, and into the last state and memory.
    of_states: Vec<Vec<f64>>,
    of_last: State,
}

impl Row {
    fn random((cell, activation): (Cell, Activation), len: usize, random: &mut Random) -> Row {
        let (inputs, hidden) = (2, 3);
        let mut recurrence = Recurrence::zeros(cell, inputs, hidden);
        for (_, values) in recurrence.named_mut() {
            values.fill_with(|| random.within(0.9));
        }
        let memory = if cell == Cell::Lstm { 1.0 } else { 0.0 };
        let mut state = || State { h: random.values(hidden, 1.0), memory: random.values(hidden, memory) };
        let (first, of_last) = (state(), state());
        Row {
            spec: Spec { cell, activation, ..Spec::default() },
            recurrence,
            x: random.values(len * inputs, 1.5),
            first,
            of_states: (0..len).map(|_| random.values(hidden, 1.0)).collect(),
            of_last,
        }
    }

    fn read(&self) -> Vec<Step> {
        self.recurrence.read(&self.spec, self.x.chunks(self.recurrence.inputs), &self.first)
    }

    /// Of which `of_states` and `of_last` are the gradients.
    fn loss(&self) -> f64 {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let steps = self.read();
        let last = &steps.last().expect("a row has steps").after;
        steps.iter().zip(&self.of_states).map(|(step, g)| product(&step.after.h, g)).sum::<f64>()
            + product(&last.h, &self.of_last.h)
            + product(&last.memory, &self.of_last.memory)
    }

    /// The gradients of the weights, of the steps and of the first state.
    fn back(&self) -> (Recurrence, Vec<f64>, State) {
        let Recurrence { inputs, hidden, .. } = self.recurrence;
        let mut gradients = Recurrence::zeros(self.spec.cell, inputs, hidden);
        let of_last = self.of_last.clone();
        let (of_x, of_first) =
            self.recurrence.read_back(&self.spec, &self.read(), &self.of_states, of_last, &mut gradients);
        (gradients, of_x.concat(), of_first)
    }
}

#[test]
fn gradients_of_a_given_first_state_match_finite_differences() -> Result<(), String> {
    let random = &mut Random(1100);
    let mut seen = Seen::default();
    for cell in CELLS {
        for len in [1, 4] {
            let row = Row::random(cell, len, random);
            let (gradients, of_x, of_first) = row.back();

            let mut check = |name: &str, analytic: &[f64], part: fn(&mut Row) -> &mut Vec<f64>| {
                let numeric = differences(part(&mut row.clone()), |values| {
                    let mut moved = row.clone();
                    *part(&mut moved) = values.to_vec();
                    moved.loss()
                });
                seen.compare(name, analytic, &numeric).map_err(|error| format!("{cell:?}, {len} steps: {error}"))
            };
            check("first state", &of_first.h, |row| &mut row.first.h)?;
            check("first memory", &of_first.memory, |row| &mut row.first.memory)?;
            check("x", &of_x, |row| &mut row.x)?;
            check("w", &gradients.w, |row| &mut row.recurrence.w)?;
            check("b", &gradients.b, |row| &mut row.recurrence.b)?;
            if !gradients.u.is_empty() {
                check("u", &gradients.u, |row| &mut row.recurrence.u)?;
            }
            if !gradients.c.is_empty() {
                check("c", &gradients.c, |row| &mut row.recurrence.c)?;
            }
            // A relu may be 0 at every step, and a plain unit has no other way to its first state.
            let some = |values: &[f64]| values.iter().any(|value| value.abs() > 1e-7);
            assert!(some(&of_first.h) || cell.1 == Activation::Relu, "{cell:?}: first state");
            assert_eq!(some(&of_first.memory), cell.0 == Cell::Lstm, "{cell:?}: first memory");
        }
    }
    println!("{seen:?}");
    Ok(())
}

#[test]
fn a_row_cut_in_two_is_the_row() {
    let random = &mut Random(1200);
    for cell in CELLS {
        let whole = Row::random(cell, 7, random);
        let inputs = whole.recurrence.inputs;
        let part = |steps: std::ops::Range<usize>, first: &State, of_last: &State| Row {
            spec: whole.spec,
            recurrence: whole.recurrence.clone(),
            x: whole.x[steps.start * inputs..steps.end * inputs].to_vec(),
            first: first.clone(),
            of_states: whole.of_states[steps].to_vec(),
            of_last: of_last.clone(),
        };
        // The state goes from the front part to the back part, its gradient the other way.
        let steps = whole.read();
        let back = part(3..7, &steps[2].after, &whole.of_last);
        let (of_back, of_x_back, of_middle) = back.back();
        let front = part(0..3, &whole.first, &of_middle);
        let (of_front, of_x_front, of_first) = front.back();
        for (step, part) in steps.iter().zip(front.read().iter().chain(&back.read())) {
            assert_eq!((&step.after.h, &step.after.memory), (&part.after.h, &part.after.memory), "{cell:?}");
        }

        let (of_whole, of_x, of_whole_first) = whole.back();
        assert_eq!(of_x, [of_x_front, of_x_back].concat(), "{cell:?}");
        assert_eq!((of_first.h, of_first.memory), (of_whole_first.h, of_whole_first.memory), "{cell:?}");
        for ((name, whole), ((_, front), (_, back))) in
            of_whole.named().into_iter().zip(of_front.named().into_iter().zip(of_back.named()))
        {
            for (whole, (front, back)) in whole.iter().zip(front.iter().zip(back)) {
                let close = (whole - (front + back)).abs() <= 1e-14 * (1.0 + whole.abs());
                assert!(close, "{cell:?} {name}: {whole:e} against {front:e} + {back:e}");
            }
        }
    }
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    let spec = Spec { cell: Cell::Rnn, activation: Activation::Identity, head_pool: Pool::Max, ..Spec::default() };
    let mut model = Model::zeros(spec, 2, 0, 4, 1, 1, 1);
    model.levels[0].layers[0][0].w = vec![1.0];
    let (_, inputs) = model.backward_from(&[vec![1.0, 5.0, 5.0, 2.0]], &[3.0]);
    assert_eq!(inputs, [[0.0, 3.0, 0.0, 0.0]]);
}

#[test]
fn every_loss_matches_finite_differences() -> Result<(), String> {
    let random = &mut Random(1000);
    let (batch, classes) = (5, 3);
    let logits = random.values(batch * classes, 2.0);
    let labels: Vec<usize> = (0..batch).map(|_| random.below(classes)).collect();
    let targets: Vec<f64> = (0..batch * classes).map(|_| 0.5 + random.within(0.5)).collect();
    let weights = [0.5, 1.0, 2.5];

    let mut seen = Seen::default();
    for epsilon in [0.0, 0.1, 1.0] {
        let loss = |logits: &[f64]| smoothed_cross_entropy(logits, &labels, &weights, epsilon);
        seen.compare("smoothed", &loss(&logits).1, &differences(&logits, |logits| loss(logits).0))?;
    }
    let loss = |logits: &[f64]| binary_cross_entropy_with_logits(logits, &targets);
    seen.compare("binary", &loss(&logits).1, &differences(&logits, |logits| loss(logits).0))?;
    let loss = |outputs: &[f64]| mean_squared_error(outputs, &targets);
    seen.compare("squared", &loss(&logits).1, &differences(&logits, |logits| loss(logits).0))?;

    // Through a network, too.
    let Case { model, sequences, .. } = case(SHAPES[2], 1001);
    let targets = random.values(sequences.len() * model.classes, 1.0);
    let outcome = model.run_with(&sequences, |outputs| mean_squared_error(outputs, &targets));
    let objective = |model: &Model| mean_squared_error(&model.logits(&model.states(&sequences)), &targets).0;
    seen.compare_weights(&outcome.gradients, &weight_differences(&model, objective))?;
    println!("{seen:?}");
    Ok(())
}

#[test]
fn binary_cross_entropy_bears_large_logits() {
    let (loss, gradient) = binary_cross_entropy_with_logits(&[1000.0, -1000.0, 0.0, -1000.0], &[0.0, 0.0, 0.5, 1.0]);
    assert!((loss - (2000.0 + 2.0_f64.ln()) / 4.0).abs() < 1e-12);
    assert_eq!(gradient, [0.25, 0.0, 0.0, -0.25]);
}
