//! The paper's theorem, in the float64 reference: a linear sliced network with the right merges is the standard RNN.

mod reference;

use reference::{
    Activation, Align, Cell, Direction, Model, Pool, Random, Spec, Told, merged_recurrence, power, sliced,
};

const LINEAR: Spec = Spec {
    cell: Cell::Rnn,
    activation: Activation::Identity,
    direction: Direction::Forward,
    layers: 1,
    pool: Pool::Last,
    head_pool: Pool::Last,
    context: 0,
    align: Align::End,
    told: Told::Sequences,
};

/// A standard linear RNN. The absolute sums of U's columns are at most 0.98, so that its powers stay tame.
fn standard(spec: Spec, length: usize, inputs: usize, hidden: usize, random: &mut Random) -> Model {
    let mut model = Model::zeros(spec, 1, 0, length, inputs, hidden, 2).randomized(1.0, random);
    let u = &mut model.levels[0].layers[0][0].u;
    let column = |j: usize| -> f64 { (0..hidden).map(|i| u[i * hidden + j].abs()).sum() };
    let largest = (0..hidden).map(column).fold(0.0, f64::max);
    u.iter_mut().for_each(|value| *value *= 0.98 / largest);
    model
}

/// The largest difference of the final states, over the size of the largest.
fn difference(left: &Model, right: &Model, sequences: &[Vec<f64>]) -> f64 {
    let (left, right) = (left.states(sequences).concat(), right.states(sequences).concat());
    assert_eq!(left.len(), right.len());
    let size = left.iter().map(|value| value.abs()).fold(1.0, f64::max);
    let error = |(a, b): (&f64, &f64)| (a - b).abs() / size;
    let errors: Vec<f64> = left.iter().zip(&right).map(error).collect();
    assert!(errors.iter().all(|error| error.is_finite()));
    errors.into_iter().fold(0.0, f64::max)
}

fn check(length: usize, n: usize, k: u32, seed: u64) {
    let random = &mut Random(seed);
    let (inputs, hidden) = (1 + random.below(4), 1 + random.below(6));
    let standard = standard(LINEAR, length, inputs, hidden, random);
    let sliced = sliced(&standard, n, k);

    // Full sequences, and ragged ones.
    let lengths = [length, length, 1 + random.below(length), 1 + random.below(length), 1];
    let sequences = lengths.map(|len| random.values(len * inputs, 1.5));
    let error = difference(&standard, &sliced, &sequences);
    println!("T = {length}, SRNN({n},{k}), D = {inputs}, H = {hidden}: {error:e}");
    assert!(error <= 1e-12, "T = {length}, SRNN({n},{k}): {error:e}");
}

#[test]
fn a_linear_sliced_network_is_the_standard_rnn() {
    for (index, (length, n, k)) in [(64, 8, 1), (64, 4, 2), (64, 2, 6), (54, 3, 2)].into_iter().enumerate() {
        check(length, n, k, 1 + index as u64);
    }
    let random = &mut Random(10);
    for _ in 0..40 {
        let (n, k) = (2 + random.below(4), random.below(4) as u32);
        check(n.pow(k) * (1 + random.below(5)), n, k, random.bits());
    }
}

/// The comparison would see a wrong merge.
#[test]
fn another_power_is_another_network() {
    let random = &mut Random(20);
    let standard = standard(LINEAR, 24, 2, 4, random);
    let sequences = [random.values(24 * 2, 1.5)];
    let good = sliced(&standard, 2, 2); // L_0 = 6
    assert!(difference(&standard, &good, &sequences) <= 1e-12);
    let u = &standard.levels[0].layers[0][0].u;
    for (p, exponent) in [(1, 5), (1, 7), (2, 6), (2, 11)] {
        let mut wrong = good.clone();
        wrong.levels[p].layers[0][0].u = power(u, exponent);
        assert!(difference(&standard, &wrong, &sequences) > 1e-6, "U^{exponent} at level {p}");
    }
}

/// Read backward, full sequences agree, but a short first slice would need a smaller power.
#[test]
fn backward_the_theorem_needs_full_slices() {
    let random = &mut Random(30);
    let standard = standard(Spec { direction: Direction::Backward, ..LINEAR }, 12, 2, 3, random);
    let mut network = sliced(&Model { spec: LINEAR, ..standard.clone() }, 2, 1);
    network.spec = standard.spec;
    let full = random.values(12 * 2, 1.5);
    assert!(difference(&standard, &network, std::slice::from_ref(&full)) <= 1e-12);
    assert!(difference(&standard, &network, &[full[..6 * 2].to_vec()]) <= 1e-12); // one full slice
    assert!(difference(&standard, &network, &[full[..8 * 2].to_vec()]) > 1e-6);
}

#[test]
fn powers_of_a_matrix() {
    let u = [0.0, 2.0, 1.0, 1.0];
    assert_eq!(power(&u, 0), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(power(&u, 1), u);
    assert_eq!(power(&u, 3), [2.0, 6.0, 3.0, 5.0]);
    assert_eq!(merged_recurrence(&u, 3, 2, 1), power(&u, 3));
    assert_eq!(merged_recurrence(&u, 3, 2, 3), power(&u, 12));
}
