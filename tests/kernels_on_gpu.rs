//! Every kernel by itself: the shader against its twin on random shapes and numbers.
//!
//! With `--nocapture` each comparison prints how much of its tolerance it used.

mod network_cases;

use network_cases::on_gpu;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use srnn::compare::compare;
use srnn::engine::{Engine, cpu::Cpu};
use srnn::kernel::activation::Activation;
use srnn::kernel::cell::{Cell, RECURRENCES, Reset};
use srnn::kernel::element_loss::{self, Form};
use srnn::kernel::loss;
use srnn::kernel::matmul::{self, Columns, Out};
use srnn::kernel::pool_forward::{self, Pool, Pooling};
use srnn::kernel::recurrence::{self, BackwardViews, ForwardViews, LANES, Recurrence, Span, matrix_offset};
use srnn::kernel::step_control::{self, NORM, SKIPPED, STEPS, TAKE};
use srnn::kernel::strands::Strands;
use srnn::kernel::sum_partials::{self, Sum};
use srnn::kernel::transpose::{self, Matrix};
use srnn::kernel::update::{self, Adam, NO_SLOT, Rule, Sgd};
use srnn::kernel::{Access, dropout, gather_rows, pool_backward, softmax_cross_entropy, squared_norm, sum_by_token};
use srnn::plan::{ALIGNMENT, BufferName, BufferSpec, Checked, Dispatch, Limits, Plan, Product, Tuning, View};

/// Words in front of and behind every binding, which no kernel may touch.
const GUARD: usize = ALIGNMENT;
const UNTOUCHED: u32 = 0x7fc0_dead;

/// One dispatch, and what stands in its bindings before. Outputs hold random numbers too, as kernels add to some and
/// leave others alone.
struct Trial {
    plan: Plan<'static>,
    contents: Vec<Vec<u32>>,
    rng: ChaCha8Rng,
}

impl Trial {
    fn new(seed: u64) -> Trial {
        Trial { plan: Plan::default(), contents: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn words(&mut self, values: Vec<u32>) -> View {
        let at = self.contents.len();
        let (len, guard) = (values.len(), [UNTOUCHED; GUARD]);
        self.contents.push([&guard[..], &values, &guard].concat());
        let whole = self.plan.persistent(BufferName { holds: "binding", at }, &[len + 2 * GUARD]);
        View { offset: GUARD, len, ..whole }
    }

    fn floats(&mut self, values: &[f32]) -> View {
        self.words(values.iter().map(|value| value.to_bits()).collect())
    }

    /// `count` numbers uniform in ±`size`.
    fn within(&mut self, size: f32, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.rng.random_range(-size..=size)).collect()
    }

    /// A binding of such numbers.
    fn random(&mut self, size: f32, count: usize) -> View {
        let values = self.within(size, count);
        self.floats(&values)
    }

    /// `count` indices below `end`.
    fn below(&mut self, end: usize, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.rng.random_range(0..end as u32)).collect()
    }

    /// A binding that the dispatch does not read.
    fn unread(&mut self) -> View {
        self.words(vec![UNTOUCHED])
    }

    /// Ragged rows `[count, 2]` of 1 to `longest` steps, one of them `longest`; and the number of all steps.
    fn ragged(&mut self, count: usize, longest: usize) -> (View, usize) {
        let (full, mut steps) = (self.rng.random_range(0..count), 0);
        let mut rows = Vec::new();
        for row in 0..count {
            let own = if row == full { longest } else { self.rng.random_range(1..=longest) };
            rows.extend([steps as u32, own as u32]);
            steps += own;
        }
        (self.words(rows), steps)
    }

    /// Random numbers of strands, so many for each in every binding, that stand a few more apart; none where all share them.
    fn strands(&mut self, product: Product, count: usize, each: [usize; 3]) -> (matmul::How, [View; 3]) {
        let apart = each.map(|own| if own == 0 { 0 } else { own + self.rng.random_range(0..5) });
        let lens = [0, 1, 2].map(|at| (count - 1) * apart[at] + each[at]);
        let views = lens.map(|len| if len == 0 { View::NONE } else { self.random(1.0, len) });
        ((product, Strands::new(count, apart)), views)
    }

    fn with(mut self, dispatch: Dispatch) -> Trial {
        self.plan.push(dispatch);
        // What stands for bindings that it does not touch.
        let untouched = self.plan.buffers[self.contents.len()..].iter();
        self.contents.extend(untouched.map(|spec| vec![1.0f32.to_bits(); spec.len()]));
        self
    }

