//! `srnn eval`

use super::input::InputArgs;
use super::{DeviceArgs, print, table};
use clap::Args;
use serde::Serialize;
use srnn::Result;
use srnn::data::Source;
use srnn::train::metrics::{ClassMetrics, Details, LabelCounts, NumberErrors, class_metrics, micro_f1};
use srnn::train::{Evaluation, Model, TargetEncoder};
use std::path::PathBuf;
use std::process::ExitCode;

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
}

impl Eval {
    pub fn run(self) -> Result<ExitCode> {
        let model = Model::load(&self.model)?;
        let data = model.dataset(&model.read(&self.input.options(), &self.data, true)?)?;
        let mut network = model.network(self.device.open()?)?;
        let mut evaluation = Evaluation::of(&mut network, &data, self.batch as usize)?;
        if let (TargetEncoder::Numbers(own), Details::Numbers(errors)) = (&model.targets, &mut evaluation.details) {
            // Errors in the units of the data.
            for (errors, unit) in errors.iter_mut().zip(&own.deviation) {
                errors.mae *= f64::from(*unit);
                errors.rmse *= f64::from(*unit);
            }
        }
        let names = model.targets.names();
        if self.json {
            let classes = match &evaluation.details {
                Details::Classes(confusion) => class_metrics(confusion),
                _ => vec![],
            };
            let report = Report { evaluation: &evaluation, labels: &names, classes };
            print(&format!("{}\n", serde_json::to_string(&report).expect("plain numbers")))?;
        } else {
            print(&match &evaluation.details {
                Details::Classes(confusion) => tables(&evaluation, confusion, &names),
                Details::Labels(counts) => label_table(&evaluation, counts, &names),
                Details::Numbers(errors) => number_table(&evaluation, errors),
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tables(evaluation: &Evaluation, confusion: &[Vec<usize>], names: &[String]) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut classes = table(&["class", "precision", "recall", "F1", "sequences"]);
    for (name, class) in names.iter().zip(class_metrics(confusion)) {
        let scores = [class.precision, class.recall, class.f1].map(percent);
        classes.add_row([vec![name.clone()], scores.to_vec(), vec![class.support.to_string()]].concat());
    }
    let mut header = vec!["true \\ predicted"];
    header.extend(names.iter().map(String::as_str));
    let mut predicted = table(&header);
    for (name, row) in names.iter().zip(confusion) {
        predicted.add_row([vec![name.clone()], row.iter().map(usize::to_string).collect()].concat());
    }
    let Evaluation { loss, accuracy, sequences, .. } = evaluation;
    format!("{sequences} sequences: accuracy {}, loss {loss:.4}\n\n{classes}\n\n{predicted}\n", percent(*accuracy))
}

fn label_table(evaluation: &Evaluation, counts: &[LabelCounts], names: &[String]) -> String {
    let mut labels = table(&["label", "hits", "false alarms", "misses", "F1"]);
    for (name, own) in names.iter().zip(counts) {
        let LabelCounts { hits, false_alarms, misses } = own;
        let numbers = [hits, false_alarms, misses].map(|count| count.to_string());
        labels.add_row([vec![name.clone()], numbers.to_vec(), vec![format!("{:.4}", own.f1())]].concat());
    }
    let macro_f1 = counts.iter().map(LabelCounts::f1).sum::<f64>() / names.len() as f64;
    let Evaluation { loss, accuracy, sequences, .. } = evaluation;
    let (all, micro) = (100.0 * accuracy, micro_f1(counts));
    format!(
        "{sequences} sequences: all labels right {all:.2} %, micro F1 {micro:.4}, macro F1 {macro_f1:.4}, loss {loss:.4}\n\n{labels}\n"
    )
}

fn number_table(evaluation: &Evaluation, all: &[NumberErrors]) -> String {
    let mut numbers = table(&["number", "mean absolute error", "root of mean squared error", "R²"]);
    for (number, errors) in all.iter().enumerate() {
        let NumberErrors { mae, rmse, r2 } = errors;
        let own = [mae, rmse, r2].map(|value| format!("{value:.4}"));
        numbers.add_row([vec![number.to_string()], own.to_vec()].concat());
    }
    let Evaluation { loss, sequences, .. } = evaluation;
    format!("{sequences} sequences: mean R² {:.4}, loss {loss:.4} (normalised)\n\n{numbers}\n", evaluation.score())
}
