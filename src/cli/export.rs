//! `srnn export`

use super::{check_free, note};
use crate::train::Model;
use crate::{Result, onnx};
use bytesize::ByteSize;
use clap::Args;
use std::path::PathBuf;

/// Write a model as an ONNX file, for other runtimes
///
/// The graph reads token ids [B, T] or numbers [B, T, D], and the lengths [B] of the sequences, behind which anything may stand; it gives
/// what `srnn predict` tells, as `probabilities`, and `logits`. docs/interchange.md says more.
#[derive(Args)]
#[command(after_help = "Example: srnn export reviews-model --onnx reviews.onnx")]
pub struct Export {
    /// Model directory
    model: PathBuf,
    /// File for the graph
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// Overwrite a file that is there already
    #[arg(long)]
    force: bool,
}

impl Export {
    pub fn run(self) -> Result<()> {
        check_free(&self.onnx, self.force)?;
        let model = Model::load(&self.model)?;
        let bytes = onnx::export(&model)?;
        crate::files::write_atomically(&self.onnx, &bytes)?;
        let size = ByteSize(bytes.len() as u64);
        note(format_args!("{}: ONNX, opset {}, {size}", self.onnx.display(), onnx::OPSET));
        Ok(())
    }
}
