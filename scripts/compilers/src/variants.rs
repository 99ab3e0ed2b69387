//! Every shader with every set of constants that plans give it: out of the plans themselves, which need no device.

use anyhow::Result;
use srnn::data::{Batch, Inputs, Rows, Targets};
use srnn::kernel::{Kernel, kernels};
use srnn::network::{
    Activation, Cell, Config, Direction, Input, Layout, Optimiser, Plans, Pooling, Reset, Rule, Sgd, Task,
};
use srnn::plan::{Limits, Plan, Product, Tuning};
use srnn::{Error, Slicing};
use std::collections::{BTreeMap, BTreeSet};

/// Hidden units, H, of the usual network of every cell.
const HIDDEN: [usize; 6] = [1, 50, 128, 256, 512, 1024];

/// H of the networks that are not the usual ones.
const OTHERS_HIDDEN: usize = 50;

/// Workgroups that fill a device which computes many terms of a product at a time, as hardware does: with the rows of [`batch`], each level gets one, two and four rows to a workgroup.
const FILLING: [usize; 4] = [1, 4, 8, 1024];

/// A shader with its constants.
pub struct Variant {
    pub kernel: &'static Kernel,
    pub constants: Vec<(&'static str, u32)>,
    /// Whether a usual network needs it: forward, the last state passes up, whatever its cell, H and rows.
    pub usual: bool,
}

impl Variant {
    /// Constants as one word: `H=50,LANES=4`.
    pub fn constants(&self) -> String {
        let each = self.constants.iter().map(|(name, value)| format!("{name}={value}"));
        each.collect::<Vec<_>>().join(",")
    }

    /// A file name without its ending.
    pub fn file(&self) -> String {
        let each = self.constants.iter().map(|(name, value)| format!("-{}{value}", name.to_lowercase()));
        format!("{}{}", self.kernel.name, each.collect::<String>())
    }

    /// Whether the table of figures has it: the usual ones of training on hardware.
    pub fn tabled(&self) -> bool {
        let left_out = [("SAVE", 0), ("CHUNK", 2), ("AT_ONCE", 1)];
        self.usual && !left_out.iter().any(|own| self.constants.contains(own))
    }

    /// Whether it is of a cell.
    pub fn recurrent(&self) -> bool {
        self.constants.iter().any(|(name, _)| *name == "PRODUCTS")
    }

    pub fn source(&self) -> String {
        self.kernel.source(&self.constants)
    }
}

/// All variants, the usual ones first; then the plans that no device of WebGPU's default limits holds.
///
/// # Errors
/// If a plan fails for another reason, or a kernel is in none.
pub fn variants() -> Result<(Vec<Variant>, BTreeSet<String>)> {
    let mut found = Found::default();
    for hidden in HIDDEN {
        for config in cells(hidden) {
            found.plans(&config, true)?;
        }
    }
    for usual in cells(OTHERS_HIDDEN) {
        // What strands change is the same in all cells.
        if usual.recurrence().forward.name == "gru_forward" {
            found.plans(&Config { direction: Direction::Both, heads: 2, ..usual.clone() }, true)?;
        }
        for config in others(&usual) {
            found.plans(&config, false)?;
        }
    }
    let missing: Vec<&str> = kernels().map(|kernel| kernel.name).filter(|name| !found.names.contains(name)).collect();
    anyhow::ensure!(missing.is_empty(), "no plan uses {missing:?}");
    let mut all: Vec<Variant> = found.variants.into_values().collect();
    all.sort_by_key(|variant| !variant.usual);
    Ok((all, found.refused))
}

/// The usual network of every cell.
fn cells(hidden: usize) -> Vec<Config> {
    let kinds = [
        (Cell::Gru, Reset::After),
        (Cell::Gru, Reset::Before),
        (Cell::Lstm, Reset::After),
        (Cell::Rnn, Reset::After),
        (Cell::MinGru, Reset::After),
    ];
    let slicing = Slicing::new(2, 1).expect("a slicing");
    let sizes = Config { slicing, length: 8, embedding: 4, vocabulary: 9, hidden, classes: 3, ..Config::default() };
    let of = |(cell, reset): (Cell, Reset)| Config { cell, reset, activation: cell.activation(), ..sizes.clone() };
    kinds.into_iter().map(of).collect()
}

/// The other networks of a cell: every direction, pooling and activation with every other, and what else there is.
fn others(usual: &Config) -> Vec<Config> {
    let mut all = Vec::new();
    for activation in [Activation::Tanh, Activation::Identity, Activation::Relu] {
        for direction in [Direction::Forward, Direction::Backward] {
            for pooling in [Pooling::Last, Pooling::Max, Pooling::Mean, Pooling::Attention] {
                let config = Config { activation, direction, pooling, head_pooling: pooling, ..usual.clone() };
                all.extend(config.check().is_ok().then_some(config));
            }
        }
    }
    all.push(Config { layers: 2, context: 2, direction: Direction::Both, ..usual.clone() });
    all.push(Config { task: Task::Labels, ..usual.clone() });
    all.push(Config { task: Task::Regression, ..usual.clone() });
    all.push(Config { task: Task::Tags, direction: Direction::Both, ..usual.clone() });
    all.push(Config { task: Task::Series, context: 2, layers: 2, ..usual.clone() });
    all.push(Config { input: Input::Numbers, vocabulary: 0, ..usual.clone() });
    // Long enough for weight gradients in several parts.
    all.push(Config { length: 600, ..usual.clone() });
    all
}

/// Sequences for a network, of which some tokens are frequent: `[16]` rows at level 0, `[8]` at level 1.
fn batch(config: &Config) -> Batch {
    let (count, length) = (8, config.length);
    let steps = count * length;
    let inputs = match config.input {
        Input::Tokens => Inputs::Tokens((0..steps as u32).map(|step| step % 5).collect()),
        Input::Numbers => {
            Inputs::Numbers(Rows { width: config.embedding, values: vec![0.0; steps * config.embedding] })
        }
    };
    let count = if config.task.of_steps() { steps } else { count };
    let values = vec![0.0; count * config.classes];
    let targets = match config.task {
        Task::Class | Task::Tags => Targets::Classes(vec![0; count]),
        Task::Labels => Targets::Labels(Rows { width: config.classes, values }),
        Task::Regression | Task::Series => Targets::Numbers(Rows { width: config.classes, values }),
    };
    Batch { inputs, lengths: vec![length as u32; steps / length], targets: Some(targets) }
}

/// A kernel's name and its constants.
type Key = (&'static str, Vec<(&'static str, u32)>);

