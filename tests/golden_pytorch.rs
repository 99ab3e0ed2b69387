//! Golden values from PyTorch (`tests/golden/make_golden.py`): logits, loss, every gradient and ten training steps, of
//! both engines. `golden_reference.rs` has the float64 reference itself.

mod network_cases;

use network_cases::gpu;
use safetensors::{Dtype, SafeTensors};
use srnn::compare::{Tolerance, compare};
use srnn::data::Batch;
use srnn::network::{Config, Network, Optimiser, Parameters, Tensor};
use srnn::{Device, Slicing};

/// A file of golden values.
struct Golden(Vec<u8>);

impl Golden {
    fn all() -> Vec<Golden> {
        ["gru_n2_k2", "gru_n3_k1_ragged", "gru_k0_ragged"]
            .map(|name| Golden(std::fs::read(format!("tests/golden/{name}.safetensors")).unwrap()))
            .into()
    }

    /// Shape and values; the file's integers are small.
    fn find(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let words = tensor.data().chunks(8).map(|bytes| bytes.try_into().expect("8 bytes"));
        let values = match tensor.dtype() {
            Dtype::F64 => words.map(f64::from_le_bytes).collect(),
            Dtype::I64 => words.map(|bytes| i64::from_le_bytes(bytes) as f64).collect(),
            other => panic!("`{name}` is {other:?}"),
        };
        (tensor.shape().to_vec(), values)
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.find(name).1
    }

    fn indices(&self, name: &str) -> Vec<u32> {
        self.values(name).into_iter().map(|value| value as u32).collect()
    }

    fn config(&self) -> Config {
        let [n, k, length] = self.indices("config")[..] else { panic!("`config` is n, k, T") };
        let [shape, head] = ["embedding.weight", "head.weight"].map(|name| self.find(name).0);
        Config {
            slicing: if k == 0 { Slicing::plain() } else { Slicing::new(n as usize, k).unwrap() },
            length: length as usize,
            vocabulary: shape[0],
            embedding: shape[1],
            hidden: head[1],
            classes: head[0],
            ..Config::default()
        }
    }

    fn parameters(&self, config: &Config) -> Parameters {
        let rounded = |name: &str| {
            let (shape, values) = self.find(name);
            Some((shape, values.into_iter().map(|value| value as f32).collect()))
        };
        Parameters::from_tensors(config, rounded).unwrap()
    }

    fn batch(&self, config: &Config) -> Batch {
        let [tokens, lengths, labels] = ["tokens", "lengths", "labels"].map(|name| self.indices(name));
        Batch::from_padded(&tokens, config.length, &lengths, &labels).unwrap()
    }

    /// Checks every tensor of `actual` against the one of its name in the file, behind `prefix`.
    fn compare_tensors(&self, prefix: &str, actual: &[Tensor], tolerance: Tolerance) {
        for Tensor { name, shape, values } in actual {
            let (expected_shape, expected) = self.find(&format!("{prefix}{name}"));
            assert_eq!(*shape, expected_shape, "{prefix}{name}");
            agree(values, &expected, tolerance, &format!("{prefix}{name}"));
        }
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
    for golden in Golden::all() {
        let config = golden.config();
        let batch = golden.batch(&config);
        let mut network = Network::with_parameters(config.clone(), device(), &golden.parameters(&config)).unwrap();
        agree(&network.logits(&batch).unwrap(), &golden.values("logits"), CLOSE, "logits");
        let actual = network.gradients(&batch).unwrap();
        agree(&[actual.loss], &golden.values("loss"), CLOSE, "loss");
        golden.compare_tensors("grad.", &actual.gradients.tensors(&config), CLOSE);
    }
}

fn ten_training_steps(device: fn() -> Device) {
    const CLOSE: Tolerance = Tolerance::new(0.0, 1e-5);
    // Adam divides by the size of a gradient: of one near 0, the rounding errors count in full.
    const WEIGHTS: Tolerance = Tolerance::new(1e-5, 0.0);
    let optimiser = Optimiser::adam(1e-2);
    for golden in Golden::all() {
        let config = golden.config();
        let batch = golden.batch(&config);
        let mut network = Network::with_parameters(config.clone(), device(), &golden.parameters(&config)).unwrap();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            network.train_step(&batch, &optimiser).unwrap();
            losses.push(network.totals().unwrap().loss);
            norms.push(network.optimiser_state().unwrap().control[srnn::kernel::step_control::NORM]);
        }
        agree(&losses, &golden.values("trajectory"), CLOSE, "trajectory");
        agree(&norms, &golden.values("gradient_norms"), CLOSE, "gradient_norms");
        golden.compare_tensors("trajectory_after.", &network.parameters().unwrap().tensors(&config), WEIGHTS);
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
