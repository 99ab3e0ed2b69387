//! `srnn eval`

use super::naive::{self, Naive};
use super::{DeviceArgs, InputArgs, print, table};
use crate::data::Source;
use crate::listing::{quoted, shown};
use crate::train::metrics::{ClassMetrics, Details, LabelCounts, NumberErrors, class_metrics, micro_f1};
use crate::train::{Evaluation, Metric, Model, Spans, TargetEncoder};
use crate::{Error, Result};
use clap::Args;
use comfy_table::Table;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measure a model on labelled data: accuracy, loss, precision, recall, F1, confusion; of numbers, their errors
#[derive(Args)]
#[command(after_help = "Example: srnn eval reviews-model test.csv --text review --label stars")]
pub struct Eval {
    /// Model directory
    model: PathBuf,
    /// Labelled texts or numbers; - for standard input
    data: Source,
    #[command(flatten)]
    input: InputArgs,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Of a forecast: steps of a season, for the naive forecast to compare with that takes the value of a season before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    season: Option<u32>,
    /// Sequences of a batch
    #[arg(long, default_value_t = 100, value_name = "B", value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    labels: &'a [String],
    classes: Vec<ClassMetrics>,
    /// Of forecasts, the errors of naive ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    naive: BTreeMap<String, Vec<NumberErrors>>,
}

impl Eval {
    pub fn run(self) -> Result<()> {
        let model = Model::load(&self.model)?;
        let options = self.input.of_model(&self.model, &model).options_for(&self.data, self.device.memory)?;
        let (mut data, examples) = model.read_examples(&options, &self.data, true)?;
        let naive = match (options.ahead, self.season) {
            (Some(ahead), season) => naive::forecasts(&examples, ahead, season.map(|own| own as usize)),
            (None, Some(_)) => return Err(Error::Config("--season is for forecasts, and the model makes none".into())),
            (None, None) => vec![],
        };
        drop(examples);
        data.cut_into_windows(&model.config);
        let mut network = model.network(self.device.open()?)?;
        let evaluation = Evaluation::by(&mut network, &data, self.batch as usize, model.thresholds.as_ref())?;
        if self.json {
            let (evaluation, names) = (in_units(evaluation, &model.targets), model.targets.names());
            let classes = match &evaluation.details {
                Details::Classes(confusion) => class_metrics(confusion),
                _ => vec![],
            };
            let naive = naive.into_iter().map(|own| (own.name, own.errors)).collect();
            let report = Report { evaluation: &evaluation, labels: &names, classes, naive };
            return print(&format!("{}\n", serde_json::to_string(&report).expect("plain numbers")));
        }
        let count = match evaluation.steps {
            Some(steps) => format!("{steps} steps"),
            None => format!("{} sequences", evaluation.sequences),
        };
        let told = report(evaluation, &model.targets);
        let beside = if naive.is_empty() { String::new() } else { format!("\n{}\n", naive_table(&naive)) };
        print(&format!("{count}: {told}{beside}\n"))
    }
}

/// With the errors of numbers in the units of the data.
fn in_units(mut evaluation: Evaluation, targets: &TargetEncoder) -> Evaluation {
    if let (Some(own), Details::Numbers(errors)) = (targets.normalisation(), &mut evaluation.details) {
        for (errors, unit) in errors.iter_mut().zip(&own.deviation) {
            errors.mae *= *unit;
            errors.rmse *= *unit;
        }
    }
    evaluation
}

/// From which probabilities on what is told, where that is not half.
pub fn thresholds(model: &Model) -> Option<String> {
    let names = model.targets.names();
    let own = model.thresholds.as_ref()?.named(&names);
    let each: Vec<String> = own.map(|(name, from)| format!("{} from {from:.3}", quoted(name))).collect();
    Some(format!("told by their probability: {}", each.join(", ")))
}

