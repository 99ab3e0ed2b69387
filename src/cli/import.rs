//! `srnn import`

use super::{ensure, network, note};
use crate::Result;
use crate::train::import::Import as Parts;
use crate::train::model::check_folder;
use clap::Args;
use std::path::PathBuf;

/// Make a model of a PyTorch state dict, saved as safetensors
///
/// Vocabulary, widths, classes, cell, layers, direction and levels are those of the tensors; the rest (slicing, length, pooling,
/// task, …) stands in --config, by the names of a model's config.json, or is the default. docs/interchange.md says more.
#[derive(Args)]
#[command(
    after_help = "Example: srnn import state.safetensors --config network.json --tokenizer tokenizer.json --classes ham,spam --out mails"
)]
pub struct Import {
    /// Safetensors file with tensors named as in PyTorch: levels.0.weight_ih_l0, rnn.weight_ih_l0, ...
    state: PathBuf,
    /// JSON with settings of the network, or a model's config.json
    #[arg(long, value_name = "JSON")]
    config: Option<PathBuf>,
    /// Tokenizer of a network with an embedding, as a model directory has it
    #[arg(long, value_name = "JSON")]
    tokenizer: Option<PathBuf>,
    /// Names of the classes or labels, in the network's order [default: 0, 1, ...]
    #[arg(long = "classes", value_name = "A,B", value_delimiter = ',')]
    names: Option<Vec<String>>,
    /// File with these names, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    labels: Option<PathBuf>,
    /// Directory for the model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite a model that is there already
    #[arg(long)]
    force: bool,
}

impl Import {
    pub fn run(self) -> Result<()> {
        check_folder(&self.out, self.force)?;
        let names = match &self.labels {
            Some(path) => {
                let text = String::from_utf8(crate::files::read_file(path)?);
                ensure(text.is_ok(), format!("{} is no text in UTF-8", path.display()))?;
                Some(text.unwrap_or_default().lines().map(|line| line.trim().to_string()).collect())
            }
            None => self.names,
        };
        let parts = Parts { state: self.state, config: self.config, tokenizer: self.tokenizer, names };
        let model = parts.model()?;
        model.save_new(&self.out, self.force)?;
        note(network::describe(&model.config));
        note(format_args!("model: {}", self.out.display()));
        Ok(())
    }
}
