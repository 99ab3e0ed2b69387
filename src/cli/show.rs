//! `srnn show`

use super::plot::{curves, heat};
use super::{check_free, ensure, eval, network, print, save, table};
use crate::Result;
use crate::network::Input;
use crate::train::choice::Open;
use crate::train::metrics::Details;
use crate::train::trial::mean_and_spread;
use crate::train::{Epoch, Metric, Model, Recipe, Run};
use clap::Args;
use indicatif::HumanCount;
use std::path::PathBuf;

/// Tell what a model is and how it was trained: settings, data, curves, test results
#[derive(Args)]
#[command(after_help = "Example: srnn show reviews-model --plots plots")]
pub struct Show {
    /// Model directory
    model: PathBuf,
    /// Directory for curves.svg and, where there was a test of classes, confusion.svg
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Overwrite plots that are there already
    #[arg(long)]
    force: bool,
    /// Print the account of the training as JSON
    #[arg(long, conflicts_with = "plots")]
    json: bool,
}

impl Show {
    pub fn run(self) -> Result<()> {
        ensure(self.plots.is_some() || !self.force, "--force is for plots: say --plots DIR")?;
        let plots = self.plots.iter().flat_map(|folder| PLOTS.map(|name| folder.join(name)));
        for plot in plots.filter(|plot| plot.exists()) {
            check_free(&plot, self.force)?;
        }
        let model = Model::load(&self.model)?;
        let run = Run::load(&self.model)?;
        if self.json {
            return print(&format!("{}\n", serde_json::to_string(&run).expect("plain data")));
        }
        print(&format!("{}\n", network::describe(&model.config)))?;
        let Some(run) = run else {
            return print("there is no account of its training: it was saved by an older version, or by a program\n");
        };
        let metric = run.recipe.options.metric.unwrap_or(Metric::of(model.config.task));
        let [train, valid, test] = run.sequences.map(|count| HumanCount(count as u64));
        print(&format!("srnn {} on {}, seed {}\n", run.version, run.device, run.recipe.options.seed))?;
        let sets = format!("{train} sequences to train, {valid} to validate, {test} for the test");
        print(&format!("data: {} ({sets}; checksum {:08x})\n", run.recipe.sources.train, run.checksum))?;
        print(&format!("settings: {}\n", settings(&run.recipe, model.config.input == Input::Tokens)))?;
        let texts = model.config.input == Input::Tokens;
        let chosen: Vec<String> = run.recipe.chosen(texts).iter().map(|(open, _)| open.to_string()).collect();
        if !chosen.is_empty() {
            print(&format!("chosen by the data: {}\n", chosen.join(", ")))?;
        }
        if !run.folds.is_empty() {
            let values: Vec<f64> = run.folds.iter().map(|own| metric.value(own)).collect();
            let (mean, spread) = mean_and_spread(&values);
            let folds = values.len();
            print(&format!("{folds} folds: {} in the mean, standard deviation {spread:.4}\n", metric.words(mean)))?;
        }
        print(&format!("\n{}\n", epochs(run.curves(), metric)))?;
        if run.validated.is_some() {
            print(&format!("then trained anew on all {train} sequences for {} epochs\n", run.history.len()))?;
        }
        if let Some(told) = eval::thresholds(&model) {
            print(&format!("{told}\n"))?;
        }
        if let Some(test) = &run.test {
            print(&format!("\ntest: {}", eval::report(test.clone(), &model.targets)))?;
        }
        let Some(folder) = &self.plots else { return Ok(()) };
        std::fs::create_dir_all(folder).map_err(crate::Error::io(folder))?;
        let confusion = run.test.as_ref().and_then(|test| match &test.details {
            Details::Classes(confusion) => Some(confusion),
            _ => None,
        });
        let [drawn, confused] = PLOTS.map(|name| folder.join(name));
        save("curves", &drawn, &curves(run.curves(), &metric.to_string())?)?;
        match confusion {
            Some(confusion) => save("confusion", &confused, &heat(confusion, &model.targets.names())?),
            None => Ok(()),
        }
    }
}

/// The files of plots.
const PLOTS: [&str; 2] = ["curves.svg", "confusion.svg"];

/// All settings that the data may decide, as options.
fn settings(recipe: &Recipe, texts: bool) -> String {
    let all = Recipe { open: Open::all(), ..recipe.clone() };
    let words: Vec<String> = all.chosen(texts).iter().map(|(open, value)| format!("--{open} {value}")).collect();
    words.join(" ")
}

/// Epochs that are listed: of many, some from all over.
const LISTED: usize = 16;

fn epochs(history: &[Epoch], metric: Metric) -> comfy_table::Table {
    let best = history.iter().rfind(|epoch| epoch.best).map(|epoch| epoch.epoch);
    let every = history.len().div_ceil(LISTED).max(1);
    let shown = history.iter().filter(|own| own.epoch % every == 0 || own.epoch == 1 || Some(own.epoch) == best);
    let number = |value: f64| if value.is_finite() { format!("{value:.4}") } else { "".into() };
    let row = |own: &Epoch| {
        let mark = if Some(own.epoch) == best { " (best)" } else { "" };
        [
            format!("{}{mark}", own.epoch),
            number(own.train_loss),
            number(own.valid_loss),
            number(own.valid_score),
            format!("{:.1}", own.seconds),
        ]
    };
    let score = metric.to_string();
    table(["epoch", "training loss", "validation loss", score.as_str(), "seconds"], shown.map(row))
}
