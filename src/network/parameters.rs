//! The weights: one flat buffer with named views, their first values, and their names in PyTorch.

use super::config::{Config, Input, Pooling};
use crate::error::{Error, Result, ensure};
use crate::kernel::product::{Strides, product};
use crate::kernel::recurrence::matrix_offset;
use crate::plan::ALIGNMENT;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};
use std::collections::{BTreeMap, btree_map::Entry};

/// A matrix of weights `[inputs, outputs]`, then its bias `[outputs]` if it has one, within the flat buffer. Its outputs are
/// blocks of one gate each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// Name of the weights in PyTorch, `[rows, inputs]`; with no inputs there is no such tensor.
    pub name: String,
    /// Rows of PyTorch's tensor, and numbers of its bias; more than `outputs` where this is a part of it.
    pub rows: usize,
    /// Which block of PyTorch's rows each block of outputs belongs to.
    pub gates: &'static [usize],
    /// Rows of such a block, and the first of them that is an output: others are those of other heads.
    pub block: (usize, usize),
    /// Name of the bias, if there is one.
    pub bias: Option<String>,
    /// Where it begins in the flat buffer, in numbers: a multiple of [`ALIGNMENT`].
    pub offset: usize,
    /// Numbers that are read: rows of the matrix here.
    pub inputs: usize,
    /// Numbers that are written: its columns, `gates.len()` blocks of equal width.
    pub outputs: usize,
}

impl Affine {
    /// Numbers of weight and bias together.
    pub fn len(&self) -> usize {
        (self.inputs + usize::from(self.bias.is_some())) * self.outputs
    }

    /// Whether there are no weights.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names and shapes of PyTorch's two tensors, weights and bias, as far as there are such.
    fn tensors(&self) -> [Option<(&str, Vec<usize>)>; 2] {
        let weights = (self.inputs > 0).then(|| (self.name.as_str(), vec![self.rows, self.inputs]));
        [weights, self.bias.as_deref().map(|name| (name, vec![self.rows]))]
    }

    /// In which of these two tensors, and where in it each number stands, in the order of the flat
    /// buffer.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let (own, (rows, first)) = (self.outputs / self.gates.len(), self.block);
        let row = move |output: usize| self.gates[output / own] * rows + first + output % own;
        let weights = (0..self.inputs)
            .flat_map(move |input| (0..self.outputs).map(move |output| (0, row(output) * self.inputs + input)));
        weights.chain((0..self.len() - self.inputs * self.outputs).map(move |output| (1, row(output))))
    }
}

/// The weights of one strand of one layer of one level: of a head in one direction. H is the number of its hidden units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// W `[D, G·H]` and its bias.
    pub input: Affine,
    /// The matrices of U, `[H, gates·H]` each, the first with its bias if it has one.
    pub recurrent: Vec<Affine>,
}

impl Unit {
    /// Numbers from its weights to those of the next strand, which are like them.
    pub fn apart(&self) -> usize {
        let last = self.recurrent.last().unwrap_or(&self.input);
        (last.offset + last.len()).next_multiple_of(ALIGNMENT) - self.input.offset
    }
}

/// The weights of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelWeights {
    /// By layer and strand: the heads of the first direction, then those of the second.
    pub layers: Vec<Vec<Unit>>,
    /// The vector `[W]` of attention, where the level pools by it.
    pub attention: Option<Affine>,
}

/// Where the weights of a network stand in its flat buffer. The embedding is a buffer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// From level 0, which reads the tokens, to the top: k + 1 of them.
    pub levels: Vec<LevelWeights>,
    /// The classifier, `[W+1, C]`.
    pub head: Affine,
    /// Numbers of the flat buffer.
    pub len: usize,
}

/// The name of the embedding `[V, D]` in PyTorch.
pub const EMBEDDING: &str = "embedding.weight";

