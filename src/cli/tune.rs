//! `srnn tune`

use super::{DeviceArgs, note, print, table};
use crate::engine::Engine;
use crate::engine::device::auto_choice;
use crate::engine::gpu::adapter::{INSTALL_ADVICE, adapter};
use crate::engine::gpu::{Abilities, DEFAULT_MEMORY, Gpu, adapters, tuning};
use crate::kernel::recurrence::LANES;
use crate::plan::Product;
use crate::{Choice, Error, Result};
use clap::Args;

/// Measure how a GPU is best filled, and remember it
///
/// Few rows are spread over as many workgroups as fill the device, many rows share workgroups of up to 4. How many
/// workgroups that takes, and whether inner products are faster by 2 or 16 terms at a time or with the weights held in
/// registers, depends on the device; until this command has measured it, it goes by the kind of device. The result is kept
/// by adapter and driver in the cache folder (set SRNN_CACHE to move it) and read by all later runs.
#[derive(Args)]
pub struct Tune {
    #[command(flatten)]
    device: DeviceArgs,
}

impl Tune {
    pub fn run(self) -> Result<()> {
        let at = match self.device.device {
            Choice::Gpu(at) => at,
            Choice::Auto if auto_choice(&adapters()).0.is_some() => 0,
            _ => {
                let advice = format!("give --device gpu; if there is none, {INSTALL_ADVICE}");
                return Err(Error::NoDevice(format!("the CPU engine has nothing to tune: {advice}")));
            }
        };
        let adapter = adapter(at)?;
        note(format_args!("device: {}", adapter.title()));
        let mut gpu = Gpu::open(&adapter, Abilities::All, self.device.memory.unwrap_or(DEFAULT_MEMORY))?;
        let measured = tuning::measure(&mut gpu)?;
        let chosen = tuning::choose(&measured, gpu.limits());
        let rows = |own: &tuning::Measured| {
            let (own, (taken, _)) = (own.clone(), own.taken(&chosen, gpu.limits()));
            let of = move |(product, seconds): (Product, [f64; LANES.len()])| {
                let [one, two, four] = seconds.map(|seconds| format!("{:.3}", 1e3 * seconds));
                let taken = if product == chosen.product { LANES[taken].to_string() } else { String::new() };
                [own.hidden.to_string(), own.rows.to_string(), product.to_string(), one, two, four, taken]
            };
            Product::ALL.into_iter().zip(own.seconds).map(of)
        };
        let head = ["hidden", "rows", "products", "1 to a workgroup, ms", "2", "4", "taken"];
        let rows = table(head, measured.iter().flat_map(rows));
        let products = match chosen.product {
            Product::Paired => "computes 2 terms of a product at a time",
            Product::Chunked => "computes 16 terms of a product at a time",
            Product::Held => "holds the weights of small networks in registers",
        };
        let kept = match tuning::remember(&adapter, chosen) {
            Some(path) => format!("kept in {}", path.display()),
            None => "not kept, as there is no cache folder to write to".into(),
        };
        let (workgroups, title) = (chosen.workgroups, adapter.title());
        print(&format!("{rows}\n{workgroups} workgroups fill {title}, which {products}: {kept}\n"))
    }
}
