//! The weights: one flat buffer with named views, their first values, and their names in PyTorch.

use super::config::Config;
use crate::error::{Error, Result};
use crate::kernel::product::{Strides, product};
use crate::plan::ALIGNMENT;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};

/// A matrix of weights with its bias as the last row, within the flat buffer: `[inputs + 1, outputs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// Names of weight and bias in PyTorch.
    pub names: [String; 2],
    pub offset: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Affine {
    /// Numbers of weight and bias together.
    pub fn len(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    /// Whether there are no weights.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the weights of a network stand in its flat buffer. The embedding is a buffer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Input weights W of every level, `[D+1, 3H]`.
    pub input: Vec<Affine>,
    /// Recurrent weights U of every level, `[H+1, 3H]`.
    pub recurrent: Vec<Affine>,
    /// The classifier, `[H+1, C]`.
    pub head: Affine,
    /// Numbers of the flat buffer.
    pub len: usize,
}

/// The name of the embedding `[V, D]` in PyTorch.
pub const EMBEDDING: &str = "embedding.weight";

/// A tensor by its name in PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// All weights of a network on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The flat buffer.
    pub flat: Vec<f32>,
    /// `[V, D]`.
    pub embedding: Vec<f32>,
}

impl Layout {
    /// The layout of a network.
    pub fn new(config: &Config) -> Layout {
        let mut end = 0;
        let mut affine = |names: [String; 2], inputs: usize, outputs: usize| {
            let offset = end;
            let affine = Affine { names, offset, inputs, outputs };
            end = (offset + affine.len()).next_multiple_of(ALIGNMENT);
            affine
        };
        let (mut input, mut recurrent) = (Vec::new(), Vec::new());
        for p in 0..config.slicing.levels() {
            let names = |kind: &str| ["weight", "bias"].map(|part| format!("levels.{p}.{part}_{kind}_l0"));
            input.push(affine(names("ih"), config.inputs(p), 3 * config.hidden));
            recurrent.push(affine(names("hh"), config.hidden, 3 * config.hidden));
        }
        let head = affine(["head.weight".into(), "head.bias".into()], config.hidden, config.classes);
        Layout { input, recurrent, head, len: end }
    }

    /// All matrices.
    pub fn all(&self) -> impl Iterator<Item = &Affine> {
        self.input.iter().zip(&self.recurrent).flat_map(|(input, recurrent)| [input, recurrent]).chain([&self.head])
    }
}

impl Parameters {
    /// Glorot-uniform input weights, orthogonal recurrent weights, zero biases, and an embedding of normal numbers of
    /// standard deviation 0.1; the same seed gives the same bits.
    pub fn random(config: &Config, seed: u64) -> Parameters {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layout = Layout::new(config);
        let mut flat = vec![0.0; layout.len];
        for affine in &layout.input {
            let weights = &mut flat[affine.offset..][..affine.inputs * affine.outputs];
            glorot(weights, affine.inputs, affine.outputs / 3, &mut rng);
        }
        for affine in &layout.recurrent {
            let hidden = affine.inputs;
            for gate in 0..3 {
                let square = orthogonal(hidden, &mut rng);
                for (row, values) in square.chunks(hidden).enumerate() {
                    let at = affine.offset + row * affine.outputs + gate * hidden;
                    flat[at..at + hidden].copy_from_slice(values);
                }
            }
        }
        let head = &layout.head;
        glorot(&mut flat[head.offset..][..head.inputs * head.outputs], head.inputs, head.outputs, &mut rng);
        let normal = |_| 0.1 * Distribution::<f32>::sample(&StandardNormal, &mut rng);
        let embedding = (0..config.vocabulary * config.embedding).map(normal).collect();
        Parameters { flat, embedding }
    }

    /// The weights by PyTorch's names and shapes: `levels.0.weight_ih_l0 [3H, D]`, …, `head.weight [C, H]`,
    /// `embedding.weight [V, D]`.
    pub fn tensors(&self, config: &Config) -> Vec<Tensor> {
        let embedding = Tensor {
            name: EMBEDDING.into(),
            shape: vec![config.vocabulary, config.embedding],
            values: self.embedding.clone(),
        };
        let mut tensors = vec![embedding];
        for affine in Layout::new(config).all() {
            let (weights, bias) = self.flat[affine.offset..][..affine.len()].split_at(affine.inputs * affine.outputs);
            let [weight_name, bias_name] = affine.names.clone();
            tensors.push(Tensor {
                name: weight_name,
                shape: vec![affine.outputs, affine.inputs],
                values: transposed(weights, affine.inputs, affine.outputs),
            });
            tensors.push(Tensor { name: bias_name, shape: vec![affine.outputs], values: bias.to_vec() });
        }
        tensors
    }