    fn dispatch(&mut self) -> &mut Dispatch {
        &mut self.plan.dispatches[0]
    }

    fn checked(&self, limits: &Limits) -> Checked<'static> {
        self.plan.clone().checked(limits).unwrap()
    }

    /// What stands in the bindings afterwards.
    fn run(&self, engine: &mut dyn Engine) -> Vec<Vec<u32>> {
        for (spec, words) in self.plan.buffers.iter().zip(&self.contents) {
            engine.write(spec.name, words).unwrap();
        }
        engine.run(&self.checked(engine.limits())).unwrap();
        let read = |(spec, words): (&BufferSpec, &Vec<u32>)| engine.read(spec.name, words.len()).unwrap();
        self.plan.buffers.iter().zip(&self.contents).map(read).collect()
    }

    fn on_both(&self) -> [Vec<Vec<u32>>; 2] {
        [on_gpu(|engine| self.run(engine)), self.run(&mut Cpu::new(u64::MAX).sharing_all())]
    }

    /// Checks that only writable bindings changed, and that these agree within the kernel's tolerance.
    fn compare(&self, [actual, expected]: &[Vec<Vec<u32>>; 2]) -> Result<(), String> {
        let [dispatch] = &self.plan.dispatches[..] else { unreachable!("one dispatch") };
        let kernel = dispatch.kernel;
        for (declared, view) in kernel.bindings.iter().zip(&dispatch.bindings) {
            let at = view.buffer.0;
            let name = format!("`{}` of {} {:?}", declared.name, kernel.name, dispatch.constants);
            let inside = view.offset..view.offset + view.len;
            for (engine, words) in [("GPU", &actual[at]), ("CPU", &expected[at])] {
                let may_change = |i: usize| declared.access == Access::Write && inside.contains(&i);
                let before = &self.contents[at];
                if let Some(i) = (0..words.len()).find(|&i| words[i] != before[i] && !may_change(i)) {
                    return Err(format!("{name}: the {engine} wrote element {i}, which it may not"));
                }
            }
            if declared.access == Access::Write {
                let [actual, expected] = [actual, expected].map(|all| numbers(&all[at][inside.clone()]));
                let agreement = compare(&actual, &expected, kernel.tolerance).map_err(|e| format!("{name}: {e}"))?;
                println!("{name}: error {:.2e} allowed {:.2e}", agreement.error, agreement.allowed);
            }
        }
        Ok(())
    }

    /// Runs the dispatch on both engines, and gives what the GPU wrote into the writable bindings.
    fn check(&self) -> Vec<Vec<f32>> {
        let outcome = self.on_both();
        self.compare(&outcome).unwrap();
        let dispatch = &self.plan.dispatches[0];
        let written =
            dispatch.kernel.bindings.iter().zip(&dispatch.bindings).filter(|(b, _)| b.access == Access::Write);
        written.map(|(_, view)| numbers(&outcome[0][view.buffer.0][view.offset..][..view.len])).collect()
    }
}

