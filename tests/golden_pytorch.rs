//! Golden values from PyTorch (`tests/golden/make_golden.py`): logits, loss, every gradient and ten training steps, of
//! both engines. `golden_reference.rs` has the float64 reference itself.

mod golden;
mod network_cases;

use golden::Golden;
use network_cases::gpu;
use srnn::Device;
use srnn::compare::{Tolerance, compare};
use srnn::data::Batch;
use srnn::network::{Config, Network, Optimiser, Tensor};

fn batch(golden: &Golden, config: &Config) -> Batch {
    let [tokens, lengths, labels] = ["tokens", "lengths", "labels"].map(|name| golden.indices(name));
    let [tokens, lengths, labels] =
        [tokens, lengths, labels].map(|all| all.iter().map(|&i| i as u32).collect::<Vec<u32>>());
    let batch = Batch::from_padded(&tokens, config.length, &lengths, &vec![0; lengths.len()]).unwrap();
    batch.with_classes(&labels)
}

/// Checks every tensor of `actual` against the one of its name in the file, behind `prefix`.
fn compare_tensors(golden: &Golden, prefix: &str, actual: &[Tensor], tolerance: Tolerance) {
    for Tensor { name, shape, values } in actual {
        let (expected_shape, expected) = golden.find(&format!("{prefix}{name}"));
        assert_eq!(*shape, expected_shape, "{prefix}{name}");
        agree(values, &expected, tolerance, &format!("{}: {prefix}{name}", golden.name));
    }
}

/// [`compare`], which with `--nocapture` shows how much of the tolerance is used.
fn agree<A: Copy + Into<f64>>(actual: &[A], expected: &[f64], tolerance: Tolerance, name: &str) {
    let agreement = compare(actual, expected, tolerance).unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{name}: error {:.2e} allowed {:.2e}", agreement.error, agreement.allowed);
}

fn logits_loss_and_gradients(device: fn() -> Device) {
    // Both engines stay within 4e-7; an exp of a GPU may round more than theirs.
    const CLOSE: Tolerance = Tolerance::new(1e-8, 5e-6);
    for golden in Golden::networks().chain(Golden::with_heads()) {
        let config = golden.config();
        let batch = batch(&golden, &config);
        let mut network = Network::with_parameters(config.clone(), device(), &golden.parameters(&config)).unwrap();
        agree(&network.logits(&batch).unwrap(), &golden.values("logits"), CLOSE, "logits");
        let actual = network.gradients(&batch, &Optimiser::default()).unwrap();
        agree(&[actual.loss], &golden.values("loss"), CLOSE, "loss");
        compare_tensors(&golden, "grad.", &actual.dense(config.vocabulary).tensors(&config), CLOSE);
    }
}

fn ten_training_steps(device: fn() -> Device) {
    const CLOSE: Tolerance = Tolerance::new(0.0, 1e-5);
    // Adam divides by the size of a gradient: of one near 0, the rounding errors count in full.
    const WEIGHTS: Tolerance = Tolerance::new(3e-5, 0.0);
    let optimiser = Optimiser::adam(1e-2);
    for golden in Golden::networks().chain(Golden::with_heads()) {
        let config = golden.config();
        let batch = batch(&golden, &config);
        let mut network = Network::with_parameters(config.clone(), device(), &golden.parameters(&config)).unwrap();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            network.train_step(&batch, &optimiser).unwrap();
            losses.push(network.totals().unwrap().loss);
            norms.push(network.optimiser_state().unwrap().0[4][srnn::kernel::step_control::NORM]);
        }
        agree(&losses, &golden.values("trajectory"), CLOSE, "trajectory");
        agree(&norms, &golden.values("gradient_norms"), CLOSE, "gradient_norms");
        compare_tensors(&golden, "trajectory_after.", &network.parameters().unwrap().tensors(&config), WEIGHTS);
    }
}

#[test]
fn the_cpu_engine_gives_pytorchs_logits_loss_and_gradients() {
    logits_loss_and_gradients(Device::cpu);
}

#[test]
fn the_cpu_engine_follows_pytorch_for_ten_steps() {
    ten_training_steps(Device::cpu);
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_gpu_gives_pytorchs_logits_loss_and_gradients() {
    logits_loss_and_gradients(gpu);
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "SRNN_SKIP_GPU_TESTS=1")]
fn the_gpu_follows_pytorch_for_ten_steps() {
    ten_training_steps(gpu);
}
