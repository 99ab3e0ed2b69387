//! `srnn stream`

use super::answers::said;
use super::{ensure, interrupt, note, print};
use crate::data::{Source, Tokenizer, read_lines};
use crate::files::read_file;
use crate::listing::quoted;
use crate::network::Task;
use crate::stream::file;
use crate::train::{InputEncoder, Model};
use crate::{Error, Result, Stream};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Read steps without an end, one a line, and say after each what the model says of all that was read
///
/// A step is a token, or a row of numbers with commas or blanks between them; a line of text may hold many tokens, and is read token
/// by token. The price of a step does not grow. The model must read forward, with slices that are counted from the start: srnn train
/// --align start --direction forward, and last, max or mean pooling.
#[derive(Args)]
#[command(after_help = "Example: tail -f sensor.csv | srnn stream model --every 100 --state sensor.safetensors")]
pub struct StreamArgs {
    /// Model directory
    model: PathBuf,
    /// Steps; - for standard input
    #[arg(default_value = "-")]
    data: Source,
    /// Say something after every so many steps of a stream; 0 for the end alone
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: u64,
    /// Many streams: each line begins with the name of its stream and a tab
    #[arg(long)]
    names: bool,
    /// Go on from the states in this file, if it is there, and leave them there at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// The streams of a run, by name.
struct Streams<'a> {
    model: &'a Model,
    stream: Stream,
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl StreamArgs {
    pub fn run(self) -> Result<()> {
        let model = Model::load(&self.model)?;
        let mut streams = Streams::new(&model)?;
        if let InputEncoder::Numbers(scaling) = &model.inputs {
            let own = "numbers are made normal by their whole sequence, which a stream has not: train with --normalise channel";
            ensure(scaling.logs.is_none(), own)?;
        }
        if let Some(path) = self.state.as_ref().filter(|path| path.exists()) {
            streams.load(path)?;
            note(format_args!("{}: goes on with {} streams", path.display(), streams.names.len()));
        }
        // Whatever ends it, what was read is kept.
        let outcome = self.read(&mut streams);
        if let Some(path) = &self.state {
            file::save(path, &streams.names, &streams.stream, &model.parameters)?;
        }
        outcome
    }

    fn read(&self, streams: &mut Streams) -> Result<()> {
        for (line, text) in (1..).zip(self.lines()?) {
            let text = text?;
            let place = format!("{}:{line}", self.data);
            let (name, steps) = match self.names {
                true => text
                    .split_once('\t')
                    .ok_or_else(|| Error::data(&place, "has no name of a stream with a tab behind it"))?,
                false => ("", text.as_str()),
            };
            // What a table may begin with.
            if line == 1 && streams.is_header(steps) {
                note(format_args!("{place}: passed over, as it is no numbers"));
                continue;
            }
            let at = streams.place(name);
            streams.read(at, steps, &place, self.every)?;
        }
        for at in 0..streams.names.len() {
            let steps = streams.stream.steps(at);
            if steps > 0 && (self.every == 0 || !steps.is_multiple_of(self.every)) {
                streams.tell(at)?;
            }
        }
        Ok(())
    }

    /// The lines, read by a thread of its own, until they end or a stop is asked for.
    fn lines(&self) -> Result<impl Iterator<Item = Result<String>> + use<>> {
        interrupt::listen();
        let data = self.data.clone();
        let (send, receive) = sync_channel(WAITING);
        std::thread::spawn(move || match read_lines(&data, None) {
            Ok(lines) => lines.into_iter().try_for_each(|line| send.send(line)),
            Err(error) => send.send(Err(error)),
        });
        Ok(std::iter::from_fn(move || {
            loop {
                match receive.recv_timeout(PATIENCE) {
                    _ if interrupt::asked() => return None,
                    Ok(line) => return Some(line),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        }))
    }
}

/// Lines that may wait to be read, and how long none is waited for before it is seen whether a stop was asked for.
const WAITING: usize = 1024;
const PATIENCE: Duration = Duration::from_millis(100);

impl<'a> Streams<'a> {
    fn new(model: &'a Model) -> Result<Streams<'a>> {
        let stream = Stream::new(&model.config, &model.parameters, 0)?;
        Ok(Streams { model, stream, names: vec![], places: HashMap::new() })
    }

    /// The place of a stream by its name; a new one begins.
    fn place(&mut self, name: &str) -> usize {
        if let Some(&at) = self.places.get(name) {
            return at;
        }
        self.names.push(name.to_string());
        let at = self.stream.add();
        self.places.insert(name.to_string(), at);
        at
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        self.names = file::load(path, &read_file(path)?, &mut self.stream, &self.model.parameters)?;
        self.places = self.names.iter().cloned().zip(0..).collect();
        Ok(())
    }

    /// Whether a line has fields, and none of them is a number, where numbers are read.
    fn is_header(&self, text: &str) -> bool {
        let mut fields = separated(text).peekable();
        let numbers = matches!(self.model.inputs, InputEncoder::Numbers(_));
        numbers && fields.peek().is_some() && fields.all(|field| field.parse::<f64>().is_err())
    }

    /// Reads the steps of a line.
    fn read(&mut self, at: usize, text: &str, place: &str, every: u64) -> Result<()> {
        match &self.model.inputs {
            InputEncoder::Tokens(tokenizer) => {
                for token in tokens(tokenizer, text, self.model.config.task) {
                    self.stream.push_tokens(&[at], &[token])?;
                    self.told(at, every)?;
                }
            }
            InputEncoder::Numbers(scaling) => {
                if text.trim().is_empty() {
                    return Ok(());
                }
                let wrong = |problem: String| Error::data(place, problem);
                let number = |field: &str| {
                    let number = field.parse::<f64>().ok().filter(|number| number.is_finite());
                    number.ok_or_else(|| wrong(format!("{} is not a finite number", quoted(field))))
                };
                let row = separated(text).map(number).collect::<Result<Vec<f64>>>()?;
                let (own, width) = (row.len(), scaling.width());
                if own != width {
                    return Err(wrong(format!("has {own} numbers, and the model reads steps of {width}")));
                }
                let mut values = vec![];
                scaling.apply(row.into_iter(), &mut values);
                self.stream.push_numbers(&[at], &values).map_err(|error| wrong(error.to_string()))?;
                self.told(at, every)?;
            }
        }
        Ok(())
    }

    fn told(&mut self, at: usize, every: u64) -> Result<()> {
        if every > 0 && self.stream.steps(at).is_multiple_of(every) { self.tell(at) } else { Ok(()) }
    }

    fn tell(&mut self, at: usize) -> Result<()> {
        let row = self.stream.probabilities(&[at])?;
        let mut line = Map::new();
        if !self.names[at].is_empty() {
            line.insert("stream".into(), json!(self.names[at]));
        }
        line.insert("steps".into(), json!(self.stream.steps(at)));
        let Model { targets, thresholds, .. } = self.model;
        line.extend(said(targets, thresholds.as_ref(), &targets.names(), &row));
        print(&format!("{}\n", Value::Object(line)))
    }
}

/// The fields of a row of numbers.
fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', '|', '\t', ' ']).map(|field| field.trim_matches('"')).filter(|field| !field.is_empty())
}

/// The tokens of a line: those that are given one by one have blanks between them.
fn tokens(tokenizer: &Tokenizer, text: &str, task: Task) -> Vec<u32> {
    match text.trim().is_empty() {
        true => vec![],
        false if task.of_steps() => text.split_whitespace().flat_map(|token| tokenizer.encode(token)).collect(),
        false => tokenizer.encode(text),
    }
}