/// A tensor by its name in PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// As in PyTorch's `state_dict`.
    pub name: String,
    /// Sizes of its dimensions, the outermost first.
    pub shape: Vec<usize>,
    /// Row-major, as many as the product of the shape.
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
        let mut place = |mut affine: Affine| {
            affine.offset = end;
            end = (end + affine.len()).next_multiple_of(ALIGNMENT);
            affine
        };
        let (hidden, units, cell) = (config.hidden, config.units(), config.recurrence());
        let mut levels = Vec::new();
        for p in 0..config.levels() {
            let mut unit = |layer: usize, reverse: bool, head: usize| {
                let block = (hidden, head * units);
                let suffix = format!("l{layer}{}", if reverse { "_reverse" } else { "" });
                let name = |part: &str| format!("levels.{p}.{part}_{suffix}");
                let mut affine = |kind: &str, inputs: usize, gates: &'static [usize], bias: bool| {
                    let bias = bias.then(|| name(&format!("bias_{kind}")));
                    let (name, rows) = (name(&format!("weight_{kind}")), cell.gates.len() * hidden);
                    place(Affine { name, rows, gates, block, bias, offset: 0, inputs, outputs: gates.len() * units })
                };
                let input = affine("ih", config.inputs(p, layer), cell.gates, true);
                let matrices = cell.matrices.iter().enumerate();
                let recurrent: Vec<Affine> =
                    matrices.map(|(at, matrix)| affine("hh", units, matrix.gates, cell.bias && at == 0)).collect();
                debug_assert!(
                    (0..recurrent.len())
                        .all(|at| { recurrent[at].offset - recurrent[0].offset == matrix_offset(cell, at, units) })
                );
                Unit { input, recurrent }
            };
            let directions = config.directions();
            // A network that reads backward only has the names of one that reads forward.
            let reverse = |&direction: &bool| direction && directions.len() > 1;
            let mut layer = |at: usize| {
                let strands = directions.iter().flat_map(|way| (0..config.heads).map(move |head| (reverse(way), head)));
                strands.map(|(reverse, head)| unit(at, reverse, head)).collect()
            };
            let layers = (0..config.layers).map(&mut layer).collect();
            let attention = (config.pooling_of(p) == Pooling::Attention).then(|| {
                let bias = Some(format!("levels.{p}.attention"));
                let (name, outputs) = (String::new(), config.width());
                place(Affine {
                    name,
                    rows: outputs,
                    gates: &[0],
                    block: (outputs, 0),
                    bias,
                    offset: 0,
                    inputs: 0,
                    outputs,
                })
            });
            levels.push(LevelWeights { layers, attention });
        }
        let (inputs, outputs) = (config.width(), config.classes);
        let bias = Some("head.bias".into());
        let name = "head.weight".into();
        let head =
            place(Affine { name, rows: outputs, gates: &[0], block: (outputs, 0), bias, offset: 0, inputs, outputs });
        Layout { levels, head, len: end }
    }

    fn units(&self) -> impl Iterator<Item = &Unit> {
        self.levels.iter().flat_map(|level| level.layers.iter().flatten())
    }

    /// All matrices, in the order of the flat buffer.
    pub fn all(&self) -> impl Iterator<Item = &Affine> {
        self.levels.iter().flat_map(LevelWeights::all).chain([&self.head])
    }
}

impl LevelWeights {
    fn all(&self) -> impl Iterator<Item = &Affine> {
        let units = self.layers.iter().flatten();
        units.flat_map(|unit| [&unit.input].into_iter().chain(&unit.recurrent)).chain(&self.attention)
    }
}

impl Parameters {
    /// Glorot-uniform input weights, orthogonal recurrent weights, zero biases, and an embedding of normal numbers of
    /// standard deviation 0.1; the same seed gives the same bits.
    pub fn random(config: &Config, seed: u64) -> Parameters {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layout = Layout::new(config);
        let mut flat = vec![0.0; layout.len];
        let units = config.units();
        for Unit { input, .. } in layout.units() {
            glorot(&mut flat[input.offset..][..input.inputs * input.outputs], input.inputs, config.hidden, &mut rng);
        }
        for unit in layout.units() {
            for affine in &unit.recurrent {
                for gate in 0..affine.gates.len() {
                    let square = orthogonal(units, &mut rng);
                    for (row, values) in square.chunks(units).enumerate() {
                        let at = affine.offset + row * affine.outputs + gate * units;
                        flat[at..at + units].copy_from_slice(values);
                    }
                }
            }
            if let Some(gate) = config.recurrence().opened {
                let bias = unit.input.offset + unit.input.inputs * unit.input.outputs;
                flat[bias + gate * units..][..units].fill(1.0);
            }
        }
        for attention in layout.levels.iter().filter_map(|level| level.attention.as_ref()) {
            glorot(&mut flat[attention.offset..][..attention.outputs], attention.outputs, 1, &mut rng);
        }
        let head = &layout.head;
        glorot(&mut flat[head.offset..][..head.inputs * head.outputs], head.inputs, head.outputs, &mut rng);
        let normal = |_| 0.1 * Distribution::<f32>::sample(&StandardNormal, &mut rng);
        let embedding = (0..config.vocabulary * config.embedding).map(normal).collect();
        Parameters { flat, embedding }
    }

