//! `srnn embed`

use super::{DeviceArgs, InputArgs, check_free, note};
use crate::data::{Source, npy_bytes};
use crate::train::{Model, states};
use crate::{Error, Result};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Write the final state of every sequence, [N, W] as .npy, for other models to go on with
#[derive(Args)]
#[command(after_help = "Example: srnn embed reviews-model reviews.csv --text review --out states.npy")]
pub struct Embed {
    /// Model directory
    model: PathBuf,
    /// Texts or numbers; labels are not needed
    data: Source,
    /// File for the states, in the order of the data; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite a file that is there already
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    input: InputArgs,
    /// Sequences of a batch
    #[arg(long, default_value_t = 100, value_name = "B", value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Embed {
    pub fn run(self) -> Result<()> {
        if self.out.as_os_str() != "-" {
            check_free(&self.out, self.force)?;
        }
        let model = Model::load(&self.model)?;
        let data = model.read(
            &self.input.of_model(&self.model, &model).without_labels(&self.data, self.device.memory)?,
            &self.data,
            false,
        )?;
        let mut network = model.network(self.device.open()?)?;
        let (count, width) = (data.len(), model.config.width());
        let states = states(&mut network, &data, self.batch as usize, || Ok(()))?;
        let bytes = npy_bytes(&[count, width], &states)?;
        if self.out.as_os_str() == "-" {
            return std::io::stdout().lock().write_all(&bytes).map_err(Error::io("standard output"));
        }
        crate::files::write_atomically(&self.out, &bytes)?;
        note(format_args!("{}: {count} states of {width} numbers", self.out.display()));
        Ok(())
    }
}
