//! The options of networks that tell of every step.

use super::{InputArgs, ensure, set};
use crate::Result;
use crate::network::{Config, Task};
use crate::slicing::Align;
use crate::train::recipe::Tokens;
use clap::Args;

/// What is told of steps, and from what.
#[derive(Args)]
#[command(next_help_heading = "Every step (--task tags, --task series)")]
pub struct StepsArgs {
    /// Slices know nothing of one another: level 0 alone runs, once
    #[arg(long)]
    no_downward: bool,
    /// Steps that neighbouring windows share, in which sequences beyond --length are read [default: 64, at most half of them]
    #[arg(long, value_name = "N")]
    overlap: Option<usize>,
    /// Read tokens in lower case (tags)
    #[arg(long)]
    lower_case: bool,
    /// Words that are not in the vocabulary are told apart by their endings and their case (yes), or all alike (no) [plain: no]
    #[arg(long, value_parser = ["yes", "no"], value_name = "WHETHER")]
    endings: Option<String>,
    /// Forecast: what is told of a step is what the sequence holds N steps later (series)
    #[arg(long, value_name = "N")]
    ahead: Option<usize>,
}

impl StepsArgs {
    /// What files hold, for this task.
    pub fn input(&self, task: Task, input: &InputArgs) -> Result<InputArgs> {
        let given = [
            ("no-downward", self.no_downward, task.of_steps()),
            ("overlap", self.overlap.is_some(), task.of_steps()),
            ("lower-case", self.lower_case, task == Task::Tags),
            ("endings", self.endings.is_some(), task == Task::Tags),
            ("ahead", self.ahead.is_some(), task == Task::Series),
        ];
        for (option, given, fits) in given {
            let tasks = match option {
                "ahead" => "series",
                "lower-case" | "endings" => "tags",
                _ => "tags or --task series",
            };
            ensure(fits || !given, format!("--{option} is for every step: say --task {tasks}"))?;
        }
        if task.of_steps() { input.of_steps(self.ahead) } else { Ok(input.clone()) }
    }

    /// What tokens are that are given one by one; `usual` where it is not said whether endings are told apart.
    pub fn tokens(&self, min_count: u64, usual: bool) -> Tokens {
        let endings = self.endings.as_deref().map_or(usual, |own| own == "yes");
        Tokens::Given { min_count, lower: self.lower_case, endings }
    }

    /// Into the network.
    pub fn apply(&self, network: &mut Config) -> Result<()> {
        network.downward = !self.no_downward;
        set(&mut network.overlap, self.overlap);
        let end = network.align == Align::End;
        let whole = "--overlap has no effect on sequences aligned at their start, which are read whole";
        ensure(end || self.overlap.is_none(), whole)
    }
}