/// A line on the whole, and tables of classes, labels or numbers.
pub fn report(evaluation: Evaluation, targets: &TargetEncoder) -> String {
    let evaluation = in_units(evaluation, targets);
    let names: Vec<String> = targets.names().iter().map(|name| shown(name)).collect();
    let Evaluation { loss, accuracy, top5, auc, steps, .. } = evaluation;
    let unit = if steps.is_some() { "steps" } else { "sequences" };
    let (told, tables) = match &evaluation.details {
        Details::Classes(confusion) => {
            let macro_f1 = Metric::MacroF1.value(&evaluation);
            let auc = auc.map_or(String::new(), |auc| format!(", AUC {auc:.4}"));
            let top5 = top5.map_or(String::new(), |share| format!(", among the first five {}", percent(share)));
            let micro = evaluation.spans.as_ref().map(Spans::micro);
            let spans = micro.map_or(String::new(), |own| format!("span F1 {:.4}, ", own.f1()));
            let told =
                format!("{spans}accuracy {}{top5}, macro F1 {macro_f1:.4}{auc}, loss {loss:.4}", percent(accuracy));
            let tables = class_tables(confusion, &names, unit);
            let tables = match &evaluation.spans {
                Some(spans) => format!("{}\n\n{tables}", span_table(spans)),
                None => tables,
            };
            (told, tables)
        }
        Details::Labels(counts) => {
            let (all, micro) = (percent(accuracy), micro_f1(counts));
            let macro_f1 = Metric::MacroF1.value(&evaluation);
            let f1 = format!("micro F1 {micro:.4}, macro F1 {macro_f1:.4}");
            (format!("all labels right {all}, {f1}, loss {loss:.4}"), label_table(counts, &names).to_string())
        }
        Details::Numbers(errors) => {
            let told = format!("mean R² {:.4}, loss {loss:.4} (normalised)", evaluation.score());
            (told, number_table(errors).to_string())
        }
    };
    format!("{told}\n\n{tables}\n")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn class_tables(confusion: &[Vec<usize>], names: &[String], unit: &str) -> String {
    let scores = names.iter().zip(class_metrics(confusion)).map(|(name, own)| {
        [name.clone(), percent(own.precision), percent(own.recall), percent(own.f1), own.support.to_string()]
    });
    let predicted = names
        .iter()
        .zip(confusion)
        .map(|(name, row)| std::iter::once(name.clone()).chain(row.iter().map(usize::to_string)).collect::<Vec<_>>());
    let header = std::iter::once("true \\ predicted").chain(names.iter().map(String::as_str));
    let classes = table(["class", "precision", "recall", "F1", unit], scores);
    if names.len() > MOST_CLASSES {
        return format!("{classes}\n\n{}", most_confused(confusion, names, unit));
    }
    format!("{classes}\n\n{}", table(header, predicted))
}

/// Classes whose whole confusion is shown.
const MOST_CLASSES: usize = 30;

/// The pairs of classes that are confused most often; `--json` has all.
fn most_confused(confusion: &[Vec<usize>], names: &[String], unit: &str) -> Table {
    let pair = |(truth, row): (usize, &Vec<usize>)| {
        row.iter().enumerate().map(move |(told, &count)| (count, truth, told)).collect::<Vec<_>>()
    };
    let all = confusion.iter().enumerate().flat_map(pair);
    let mut pairs: Vec<_> = all.filter(|&(count, truth, told)| count > 0 && truth != told).collect();
    pairs.sort_by_key(|&(count, truth, told)| (std::cmp::Reverse(count), truth, told));
    let row =
        |&(count, truth, told): &(usize, usize, usize)| [names[truth].clone(), names[told].clone(), count.to_string()];
    table(["most often confused: true", "predicted", unit], pairs.iter().take(20).map(row))
}

/// Spans by their kind, and those of all.
fn span_table(spans: &Spans) -> Table {
    let all = spans.micro();
    let kinds = spans.0.iter().map(|(kind, own)| (shown(kind), own)).chain([("all".to_string(), &all)]);
    let rows = kinds.map(|(kind, own)| {
        let shares = [own.precision(), own.recall(), own.f1()].map(percent);
        let [precision, recall, f1] = shares;
        [kind, precision, recall, f1, (own.hits + own.misses).to_string()]
    });
    table(["span", "precision", "recall", "F1", "spans"], rows)
}

fn naive_table(all: &[Naive]) -> Table {
    let rows = all.iter().flat_map(|naive| {
        naive.errors.iter().enumerate().map(|(number, own)| {
            let [mae, rmse, r2] = [own.mae, own.rmse, own.r2].map(|value| format!("{value:.4}"));
            [naive.name.clone(), number.to_string(), mae, rmse, r2]
        })
    });
    table(["naive forecast", "number", "mean absolute error", "root of mean squared error", "R²"], rows)
}

fn label_table(counts: &[LabelCounts], names: &[String]) -> Table {
    let rows = names.iter().zip(counts).map(|(name, own)| {
        let [hits, alarms, misses] = [own.hits, own.false_alarms, own.misses].map(|count| count.to_string());
        [name.clone(), hits, alarms, misses, format!("{:.4}", own.f1())]
    });
    table(["label", "hits", "false alarms", "misses", "F1"], rows)
}

fn number_table(all: &[NumberErrors]) -> Table {
    let rows = all.iter().enumerate().map(|(number, own)| {
        let [mae, rmse, r2] = [own.mae, own.rmse, own.r2].map(|value| format!("{value:.4}"));
        [number.to_string(), mae, rmse, r2]
    });
    table(["number", "mean absolute error", "root of mean squared error", "R²"], rows)
}
