//! `srnn eval`

use super::input::InputArgs;
use super::{DeviceArgs, print, table};
use clap::Args;
use serde::Serialize;
use srnn::Result;
use srnn::data::Source;
use srnn::train::metrics::{ClassMetrics, LabelCounts, NumberErrors};
use srnn::train::{Evaluation, Model, Telling};
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
        let data =
            model.dataset(&self.input.read_for(&model.steps, &self.data, self.input.labels.as_ref(), true)?)?;
        let mut network = model.network(self.device.open()?)?;
        let mut evaluation = Evaluation::of(&mut network, &data, self.batch as usize)?;
        if let Telling::Regression(normalisation) = &model.telling {
            // Errors in the units of the data.
            for (errors, unit) in evaluation.numbers.iter_mut().zip(&normalisation.deviation) {
                errors.mae *= f64::from(*unit);
                errors.rmse *= f64::from(*unit);
            }
        }
        let names = model.telling.names();
        if self.json {
            let report = Report { evaluation: &evaluation, labels: &names, classes: evaluation.classes() };
            print(&format!("{}\n", serde_json::to_string(&report).expect("plain numbers")))?;
        } else {
            print(&match &model.telling {
                Telling::Class(_) => tables(&evaluation, &names),
                Telling::Labels(_) => label_table(&evaluation, &names),
                Telling::Regression(_) => number_table(&evaluation),
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tables(evaluation: &Evaluation, names: &[String]) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut classes = table(&["class", "precision", "recall", "F1", "sequences"]);
    for (name, class) in names.iter().zip(evaluation.classes()) {
        let scores = [class.precision, class.recall, class.f1].map(percent);
        classes.add_row([vec![name.clone()], scores.to_vec(), vec![class.support.to_string()]].concat());
    }
    let mut header = vec!["true \\ predicted"];
    header.extend(names.iter().map(String::as_str));
    let mut confusion = table(&header);
    for (name, row) in names.iter().zip(&evaluation.confusion) {
        confusion.add_row([vec![name.clone()], row.iter().map(usize::to_string).collect()].concat());
    }
    let Evaluation { loss, accuracy, sequences, .. } = evaluation;
    format!("{sequences} sequences: accuracy {}, loss {loss:.4}\n\n{classes}\n\n{confusion}\n", percent(*accuracy))
}

fn label_table(evaluation: &Evaluation, names: &[String]) -> String {
    let mut labels = table(&["label", "hits", "false alarms", "misses", "F1"]);
    for (name, counts) in names.iter().zip(&evaluation.labels) {
        let LabelCounts { hits, false_alarms, misses } = counts;
        let numbers = [hits, false_alarms, misses].map(|count| count.to_string());
        labels.add_row([vec![name.clone()], numbers.to_vec(), vec![format!("{:.4}", counts.f1())]].concat());
    }
    let macro_f1 = evaluation.labels.iter().map(LabelCounts::f1).sum::<f64>() / names.len() as f64;
    let Evaluation { loss, accuracy, sequences, .. } = evaluation;
    let (all, micro) = (100.0 * accuracy, evaluation.micro_f1());
    format!(
        "{sequences} sequences: all labels right {all:.2} %, micro F1 {micro:.4}, macro F1 {macro_f1:.4}, loss {loss:.4}\n\n{labels}\n"
    )
}

fn number_table(evaluation: &Evaluation) -> String {
    let mut numbers = table(&["number", "mean absolute error", "root of mean squared error", "R²"]);
    for (number, errors) in evaluation.numbers.iter().enumerate() {
        let NumberErrors { mae, rmse, r2 } = errors;
        let own = [mae, rmse, r2].map(|value| format!("{value:.4}"));
        numbers.add_row([vec![number.to_string()], own.to_vec()].concat());
    }
    let Evaluation { loss, sequences, .. } = evaluation;
    format!("{sequences} sequences: mean R² {:.4}, loss {loss:.4} (normalised)\n\n{numbers}\n", evaluation.score())
}