    /// The inverse of [`Parameters::tensors`]; `find` gives a tensor's shape and values by its name.
    ///
    /// # Errors
    /// [`Error::Config`] for a tensor that is missing, has another shape or holds numbers that are not finite.
    pub fn from_tensors(
        config: &Config,
        mut find: impl FnMut(&str) -> Option<(Vec<usize>, Vec<f32>)>,
    ) -> Result<Parameters> {
        let mut take = |name: &str, shape: &[usize]| {
            let (found, values) = find(name).ok_or_else(|| Error::Config(format!("tensor `{name}` is missing")))?;
            if found != shape {
                return Err(Error::Config(format!("tensor `{name}` has shape {found:?}, expected {shape:?}")));
            }
            if values.iter().any(|v| !v.is_finite()) {
                return Err(Error::Config(format!("tensor `{name}` holds numbers that are not finite")));
            }
            Ok(values)
        };
        let layout = Layout::new(config);
        let embedding = take(EMBEDDING, &[config.vocabulary, config.embedding])?;
        // Grows as tensors are found: sizes that no file holds are refused before memory is asked for.
        let mut flat = Vec::new();
        for affine in layout.all() {
            let [weight_name, bias_name] = &affine.names;
            let weights = take(weight_name, &[affine.outputs, affine.inputs])?;
            let bias = take(bias_name, &[affine.outputs])?;
            flat.resize(affine.offset, 0.0);
            flat.extend(transposed(&weights, affine.outputs, affine.inputs));
            flat.extend(bias);
        }
        flat.resize(layout.len, 0.0);
        Ok(Parameters { flat, embedding })
    }
}

/// The transpose of `matrix [rows, columns]`.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|i| matrix[(i % rows) * columns + i / rows]).collect()
}

/// Uniform in ±√(6 / (inputs + outputs)) (Glorot & Bengio, 2010); `outputs` are those of one gate.
fn glorot(weights: &mut [f32], inputs: usize, outputs: usize, rng: &mut ChaCha8Rng) {
    let bound = (6.0 / (inputs + outputs) as f32).sqrt();
    let uniform = Uniform::new_inclusive(-bound, bound).expect("the bound is positive");
    weights.fill_with(|| uniform.sample(rng));
}

/// Rows that are made orthogonal to all earlier ones by products of matrices, then to one another one by one.
const BLOCK: usize = 32;

/// A random orthogonal matrix `[size, size]`: normal rows made orthonormal by Gram and Schmidt, twice for accuracy.
fn orthogonal(size: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut rows: Vec<f32> = (0..size * size).map(|_| StandardNormal.sample(rng)).collect();
    let mut along = vec![0.0; BLOCK * size];
    for first in (0..size).step_by(BLOCK) {
        let (done, rest) = rows.split_at_mut(first * size);
        let count = BLOCK.min(size - first);
        let block = &mut rest[..count * size];
        for _ in 0..2 {
            // block -= (block · doneᵀ) · done
            if first > 0 {
                let (wide, narrow) = (Strides::rows(size), Strides::rows(first));
                product((count, first, size), &mut along, narrow, 0.0, block, wide, done, Strides::columns(size));
                along[..count * first].iter_mut().for_each(|a| *a = -*a);
                product((count, size, first), block, wide, 1.0, &along, narrow, done, wide);
            }
            for row in 0..count {
                let (others, own) = block.split_at_mut(row * size);
                let own = &mut own[..size];
                for other in others.chunks(size) {
                    let along: f32 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                    own.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
                }
                let norm = own.iter().map(|a| a * a).sum::<f32>().sqrt();
                own.iter_mut().for_each(|a| *a /= norm);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Config {
        Config { vocabulary: 7, embedding: 3, hidden: 5, classes: 4, ..Config::default() }
    }

    #[test]
    fn views_are_aligned_and_do_not_overlap() {
        let layout = Layout::new(&small());
        let mut end = 0;
        for affine in layout.all() {
            assert!(affine.offset >= end && affine.offset % ALIGNMENT == 0);
            end = affine.offset + affine.len();
        }
        assert!(layout.len >= end);
        let numbers: usize = layout.all().map(Affine::len).sum();
        assert_eq!(numbers, small().parameters(false));
    }

    #[test]
    fn recurrent_blocks_are_orthogonal_and_biases_zero() {
        let config = small();
        let parameters = Parameters::random(&config, 1);
        let tensors = parameters.tensors(&config);
        let find = |name: &str| tensors.iter().find(|t| t.name == name).unwrap();
        let weights = find("levels.1.weight_hh_l0");
        assert_eq!(weights.shape, [15, 5]);
        for gate in weights.values.chunks(25) {
            for i in 0..5 {
                for j in 0..5 {
                    let dot: f32 = (0..5).map(|k| gate[i * 5 + k] * gate[j * 5 + k]).sum();
                    assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5);
                }
            }
        }
        assert!(find("levels.1.bias_hh_l0").values.iter().all(|b| *b == 0.0));
    }

    #[test]
    fn large_orthogonal_matrices_are_orthogonal() {
        let size = 2 * BLOCK + 7;
        let matrix = orthogonal(size, &mut ChaCha8Rng::seed_from_u64(5));
        for (i, a) in matrix.chunks(size).enumerate() {
            for (j, b) in matrix.chunks(size).enumerate() {
                let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5, "rows {i} and {j}: {dot}");
            }
        }
    }

    #[test]
    fn tensors_go_and_come_back() {
        let config = small();
        let parameters = Parameters::random(&config, 2);
        assert_eq!(parameters, Parameters::random(&config, 2));
        assert_ne!(parameters, Parameters::random(&config, 3));
        let tensors = parameters.tensors(&config);
        let find = |name: &str| tensors.iter().find(|t| t.name == name).map(|t| (t.shape.clone(), t.values.clone()));
        assert_eq!(Parameters::from_tensors(&config, find).unwrap(), parameters);
        let missing = |name: &str| if name == "head.bias" { None } else { find(name) };
        let error = Parameters::from_tensors(&config, missing).unwrap_err().to_string();
        assert!(error.contains("`head.bias` is missing"));
        let other = Config { hidden: 6, ..config };
        assert!(Parameters::from_tensors(&other, find).unwrap_err().to_string().contains("shape"));
    }
}
