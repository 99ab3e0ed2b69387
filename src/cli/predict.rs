//! `srnn predict`

use super::answers::{Answers, Writer};
use super::step_answers::StepWriter;
use super::{DeviceArgs, InputArgs, check_free, ensure, named, note};
use crate::Result;
use crate::data::{BETWEEN, Encoding, Source, read_lines};
use crate::train::{self, Dataset, InputEncoder, Model};
use clap::Args;
use std::path::PathBuf;

/// Tell classes, labels or numbers of texts or of sequences of numbers, or of their steps; prints one JSON object per line, or a
/// table
///
/// Texts stand one per line, or in a column of a table (.tsv, .csv, .jsonl, or --text COLUMN); numbers in a file of any format
/// that train reads. Labels are not looked at. A model of tags takes tokens with blanks between them in a line, or any file with
/// tokens that train reads.
#[derive(Args)]
#[command(after_help = "Example: echo 'free money' | srnn predict model\n\
    prints {\"label\":\"spam\",\"probabilities\":{\"ham\":0.02,\"spam\":0.98}}")]
pub struct Predict {
    /// Model directory
    model: PathBuf,
    /// Texts, one per line; - for standard input, which is answered line by line. Or a table, or a file of numbers
    #[arg(default_value = "-")]
    texts: Source,
    /// jsonl, csv (with the columns of a table that was given), npy (an array [N, C], or [N, T, C]) or conll (tags of every step)
    /// [default: as --out ends, else jsonl]
    #[arg(long = "as", value_parser = named::<Answers>, value_name = "FORMAT")]
    answers: Option<Answers>,
    /// File for the answers; - for standard output, as without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite a file that is there already
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Lines of a file that are classified together.
const BATCH: usize = 64;

impl Predict {
    pub fn run(self) -> Result<()> {
        let out = self.out.clone().filter(|out| out.as_os_str() != "-");
        let ending = out.as_ref().and_then(|path| path.extension()?.to_str());
        let answers = self.answers.or(ending.and_then(|ending| named(&ending.to_lowercase()).ok()));
        let answers = answers.unwrap_or(Answers::Jsonl);
        out.iter().try_for_each(|out| check_free(out, self.force))?;
        ensure(out.is_some() || !self.force, "--force is for a file: say --out FILE")?;
        let model = Model::load(&self.model)?;
        let input = self.input.of_model(&self.model, &model);
        let mut network = model.network(self.device.open()?)?;
        if model.config.task.of_steps() {
            let mut writer = StepWriter::new(answers, &model, out)?;
            let lines = matches!(model.inputs, InputEncoder::Tokens(_)) && input.are_lines(&self.texts)?;
            if lines && matches!(self.texts, Source::File(_)) {
                note("each line is read as the tokens of a sequence; --format conll reads a token a line");
            }
            if !lines {
                let options = input.without_labels(&self.texts, self.device.memory)?;
                let (mut data, examples) = model.read_examples(&options, &self.texts, false)?;
                writer.tell(&mut network, &mut data, examples.texts(), BATCH)?;
                return writer.finish();
            }
            return self
                .answer_lines(input.encoding(&self.texts), |texts| {
                    let texts: Vec<String> = texts.iter().map(|text| given(text)).collect();
                    let InputEncoder::Tokens(tokenizer) = &model.inputs else { return Ok(()) };
                    let mut data = Dataset::of_tokens(tokenizer.encode_batch(&texts));
                    writer.tell(&mut network, &mut data, Some(&texts), BATCH)
                })
                .and_then(|()| writer.finish());
        }
        ensure(answers != Answers::Conll, "--as conll is for tags of every step, and the model tells of sequences")?;
        let mut writer = Writer::new(answers, &model, None, out.clone());
        let tokenizer = match &model.inputs {
            InputEncoder::Tokens(tokenizer) if input.are_lines(&self.texts)? => tokenizer,
            _ => {
                let mut options = input.without_labels(&self.texts, self.device.memory)?;
                options.cells = answers == Answers::Csv;
                let (mut data, examples) = model.read_examples(&options, &self.texts, false)?;
                let mut writer = Writer::new(answers, &model, examples.cells, out.clone());
                train::answers(&mut network, &mut data, BATCH, |_, told| writer.take(told))?;
                return writer.finish();
            }
        };
        self.answer_lines(input.encoding(&self.texts), |texts| {
            let tokens = tokenizer.encode_batch(texts);
            let sequences: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
            writer.take(&network.probabilities(&model.config.batch(&sequences, &[]))?)
        })?;
        writer.finish()
    }

    /// Hands the texts that stand one per line to `answer`, those of standard input as they come.
    fn answer_lines(&self, encoding: Option<Encoding>, mut answer: impl FnMut(&[String]) -> Result<()>) -> Result<()> {
        let together = if matches!(self.texts, Source::Stdin) { 1 } else { BATCH };
        let mut texts = read_lines(&self.texts, encoding)?;
        loop {
            // What was read before a fault is answered.
            let mut fault = Ok(());
            let read = texts.by_ref().map_while(|text| text.map_err(|error| fault = Err(error)).ok());
            let waiting: Vec<String> = read.take(together).collect();
            if !waiting.is_empty() {
                answer(&waiting)?;
            }
            fault?;
            if waiting.len() < together {
                return Ok(());
            }
        }
    }
}

/// The tokens of a line, between its blanks, as they are given one by one.
fn given(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(&BETWEEN.to_string())
}
