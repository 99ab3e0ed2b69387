//! The arguments of a network, the same wherever one is made.

use crate::network::{Activation, Cell, Config, Direction, Input, Pooling, Reset, Task};
use crate::slicing::Align;
use crate::train::choice::Open;
use clap::Args;
use serde::de::DeserializeOwned;

/// The recurrent part of a network, but for its slicing and length.
#[derive(Args, Clone, Copy)]
pub struct NetworkArgs {
    /// Recurrent unit: gru, lstm, rnn or mingru (minimal GRU, whose gates see the input alone)
    #[arg(long, default_value = "gru", value_parser = named::<Cell>, value_name = "CELL", help_heading = "Network")]
    cell: Cell,
    /// Reset gate of a GRU: after the product (as PyTorch), or before (as the paper; one bias) [default: after]
    #[arg(long, value_parser = named::<Reset>, value_name = "WHEN", help_heading = "Network")]
    reset: Option<Reset>,
    /// Activation of a GRU's candidate or of a plain unit: tanh, identity or relu [default: tanh; of mingru identity]
    #[arg(long = "candidate", value_parser = named::<Activation>, value_name = "NAME", help_heading = "Network")]
    activation: Option<Activation>,
    /// How slices are read: forward, backward or both [plain: forward]
    #[arg(long, value_parser = named::<Direction>, value_name = "HOW", help_heading = "Network")]
    direction: Option<Direction>,
    /// What slices pass up: last (state), max, mean or attention over their outputs [plain: last]
    #[arg(long = "pool", value_parser = named::<Pooling>, value_name = "WHAT", help_heading = "Network")]
    pooling: Option<Pooling>,
    /// The same of the top level, for the head [default: as --pool]
    #[arg(long = "head-pool", value_parser = named::<Pooling>, value_name = "WHAT", help_heading = "Network")]
    pub head_pooling: Option<Pooling>,
    /// Parts of the hidden units, each with a recurrence of its own (block-diagonal U); must divide H
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Network")]
    heads: usize,
    /// Recurrent layers of every level
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Network")]
    layers: usize,
    /// Steps before its own that every slice of level 0 reads first, in each layer; the paper has none [plain: 0]
    #[arg(long, value_name = "W", help_heading = "Network")]
    context: Option<usize>,
    /// Hidden units [plain: 50]
    #[arg(long, value_name = "H", help_heading = "Network")]
    hidden: Option<usize>,
}

impl NetworkArgs {
    /// The plain network, but for what these arguments decide.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        self.apply(&mut config);
        config
    }

    /// Decides what they decide.
    pub fn apply(&self, config: &mut Config) {
        if self.cell != config.cell {
            config.activation = self.cell.activation();
        }
        (config.cell, config.heads, config.layers) = (self.cell, self.heads, self.layers);
        set(&mut config.activation, self.activation);
        set(&mut config.reset, self.reset);
        set(&mut config.direction, self.direction);
        set(&mut config.pooling, self.pooling);
        config.head_pooling = self.head_pooling.or(self.pooling).unwrap_or(config.head_pooling);
        set(&mut config.context, self.context);
        set(&mut config.hidden, self.hidden);
    }

    /// What they decide, of what can be left open.
    pub fn given(&self) -> impl Iterator<Item = Open> {
        let pooling = self.pooling.is_some() || self.head_pooling.is_some();
        let given = [
            (Open::Direction, self.direction.is_some()),
            (Open::Pool, pooling),
            (Open::Context, self.context.is_some()),
            (Open::Hidden, self.hidden.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(open, _)| open)
    }
}

/// Takes what was given, if it was.
pub fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

/// A setting by the name that configurations have for it.
pub fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| {
        // "unknown variant `x`, expected one of `a`, `b`": what is wrong stands in clap's own words.
        let message = error.to_string();
        let known = message.split_once("expected ").map_or(message.as_str(), |(_, known)| known);
        format!("use {}", known.trim_start_matches("one of ").replace('`', ""))
    })
}

/// The kind of recurrent unit, with all that is not the default: "bidirectional GRU, H = 64, max of the outputs".
pub fn unit(config: &Config) -> String {
    let direction = match config.direction {
        Direction::Forward => "",
        Direction::Backward => "backward ",
        Direction::Both => "bidirectional ",
    };
    let activation = match config.activation {
        Activation::Tanh => "tanh",
        Activation::Identity => "identity",
        Activation::Relu => "ReLU",
    };
    let pooled = |pooling| match pooling {
        Pooling::Last => "last state",
        Pooling::Max => "maximum",
        Pooling::Mean => "mean",
        Pooling::Attention => "attention",
    };
    let unusual = [
        (config.reset == Reset::Before, "reset before the product".to_string()),
        (config.activation != config.cell.activation(), format!("{activation} activation")),
        ([config.pooling, config.head_pooling] != [Pooling::Last; 2], pooled(config.pooling).into()),
        (config.head_pooling != config.pooling, format!("for the head {}", pooled(config.head_pooling))),
        (config.heads > 1, format!("{} heads", config.heads)),
        (config.layers > 1, format!("{} layers", config.layers)),
        (config.context > 0, format!("context {}", config.context)),
        (config.align == Align::Start, "aligned at the start".into()),
    ];
    let usual = format!("{direction}{}, H = {}", config.cell.title(), config.hidden);
    unusual.into_iter().filter(|(so, _)| *so).fold(usual, |all, (_, words)| format!("{all}, {words}"))
}

/// A line that says what a network is.
pub fn describe(config: &Config) -> String {
    let many = |count: usize| if count == 1 { "" } else { "s" };
    let told = match config.task {
        Task::Class => "classes".to_string(),
        Task::Labels => format!("label{}", many(config.classes)),
        Task::Regression => format!("number{} to tell", many(config.classes)),
        Task::Tags => "tags of every step".to_string(),
        Task::Series => format!("number{} of every step", many(config.classes)),
    };
    let input = match config.input {
        Input::Tokens => format!("a vocabulary of {}", config.vocabulary),
        Input::Numbers => format!("steps of {} number{}", config.embedding, many(config.embedding)),
    };
    let Config { slicing, length, classes, .. } = *config;
    let (unit, steps) = (unit(config), slicing.sequential_steps(length));
    let sizes = format!("T = {length} in {steps} sequential steps, {classes} {told}, {input}");
    format!("network: {slicing} {unit}, {sizes}, {} weights", config.parameters(true))
}
