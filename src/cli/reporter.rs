//! Shows training: a progress bar on a terminal, plain lines elsewhere.

use super::{interrupt, note};
use crate::Result;
use crate::network::{Config, Input, Task};
use crate::train::{Epoch, Keep, Metric, Observer, StepReport, Trainer};
use indicatif::{HumanCount, ProgressBar, ProgressFinish, ProgressStyle};
use std::time::{Duration, Instant};

/// An observer that prints to standard error.
pub struct Reporter {
    /// Hidden where there is no terminal.
    bar: ProgressBar,
    name: String,
    task: Task,
    /// What validations are judged by.
    metric: Metric,
    /// What a step reads.
    unit: &'static str,
    last_line: Instant,
    /// Whether epochs have lines.
    lines: bool,
    /// Seconds of all epochs so far, without validation.
    pub seconds: f64,
}

/// Lines for epochs, beside those of the best.
const MOST_LINES: usize = 40;

/// Pause between plain lines within an epoch.
const PLAIN_PAUSE: Duration = Duration::from_secs(10);

impl Reporter {
    /// `name` stands before every line, with its space; empty for none.
    pub fn new(name: String, config: &Config, metric: Metric) -> Reporter {
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}  {eta} left");
        // Without a length as yet.
        let bar = ProgressBar::no_length()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_finish(ProgressFinish::AndClear);
        let unit = if config.input == Input::Tokens { "tokens" } else { "steps" };
        Reporter { bar, name, task: config.task, metric, unit, last_line: Instant::now(), lines: true, seconds: 0.0 }
    }

    /// The same without lines for epochs.
    pub fn only_progress(self) -> Reporter {
        Reporter { lines: false, ..self }
    }

    /// Loss, and the share of sequences or steps of which all is told right; of numbers nothing is ever just right.
    fn train_scores(&self, loss: f64, right: f64) -> String {
        match self.task {
            Task::Class | Task::Tags => format!("loss {loss:.4}, accuracy {:.2} %", 100.0 * right),
            Task::Labels => format!("loss {loss:.4}, all labels right {:.2} %", 100.0 * right),
            Task::Regression | Task::Series => format!("loss {loss:.4}"),
        }
    }
}

impl Observer for Reporter {
    fn step(&mut self, step: &StepReport) {
        let unit = self.unit;
        let speed = HumanCount((step.tokens as f64 / step.seconds.max(1e-9)) as u64);
        let scores = step.totals.map_or(String::new(), |(loss, right)| self.train_scores(loss, right) + "  ");
        let title = format!("{}epoch {}/{}", self.name, step.epoch, step.epochs);
        if !self.bar.is_hidden() {
            self.bar.set_prefix(title);
            self.bar.set_length(step.steps as u64);
            self.bar.set_position(step.step as u64);
            self.bar.set_message(format!("{scores}{speed} {unit}/s"));
        } else if self.last_line.elapsed() > PLAIN_PAUSE {
            self.last_line = Instant::now();
            let left = step.seconds / (step.step - step.before) as f64 * (step.steps - step.step) as f64;
            let StepReport { step, steps, .. } = step;
            note(format_args!("{title}  step {step}/{steps}  {scores}{speed} {unit}/s  {left:.0} s left"));
        }
    }

    fn epoch(&mut self, epoch: &Epoch, trainer: &mut Trainer) -> Result<()> {
        let Epoch { train_loss, train_accuracy, valid_loss, valid_score, seconds, tokens_per_second, .. } = epoch;
        let train = self.train_scores(*train_loss, *train_accuracy);
        let best = if epoch.best && trainer.options.keep == Keep::Best { " (best)" } else { "" };
        let valid = match self.metric {
            _ if valid_loss.is_nan() && valid_score.is_nan() => String::new(),
            Metric::Loss => format!("  valid: loss {valid_loss:.4}{best}"),
            metric => format!("  valid: loss {valid_loss:.4}, {}{best}", metric.words(*valid_score)),
        };
        let speed = format!("{} {}/s", HumanCount(*tokens_per_second as u64), self.unit);
        let title = format!("{}epoch {}/{}", self.name, epoch.epoch, trainer.options.epochs);
        let line = |text: &str| self.bar.suspend(|| note(text));
        // Of very many epochs the notable ones are told.
        let every = trainer.options.epochs.div_ceil(MOST_LINES);
        let notable = epoch.epoch.is_multiple_of(every) || epoch.epoch == 1 || !best.is_empty();
        if !self.lines || !(notable || self.last_line.elapsed() > PLAIN_PAUSE) {
            self.bar.reset();
            self.seconds += seconds;
            return Ok(());
        }
        line(&format!("{title}  train: {train}{valid}  {seconds:.1} s, {speed}"));
        if epoch.skipped_steps > 0 {
            let skipped = epoch.skipped_steps;
            line(&format!(
                "  {skipped} steps so far had gradients that are not finite and were skipped: try a lower --learning-rate"
            ));
        }
        self.last_line = Instant::now();
        self.bar.reset();
        self.seconds += seconds;
        Ok(())
    }

    fn refit(&mut self, sequences: usize, epochs: usize) {
        note(format_args!(
            "training anew on all {sequences} sequences, for {epochs} epochs (--refit no leaves it at the first)"
        ));
    }

    fn stop(&self) -> bool {
        interrupt::asked()
    }
}