    /// The weights by PyTorch's names and shapes: `levels.0.weight_ih_l0 [3H, D]`, …, `head.weight [C, H]`,
    /// `embedding.weight [V, D]`. With heads the rows of `weight_hh_l0 [3H, H/heads]` are multiplied with the states of their
    /// own head.
    pub fn tensors(&self, config: &Config) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        let mut places = BTreeMap::new();
        if config.input == Input::Tokens {
            let shape = vec![config.vocabulary, config.embedding];
            tensors.push(Tensor { name: EMBEDDING.into(), shape, values: self.embedding.clone() });
        }
        let layout = Layout::new(config);
        for affine in layout.all() {
            let own = affine.tensors().map(|own| {
                let (name, shape) = own?;
                // Several matrices may stand in one tensor.
                Some(*places.entry(name).or_insert_with(|| {
                    let values = vec![0.0; shape.iter().product()];
                    tensors.push(Tensor { name: name.into(), shape, values });
                    tensors.len() - 1
                }))
            });
            for ((which, element), value) in affine.places().zip(&self.flat[affine.offset..]) {
                tensors[own[which].expect("only what is there has places")].values[element] = *value;
            }
        }
        tensors
    }

    /// Whether all weights are finite.
    pub fn is_finite(&self) -> bool {
        is_finite(&self.flat) && is_finite(&self.embedding)
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
            ensure!(found == shape, "tensor `{name}` has shape {found:?}, expected {shape:?}");
            ensure!(is_finite(&values), "tensor `{name}` holds numbers that are not finite");
            Ok(values)
        };
        let layout = Layout::new(config);
        let embedding = match config.input {
            Input::Tokens => take(EMBEDDING, &[config.vocabulary, config.embedding])?,
            Input::Numbers => Vec::new(),
        };
        // All of them are found before memory is asked for: no file holds impossible sizes.
        let mut found = BTreeMap::new();
        for (name, shape) in layout.all().flat_map(Affine::tensors).flatten() {
            if let Entry::Vacant(entry) = found.entry(name) {
                entry.insert(take(name, &shape)?);
            }
        }
        let mut flat = vec![0.0; layout.len];
        for affine in layout.all() {
            let own = affine.tensors().map(|own| own.map(|(name, _)| &found[name]));
            for (value, (which, element)) in flat[affine.offset..].iter_mut().zip(affine.places()) {
                *value = own[which].expect("only what is there has places")[element];
            }
        }
        Ok(Parameters { flat, embedding })
    }
}

/// Whether all numbers are finite.
pub(crate) fn is_finite(numbers: &[f32]) -> bool {
    // Without a way out in between, so that several are looked at at once.
    numbers.iter().fold(true, |all, number| all & number.is_finite())
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
                product((count, first, size), &mut along, false, (block, wide), (done, Strides::columns(size)));
                along[..count * first].iter_mut().for_each(|a| *a = -*a);
                product((count, size, first), block, true, (&along, narrow), (done, wide));
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
    use crate::network::Direction;

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
    fn heads_are_rows_of_the_same_tensors() {
        let config = Config { hidden: 6, heads: 2, direction: Direction::Both, ..small() };
        let tensors = Parameters::random(&config, 1).tensors(&config);
        let find = |name: &str| tensors.iter().find(|t| t.name == name).unwrap();
        assert_eq!(find("levels.0.weight_ih_l0_reverse").shape, [18, 3]);
        assert_eq!(find("levels.0.bias_hh_l0").shape, [18]);
        let weights = find("levels.1.weight_hh_l0");
        assert_eq!(weights.shape, [18, 3]);
        for block in weights.values.chunks(9) {
            let dot: f32 = (0..3).map(|k| block[k] * block[3 + k]).sum();
            assert!(dot.abs() < 1e-5, "each gate of each head is orthogonal for itself: {dot}");
        }
        assert_eq!(config.parameters(true), tensors.iter().map(|t| t.values.len()).sum::<usize>());
        let find = |name: &str| tensors.iter().find(|t| t.name == name).map(|t| (t.shape.clone(), t.values.clone()));
        let again = Parameters::from_tensors(&config, find).unwrap();
        assert_eq!(again.tensors(&config), tensors);
        assert_eq!(again, Parameters::random(&config, 1));
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
