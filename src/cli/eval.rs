//! `srnn eval`

use super::{DeviceArgs, TableArgs, print, table};
use clap::Args;
use serde::Serialize;
use srnn::Result;
use srnn::data::{Source, read_examples};
use srnn::train::metrics::ClassMetrics;
use srnn::train::{Dataset, Evaluation, Model};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure a model on labelled texts: accuracy, loss, precision, recall, F1, confusion
#[derive(Args)]
#[command(after_help = "Example: srnn eval reviews-model test.csv --text review --label stars")]
pub struct Eval {
    /// Model directory
    model: PathBuf,
    /// Labelled texts; - for standard input
    data: Source,
    #[command(flatten)]
    table: TableArgs,
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
        let examples = read_examples(&self.data, &self.table.columns(), self.table.format)?;
        let labels = model.labels.encode(&self.data, &examples)?;
        let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
        let data = Dataset::new(model.tokenizer.encode_batch(&texts), labels)?;
        let mut network = model.network(self.device.open()?)?;
        let evaluation = Evaluation::of(&mut network, &data, self.batch as usize)?;
        let names = model.labels.names();
        if self.json {
            let report = Report { evaluation: &evaluation, labels: names, classes: evaluation.classes() };
            print(&format!("{}\n", serde_json::to_string(&report).expect("plain numbers")))?;
        } else {
            print(&tables(&evaluation, names))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tables(evaluation: &Evaluation, names: &[String]) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut classes = table(&["class", "precision", "recall", "F1", "texts"]);
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
    format!("{sequences} texts: accuracy {}, loss {loss:.4}\n\n{classes}\n\n{confusion}\n", percent(*accuracy))
}