#[derive(Default)]
struct Found {
    variants: BTreeMap<Key, Variant>,
    names: BTreeSet<&'static str>,
    refused: BTreeSet<String>,
}

impl Found {
    /// The plans of a network for devices of every kind.
    fn plans(&mut self, config: &Config, usual: bool) -> Result<()> {
        let (layout, batch) = (Layout::new(config), batch(config));
        let rule = Rule::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0 });
        let class_weights = if config.task.is_one_of() { vec![1.0; config.classes] } else { vec![] };
        let other = Optimiser { rule, dropout: 0.5, embedding_dropout: 0.5, class_weights, ..Optimiser::default() };
        let one_by_one = (config.hidden == OTHERS_HIDDEN).then_some((1, Product::Paired));
        let filling = |product: Product| FILLING.map(|workgroups| (workgroups, product));
        for (workgroups, product) in
            filling(Product::Chunked).into_iter().chain(filling(Product::Held)).chain(one_by_one)
        {
            // Of spans that are split along time the later ones begin from states that are given.
            let whole = Limits { tuning: Tuning { workgroups, product }, ..Limits::webgpu_default() };
            let split = Limits { dispatch_operations: 1.0, ..whole.clone() };
            for (limits, usual) in [(&whole, usual), (&split, false)] {
                let all = Plans { config, layout: &layout, limits };
                for optimiser in [&Optimiser::default(), &other] {
                    let plan = all.training(&batch, optimiser);
                    self.add(config, plan.map(|plan| vec![(*plan).clone()]), usual)?;
                }
                let plans = all.inference(&batch);
                let plans = plans.map(|plans| plans.into_iter().map(|(_, plan)| (*plan).clone()).collect());
                self.add(config, plans, usual)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, config: &Config, plans: srnn::Result<Vec<Plan>>, usual: bool) -> Result<()> {
        let plans = match plans {
            Err(error @ Error::Limit { .. }) => {
                self.refused.insert(format!("{} with H = {}: {error}", config.cell.title(), config.hidden));
                return Ok(());
            }
            plans => plans?,
        };
        for dispatch in plans.iter().flat_map(|plan| &plan.dispatches) {
            self.names.insert(dispatch.kernel.name);
            let key = (dispatch.kernel.name, dispatch.constants.clone());
            let variant = self.variants.entry(key).or_insert_with(|| {
                let (kernel, constants) = (dispatch.kernel, dispatch.constants.clone());
                Variant { kernel, constants, usual: false }
            });
            variant.usual |= usual;
        }
        Ok(())
    }
}