fn numbers(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

fn place() -> String {
    "trial".into()
}

/// A recurrence: cell and options; rows, longest row, and the first and last step that are run, as shares of 100.
#[derive(Clone, Copy, Debug)]
struct Trials {
    seed: u64,
    cell: &'static Recurrence,
    hidden: usize,
    rows: usize,
    longest: usize,
    shares: (usize, usize),
    lanes: usize,
    product: Product,
    /// How many, and how many of them read forward.
    strands: (usize, usize),
    /// slotted, stepwise, others in front of these strands, states given
    options: [bool; 4],
    activation: Activation,
}

impl Trials {
    fn span(&self, steps: usize) -> Span {
        let Trials { cell, hidden, rows, longest, shares: (from, to), lanes, product, activation, .. } = *self;
        let [slotted, stepwise, others, first] = self.options;
        let (strands, forward) = self.strands;
        let begin = from * longest / 100;
        let end = begin + 1 + to * (longest - begin - 1) / 99;
        let column = if others { hidden + 1 } else { 0 };
        let stride = column + strands * hidden;
        let default = Limits::webgpu_default();
        let limits = Limits { tuning: Tuning { product, ..default.tuning }, ..default };
        let product = cell.product(lanes, hidden, &limits);
        Span {
            rows,
            steps,
            begin,
            end,
            hidden,
            lanes,
            product,
            first,
            // Downward, slices begin with a state and no memory.
            memory: first && rows.is_multiple_of(2),
            strands: Strands::new(strands, [0; 3]),
            forward,
            slotted,
            stepwise,
            activation,
            stride,
            column,
        }
    }

    /// Numbers of all recurrent weights.
    fn weights(&self, bias: bool) -> usize {
        let (hidden, cell) = (self.hidden, self.cell);
        match cell.matrices {
            [] => 1,
            [only] => (hidden + usize::from(bias && cell.bias)) * only.gates.len() * hidden,
            [.., last] => matrix_offset(cell, cell.matrices.len() - 1, hidden) + hidden * last.gates.len() * hidden,
        }
    }

    /// Weights of about the size of orthogonal ones.
    fn weight_size(&self) -> f32 {
        (3.0 / self.hidden as f32).sqrt()
    }

    /// The numbers of all strands, a few more than theirs apart, and how far that is.
    fn apart(&self, trial: &mut Trial, each: usize) -> (usize, usize) {
        let apart = each + trial.rng.random_range(0..5);
        ((self.strands.0 - 1) * apart + each, apart)
    }

    fn forward(&self, save: bool) -> Trial {
        let (mut trial, hidden, cell) = (Trial::new(self.seed), self.hidden, self.cell);
        let (rows, steps) = trial.ragged(self.rows, self.longest);
        let mut span = self.span(steps);
        let distinct = if span.slotted { steps.div_ceil(2) } else { steps };
        let slots = match span.slotted {
            true => {
                let slots = trial.below(distinct, steps);
                trial.words(slots)
            }
            false => trial.unread(),
        };
        let (count, gates_apart) = self.apart(&mut trial, distinct * cell.gates.len() * hidden);
        let gates = trial.random(2.0, count);
        // Without a bound on the activation, large weights make large numbers.
        let size = if self.activation == Activation::Tanh { 1.0 } else { 0.3 } * self.weight_size();
        let (count, weights_apart) = self.apart(&mut trial, self.weights(true));
        let weights = trial.random(size, count);
        let (count, tape_apart) = self.apart(&mut trial, steps * cell.tape * hidden);
        let tape = trial.random(1.0, if save { count } else { 1 });
        span.strands.apart = [gates_apart, weights_apart, tape_apart];
        let states = trial.random(1.0, self.rows * span.stride);
        let outputs = trial.random(1.0, if span.stepwise { steps * span.stride } else { 1 });
        let memories = trial.random(1.0, if cell.memory { self.rows * span.stride } else { 1 });
        let views = ForwardViews { rows, slots, gates, weights, tape, states, outputs, memories };
        trial.with(recurrence::forward_dispatch(cell, place(), span, save, views))
    }

    fn backward(&self, given: [bool; 2]) -> Trial {
        let (mut trial, hidden, cell) = (Trial::new(self.seed), self.hidden, self.cell);
        let (rows, steps) = trial.ragged(self.rows, self.longest);
        let mut span = self.span(steps);
        let (count, weights_apart) = self.apart(&mut trial, self.weights(false));
        let weights_transposed = trial.random(self.weight_size(), count);
        let (count, tape_apart) = self.apart(&mut trial, steps * cell.tape * hidden);
        span.strands.apart = [0, weights_apart, tape_apart];
        let mut tape = trial.within(1.0, count);
        for step in tape.chunks_mut(tape_apart).flat_map(|strand| strand.chunks_mut(cell.tape * hidden)) {
            // Gates are within (0, 1).
            step.iter_mut().take(cell.gates.len() * hidden).for_each(|gate| *gate = 0.5 + 0.49 * *gate);
        }
        let tape = trial.floats(&tape);
        let states_gradient = trial.random(1.0, self.rows * span.stride);
        let outputs_gradient = trial.random(1.0, if span.stepwise { steps * span.stride } else { 1 });
        let memories_gradient = trial.random(1.0, if cell.memory { self.rows * span.stride } else { 1 });
        let views =
            BackwardViews { rows, weights_transposed, outputs_gradient, tape, states_gradient, memories_gradient };
        trial.with(recurrence::backward_dispatch(cell, place(), span, given, views))
    }
}

fn recurrences() -> impl Strategy<Value = Trials> {
    let hidden = prop_oneof![Just(1usize), Just(32), Just(50), Just(130), 1usize..=130];
    let shares = prop_oneof![Just((0usize, 99usize)), (0usize..100, 0usize..100)];
    // Few with long chunks: a software Vulkan takes seconds to compile one.
    let lanes = (
        proptest::sample::select(&LANES[..]),
        prop_oneof![3 => Just(Product::Paired), 1 => Just(Product::Chunked), 2 => Just(Product::Held)],
    );
    let cell = proptest::sample::select(RECURRENCES);
    let activation = proptest::sample::select(&[Activation::Tanh, Activation::Identity, Activation::Relu][..]);
    let shape = (hidden, 1usize..=70, 1usize..=9, shares, lanes);
    let strands = prop_oneof![2 => Just(1usize), 1 => 2usize..=3].prop_flat_map(|all| (Just(all), 0..=all));
    (any::<u64>(), shape, (cell, strands), any::<[bool; 4]>(), activation).prop_map(
        |(seed, (hidden, rows, longest, shares, (lanes, product)), (cell, strands), options, activation)| Trials {
            seed,
            cell,
            hidden,
            rows,
            longest,
            shares,
            lanes,
            product,
            strands,
            options,
            activation,
        },
    )
}

/// Slices pooled out of ragged rows.
fn pool(seed: u64, pooling: Pooling, count: usize, longest: usize, width: usize) -> (Trial, Pool, [View; 5]) {
    let mut trial = Trial::new(seed);
    let (rows, steps) = trial.ragged(count, longest);
    let pool = Pool { pooling, rows: count, steps, width };
    let outputs = trial.random(1.0, steps * width);
    let attention = trial.random(0.5, width);
    let shares = trial.random(1.0, steps);
    let into = trial.random(1.0, count * width);
    (trial, pool, [rows, outputs, attention, shares, into])
}

/// Every fifth row is none of the table's; `apart`, both matrices have other columns around theirs.
fn gather(seed: u64, table: usize, count: usize, width: usize, apart: bool) -> Trial {
    let mut trial = Trial::new(seed);
    let mut ids = trial.below(table, count);
    ids.iter_mut().step_by(5).for_each(|id| *id = gather_rows::NO_ROW);
    let ids = trial.words(ids);
    let [from, to] = if apart { [width + 3, 2 * width] } else { [width; 2] };
    let from = Columns { column: from - width, ..Columns::all(trial.random(1.0, table * from), from) };
    let to = Columns { column: to - width, ..Columns::all(trial.random(1.0, count * to), to) };
    let dispatch = if seed.is_multiple_of(2) { gather_rows::dispatch } else { gather_rows::add_dispatch };
    trial.with(dispatch(place(), (count, width), ids, from, to))
}

/// How matrix products bring their tiles.
fn products() -> impl Strategy<Value = Product> {
    proptest::sample::select(&[Product::Paired, Product::Chunked][..])
}

fn project(seed: u64, product: Product, m: usize, n: usize, k: usize) -> Trial {
    let mut trial = Trial::new(seed);
    let strands = trial.rng.random_range(1..=3);
    let each = [0, (k + 1) * n, m * n];
    let (how, [_, w, out]) = trial.strands(product, strands, each);
    let a = trial.random(1.0, m * k);
    trial.with(matmul::project(place(), how, (m, n, k), a, w, out))
}

/// Groups of 0 to `most` rows each, listed in any order or consecutive.
fn token_sums(seed: u64, groups: usize, most: usize, width: usize, listed: bool, accumulate: bool) -> Trial {
    let mut trial = Trial::new(seed);
    let mut starts = vec![0];
    for group in 0..groups {
        let own = if most == 0 { 0 } else { trial.rng.random_range(0..=most as u32) };
        starts.push(starts[group] + own);
    }
    let rows = starts[groups] as usize;
    let members = match listed {
        true => {
            let members = trial.below(rows.max(1), rows.max(1));
            trial.words(members)
        }
        false => View::NONE,
    };
    let stride = width + trial.rng.random_range(0..20);
    let strands = trial.rng.random_range(1..=3);
    let each = [0, rows.max(1) * stride, groups * width];
    let ((_, Strands { apart: [_, values_apart, out_apart], .. }), [_, values, out]) =
        trial.strands(Product::Paired, strands, each);
    let strands = Strands::new(strands, [values_apart, out_apart]);
    let bindings = [members, trial.words(starts), values, out];
    trial.with(sum_by_token::dispatch(place(), (groups, width, stride), strands, rows, accumulate, bindings))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn forward_recurrence(trials in recurrences(), save in any::<bool>()) {
        trials.forward(save).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn backward_recurrence(trials in recurrences(), given in any::<[bool; 2]>()) {
        trials.backward(given).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn pooling(
        seed in any::<u64>(),
        kind in proptest::sample::select(&[Pooling::Max, Pooling::Mean, Pooling::Attention][..]),
        count in 1usize..40,
        longest in 1usize..90,
        width in 1usize..150,
    ) {
        let (trial, own, bindings) = pool(seed, kind, count, longest, width);
        trial.with(pool_forward::dispatch(place(), own, bindings)).check();
        let (mut trial, own, [rows, outputs, attention, shares, pooled]) = pool(seed, kind, count, longest, width);
        let gradient = trial.random(1.0, count * width);
        let outputs_gradient = trial.random(1.0, own.steps * width);
        let attention_gradient = trial.random(1.0, count * width);
        let views = pool_backward::Views {
            rows, outputs, attention, shares, pooled, gradient, outputs_gradient, attention_gradient,
        };
        trial.with(pool_backward::dispatch(place(), own, views)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn dropped_numbers(seed in any::<u64>(), count in 1usize..3000, offset in 0usize..100_000, rate in 0.0f32..0.99) {
        let mut trial = Trial::new(seed);
        let bindings = [count, count].map(|count| trial.random(1.0, count));
        trial.with(dropout::dispatch(place(), (count, offset), rate, seed as u32, bindings)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn losses_of_elements(
        seed in any::<u64>(),
        rows in 1usize..600,
        classes in 1usize..20,
        binary in any::<bool>(),
        accumulate in any::<bool>(),
    ) {
        let mut trial = Trial::new(seed);
        let logits = trial.random(5.0, rows * classes);
        let targets = match binary {
            true => {
                let bits = trial.below(2, rows * classes);
                let bits: Vec<f32> = bits.into_iter().map(|bit| bit as f32).collect();
                trial.floats(&bits)
            }
            false => trial.random(2.0, rows * classes),
        };
        let gradient = trial.random(1.0, rows * classes);
        let totals = trial.random(1.0, 4 * loss::groups(rows));
        let form = if binary { Form::BinaryCrossEntropy } else { Form::SquaredError };
        let scale = 1.0 / (rows * classes) as f32;
        let bindings = [logits, targets, gradient, totals];
        trial.with(element_loss::dispatch(place(), (rows, classes), scale, form, accumulate, bindings)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn gathered_rows(
        seed in any::<u64>(),
        table in 1usize..50,
        count in 1usize..200,
        width in 1usize..200,
        apart in any::<bool>(),
    ) {
        gather(seed, table, count, width, apart).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn projection(seed in any::<u64>(), product in products(), m in 1usize..200, n in 1usize..200, k in 1usize..210) {
        project(seed, product, m, n, k).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn input_gradient(
        seed in any::<u64>(),
        product in products(),
        m in 1usize..200,
        n in 1usize..200,
        k in 1usize..210,
        column in 0usize..9,
        beyond in 0usize..9,
        accumulate in any::<bool>(),
    ) {
        let mut trial = Trial::new(seed);
        let stride = column + k + beyond;
        // As for the gates: weights of n inputs, k outputs, and their bias below. Strands share what they are summed into.
        let strands = trial.rng.random_range(1..=3);
        let (how, [delta, w, _]) = trial.strands(product, strands, [m * stride, (n + 1) * k, 0]);
        let delta = Columns { view: delta, stride, column };
        let out = Out { accumulate, ..trial.random(1.0, m * n).into() };
        trial.with(matmul::input_gradient(place(), how, (m, n, k), delta, w, out)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn weight_gradient(
        seed in any::<u64>(),
        product in products(),
        m in 1usize..140,
        n in 1usize..160,
        rows in prop_oneof![1usize..40, 500usize..530, 1000usize..1600],
        columns in (0usize..9, 0usize..9),
        beyond in 0usize..9,
        bias in any::<bool>(),
        accumulate in any::<bool>(),
        first in 0usize..9,
    ) {
        let mut trial = Trial::new(seed);
        let strides = (columns.0 + m + beyond, columns.1 + n + beyond);
        let counts = [rows * strides.0, rows * strides.1, first + matmul::splits(rows) * (m + usize::from(bias)) * n];
        let strands = trial.rng.random_range(1..=3);
        let (how, [x, delta, out]) = trial.strands(product, strands, counts);
        let x = Columns { view: x, stride: strides.0, column: columns.0 };
        let delta = Columns { view: delta, stride: strides.1, column: columns.1 };
        let out = Out { view: out, first, accumulate };
        trial.with(matmul::weight_gradient(place(), how, (m, n, rows), bias, [x, delta], out)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn summed_partials(
        seed in any::<u64>(),
        sizes in proptest::collection::vec((1usize..3000, 1usize..30, 0usize..9, 0usize..9), 1..6),
        accumulate in any::<bool>(),
    ) {
        let mut trial = Trial::new(seed);
        let (mut partials, mut out) = (0, 0);
        let sums = sizes.into_iter().map(|(len, parts, before, between)| {
            let sum = Sum { len, parts, from: partials + before, to: out + between };
            (partials, out) = (sum.from + parts * len, sum.to + len);
            sum
        });
        let mut sums: Vec<Sum> = sums.collect();
        // In any order, as levels are summed from the top.
        sums.reverse();
        let list = trial.words(sum_partials::list(&sums));
        let [partials, out] = [partials, out].map(|count| trial.random(1.0, count));
        trial.with(sum_partials::dispatch(place(), &sums, accumulate, [list, partials, out])).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn transposed(
        seed in any::<u64>(),
        sizes in proptest::collection::vec((1usize..140, 1usize..400, 0usize..9, 0usize..70), 1..4),
    ) {
        let mut trial = Trial::new(seed);
        let (mut weights, mut out) = (0, 0);
        let matrices = sizes.into_iter().map(|(m, n, before, between)| {
            let matrix = Matrix { to: out, from: weights + before, m, n };
            (weights, out) = (matrix.from + m * n, out + m * n + between);
            matrix
        });
        let matrices: Vec<Matrix> = matrices.collect();
        let list = trial.words(transpose::list(&matrices));
        let [weights, out] = [weights, out].map(|count| trial.random(1.0, count));
        trial.with(transpose::dispatch(place(), &matrices, [list, weights, out])).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn summed_by_token(
        seed in any::<u64>(),
        groups in 1usize..60,
        most in 0usize..100,
        width in 1usize..400,
        listed in any::<bool>(),
        accumulate in any::<bool>(),
    ) {
        token_sums(seed, groups, most, width, listed, accumulate).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn loss_and_its_gradient(
        seed in any::<u64>(),
        rows in prop_oneof![1usize..20, 200usize..600],
        classes in 1usize..=40,
        // 0 makes all logits equal: the first class is the guess.
        size in prop_oneof![Just(0.0f32), Just(1.0), Just(20.0), Just(3e4)],
        smoothing in prop_oneof![Just(0.0f32), 0.0f32..0.5],
        weighted in any::<bool>(),
        accumulate in any::<bool>(),
    ) {
        let mut trial = Trial::new(seed);
        let logits = trial.random(size, rows * classes);
        let labels = trial.below(classes, rows);
        let weights: Vec<f32> = trial.within(1.0, classes).iter().map(|weight| weight.abs() + 0.1).collect();
        let weights = if weighted { trial.floats(&weights) } else { View::NONE };
        let totals = trial.random(2.0, 4 * loss::groups(rows));
        let bindings = [logits, trial.words(labels), weights, trial.random(1.0, rows * classes), totals];
        let scale = 1.0 / rows as f32;
        let dispatch =
            softmax_cross_entropy::dispatch(place(), (rows, classes), (scale, smoothing), accumulate, bindings);
        let written = trial.with(dispatch).check();
        for gradient in written[0].chunks(classes) {
            prop_assert!(gradient.iter().sum::<f32>().abs() < 2e-5 * scale, "softmax and one-hot both add up to 1");
        }
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn norms(
        seed in any::<u64>(),
        count in prop_oneof![1usize..300, 1usize..50_000],
        second in proptest::option::of(prop_oneof![1usize..300, 1usize..50_000]),
    ) {
        let mut trial = Trial::new(seed);
        let gradient = (trial.random(0.1, count), count);
        let second = second.map(|count| (trial.random(0.1, count), count));
        let parts = trial.random(1.0, if second.is_some() { 2 } else { 1 } * squared_norm::PARTS);
        trial.with(squared_norm::dispatch(place(), gradient, second, parts)).check();
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn decision_about_a_step(
        seed in any::<u64>(),
        count in 1usize..=128,
        // Clips all, some or none of these norms.
        clip in prop_oneof![Just(0.1f32), Just(6.0), Just(f32::INFINITY)],
        bad in prop_oneof![
            3 => Just(None),
            1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::MAX)].prop_map(Some),
        ],
    ) {
        let mut trial = Trial::new(seed);
        let mut parts: Vec<f32> = trial.within(1.0, count + 1).iter().map(|part| part.abs()).collect();
        if let Some(bad) = bad {
            let at = trial.rng.random_range(0..count);
            // Two of the largest number add up to infinity.
            (parts[at], parts[at + 1]) = (bad, bad);
        }
        let parts = trial.floats(&parts);
        let control = trial.floats(&[7.0, 0.5, 0.9, 0.3, 2.0, 1.0, 1.0, 0.0]);
        let dispatch = step_control::dispatch(place(), count + 1, clip, [0.9, 0.999], [parts, control]);
        let trial = trial.with(dispatch);
        let mut outcome = trial.on_both();
        if bad.is_some() {
            // The norm is not finite, which is no number to compare.
            for outcome in &mut outcome {
                let norm = &mut outcome[control.buffer.0][GUARD + NORM];
                prop_assert!(!f32::from_bits(*norm).is_finite());
                *norm = 0;
            }
        }
        trial.compare(&outcome).unwrap();
        let control = numbers(&outcome[0][control.buffer.0][GUARD..]);
        let expected = if bad.is_some() { [7.0, 3.0, 0.0] } else { [8.0, 2.0, 1.0] };
        prop_assert_eq!([STEPS, SKIPPED, TAKE].map(|at| control[at]), expected);
    }

    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
    fn optimiser(
        seed in any::<u64>(),
        rows in 1usize..80,
        width in 1usize..70,
        by_slot in any::<bool>(),
        take in prop_oneof![3 => Just(1.0f32), 1 => Just(0.0)],
        steps in 1i32..2000,
        decay in prop_oneof![Just(0.0f32), 0.0f32..0.5],
        momentum in prop_oneof![2 => Just(None), 1 => (0.0f32..1.0).prop_map(Some)],
    ) {
        let (mut trial, count) = (Trial::new(seed), rows * width);
        // Some rows of the table have a gradient, in any order.
        let touched: Vec<usize> = (0..rows).filter(|_| trial.rng.random_bool(0.6)).collect();
        let slots = match by_slot {
            true => {
                let mut slots = vec![NO_SLOT; rows];
                touched.iter().rev().zip(0..).for_each(|(&row, slot)| slots[row] = slot);
                trial.words(slots)
            }
            false => View::NONE,
        };
        let gradient = trial.random(0.1, if by_slot { (touched.len() * width).max(1) } else { count });
        // A large rate, so that the comparison sees what a step adds to the weights.
        let adam = Adam { learning_rate: 0.5, weight_decay: decay, ..Adam::default() };
        let control = [0.0, adam.beta1.powi(steps), adam.beta2.powi(steps), 0.7, 0.0, 0.0, take, 0.0];
        let control = trial.floats(&control);
        let (weights, first) = (trial.within(1.0, count), trial.within(0.1, count));
        let second: Vec<f32> = first.iter().map(|m| m * m * trial.rng.random_range(1.0..4.0)).collect();
        let [first, second] = [first, second].map(|moments| trial.floats(&moments));
        let bindings = [gradient, slots, control, trial.floats(&weights), first, second];
        let sgd = |momentum| Rule::Sgd(Sgd { learning_rate: 0.5, momentum, weight_decay: decay });
        let rule = momentum.map_or(Rule::Adam(adam), sgd);
        let written = trial.with(update::dispatch(place(), (rows, width), rule, bindings)).check();
        prop_assert_eq!(written[0] == weights, take == 0.0, "a skipped step changes nothing, any other does");
    }
}

/// A plain GRU through slots, four rows to a workgroup, all steps.
fn grus() -> Trials {
    Trials {
        seed: 3,
        cell: Cell::Gru.recurrence(Reset::After).unwrap(),
        hidden: 1,
        rows: 1,
        longest: 1,
        shares: (0, 99),
        lanes: 4,
        product: Product::Chunked,
        strands: (1, 1),
        options: [true, false, false, false],
        activation: Activation::Tanh,
    }
}

/// WebGPU allows 65,535 workgroups along a dimension; larger grids have two.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn grids_of_two_dimensions() {
    let long = Trials { hidden: 1, rows: 4 * 32_768 + 2, longest: 2, strands: (2, 1), ..grus() };
    let own = pool(1, Pooling::Max, 40_000, 2, 3);
    for trial in [
        long.forward(true),
        long.backward([true, false]),
        own.0.with(pool_forward::dispatch(place(), own.1, own.2)),
        gather(1, 5, 70_000, 2, true),
        token_sums(1, 70_000, 2, 3, true, false),
        project(1, Product::Paired, 64 * 32_768 + 3, 2, 1),
    ] {
        assert!(trial.plan.dispatches[0].workgroups[1] > 1);
        trial.check();
    }
}

/// The widest recurrences that WebGPU's default limits hold, and one with units that no workgroup divides.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn wide_recurrences() {
    let limits = on_gpu(|engine| engine.limits().clone());
    let [paired, chunked, _] = Product::ALL;
    for (hidden, lanes, product) in [(256, 4, chunked), (300, 4, paired), (512, 2, paired), (1024, 1, chunked)] {
        let wide = Trials { hidden, rows: 6, longest: 3, lanes, product, ..grus() };
        for trial in [wide.forward(true), wide.backward([true, false])] {
            // Not every device has workgroup memory for this one.
            if hidden != 300 || trial.plan.check(&limits).is_ok() {
                trial.check();
            }
        }
    }
}

/// Cells of one matrix hold it where a part of the threads is there for every row, and rows for every part or not.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn held_weights() {
    for (hidden, lanes, cell) in [
        (1, 1, Cell::Rnn),
        (17, 2, Cell::Lstm),
        (33, 1, Cell::Lstm),
        (50, 4, Cell::Gru),
        (64, 2, Cell::Gru),
        (64, 4, Cell::Rnn),
    ] {
        let cell = cell.recurrence(Reset::After).unwrap();
        let own = Trials { cell, hidden, lanes, rows: 7, longest: 5, product: Product::Held, ..grus() };
        // The first states are 0, or given; strands read backward.
        for (strands, options) in [(own.strands, own.options), ((1, 0), [false, true, true, true]), ((3, 1), [true; 4])]
        {
            let trial = Trials { strands, options, ..own }.forward(true);
            assert_eq!(trial.plan.dispatches[0].constant("HELD"), lanes);
            trial.check();
        }
    }
}

/// The comparison above finds differences: other constants, other steps, a single number.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn wrong_results_are_found_out() {
    let shape = Trials { hidden: 20, rows: 9, longest: 5, ..grus() };
    let differs = |mut changed: Trial, original: &Trial, change: fn(&mut Dispatch)| {
        change(changed.dispatch());
        let outcome = [on_gpu(|engine| changed.run(engine)), original.run(&mut Cpu::new(u64::MAX).sharing_all())];
        original.compare(&outcome).unwrap_err()
    };
    let forward = || shape.forward(true);
    let begin = differs(forward(), &forward(), |d| d.parameters[1] = 1);
    assert!(begin.contains("off by"), "{begin}");
    let slots = differs(forward(), &forward(), |d| {
        let slotted = d.constants.iter_mut().find(|(name, _)| *name == "SLOTTED").unwrap();
        slotted.1 = 0;
    });
    // There are fewer gates than steps: what reads on meets the guard behind them.
    assert!(slots.contains("NaN"), "{slots}");
    let end = differs(shape.backward([true, false]), &shape.backward([true, false]), |d| d.parameters[2] -= 1);
    assert!(end.contains("off by"), "{end}");
    let row = differs(forward(), &forward(), |d| d.parameters[0] -= 1);
    assert!(row.contains("off by"), "{row}");

    let trial = forward();
    let with = |binding: usize, element: usize, change: fn(f32) -> f32| {
        let mut outcome = trial.on_both();
        let word = &mut outcome[0][binding][element];
        *word = change(f32::from_bits(*word)).to_bits();
        trial.compare(&outcome)
    };
    let (gates, tape, last) = (2, 4, 5);
    assert_eq!(with(last, GUARD + 7, |value| value), Ok(()));
    assert!(with(last, GUARD + 7, |value| value + 1e-3).unwrap_err().contains("element 7"));
    assert!(with(tape, GUARD, |_| f32::NAN).unwrap_err().contains("NaN"));
    assert!(with(tape, GUARD - 1, |_| 1.0).unwrap_err().contains("may not"));
    assert!(with(gates, GUARD + 1, |_| 1.0).unwrap_err().contains("may not"));
}
