//! What a device can do at most, measured on it: a large matrix product and a large copy.

use crate::engine::{Engine, fastest, write_f32};
use crate::error::{Error, Result};
use crate::kernel::gather_rows;
use crate::kernel::matmul::{self, Columns};
use crate::kernel::strands::Strands;
use crate::plan::{BufferName, Plan};
use serde::Serialize;

/// The rates that no kernel can beat whose data are larger than the caches: one of them sets the least time of such
/// work.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceilings {
    /// Of a matrix product, in 10⁹ operations per second.
    pub gflops: f64,
    /// Of a copy, bytes read and bytes written, in 10⁹ per second.
    pub gbs: f64,
}

/// Seconds after which a larger product is not tried any more.
const LONG_ENOUGH: f64 = 0.1;

/// Repeats of which the fastest counts.
const REPEATS: usize = 15;

/// Bytes of the copied matrix: beyond the caches, within WebGPU's default limit for one binding.
const COPIED: usize = 64 << 20;

/// Buffers of both measurements.
const MATRIX: &str = "ceiling: matrix";
const RESULT: &str = "ceiling: result";

impl Ceilings {
    /// Measures both on an engine: square products of growing size until one takes long, and a copy of 64 MiB.
    ///
    /// # Errors
    /// What the device says.
    pub fn measure(engine: &mut dyn Engine) -> Result<Ceilings> {
        // Memory that was never written may be no memory at all.
        write_f32(engine, BufferName::of(MATRIX), &vec![1.0; COPIED / 4])?;
        let mut gflops = 0.0f64;
        for size in [256, 512, 1024, 2048, 4096] {
            let mut plan = Plan::default();
            let a = plan.scratch(MATRIX, &[size, size]);
            let weights = plan.scratch("ceiling: weights", &[size + 1, size]);
            let out = plan.scratch(RESULT, &[size, size]);
            let how = (engine.limits().tuning.product, Strands::ONE);
            plan.push(matmul::project("ceiling".into(), how, (size, size, size), a, weights, out));
            let cost = plan.cost();
            let seconds = match plan.checked(engine.limits()).and_then(|plan| fastest(engine, &plan, REPEATS)) {
                // A small device has its ceiling from the sizes that fit.
                Err(Error::Limit { .. }) if gflops > 0.0 => break,
                measured => measured?,
            };
            gflops = gflops.max(cost.operations / seconds / 1e9);
            if seconds > LONG_ENOUGH {
                break;
            }
        }
        let width = 1024;
        let count = COPIED / 4 / width;
        let mut plan = Plan::default();
        let ids = plan.upload("ceiling: ids", &[count], (0..count as u32).collect::<Vec<u32>>());
        let from = Columns::all(plan.scratch(MATRIX, &[count, width]), width);
        let to = Columns::all(plan.scratch(RESULT, &[count, width]), width);
        plan.push(gather_rows::dispatch("ceiling".into(), (count, width), ids, from, to));
        let plan = plan.checked(engine.limits())?;
        let seconds = fastest(engine, &plan, REPEATS)?;
        Ok(Ceilings { gflops, gbs: 8.0 * (count * width) as f64 / seconds / 1e9 })
    }

    /// The least seconds that work of this many operations and bytes can take.
    pub fn floor(&self, operations: f64, bytes: f64) -> f64 {
        (operations / self.gflops).max(bytes / self.gbs) / 1e9
    }
}
