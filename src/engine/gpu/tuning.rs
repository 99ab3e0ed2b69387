//! How many workgroups fill a device, and how its inner products are computed: by its kind, or as `srnn tune` measured it
//! and remembered in the cache.

use super::adapter::{self, Adapter};
use super::cache;
use crate::engine::{Engine, fastest};
use crate::error::Result;
use crate::kernel::cell::{Cell, Reset};
use crate::kernel::recurrence::{self, BackwardViews, ForwardViews, LANES, Recurrence, Span};
use crate::plan::{Limits, Plan, Product, Tuning, View};
use std::collections::BTreeMap;
use std::path::PathBuf;
use wgpu::{AdapterInfo, DeviceType};

/// What is known before anything is measured.
fn by_kind(adapter: &AdapterInfo) -> Tuning {
    // A software adapter has few threads: four rows to a workgroup serve it best, however few there are. A discrete GPU
    // has 20 to 150 processors, each of which runs a workgroup or more at a time.
    let (workgroups, product) = match adapter.device_type {
        _ if adapter::is_software(adapter) => (1, Product::Paired),
        DeviceType::DiscreteGpu | DeviceType::VirtualGpu => (128, Product::Held),
        _ => (16, Product::Held),
    };
    Tuning { workgroups, product }
}

/// The tuning of an adapter: what was remembered, otherwise by its kind.
pub(super) fn of(adapter: &AdapterInfo) -> Tuning {
    match cache::path(FILE).and_then(|path| remembered(&path).remove(&key(adapter))) {
        Some(tuning) => {
            log::info!("{}: {} workgroups fill it, as was measured", adapter::title(adapter), tuning.workgroups);
            tuning
        }
        None => by_kind(adapter),
    }
}

/// Keeps a tuning for all devices that are opened on this adapter later. Gives the file, or `None` if the cache is off
/// or could not be written.
pub fn remember(adapter: &Adapter, tuning: Tuning) -> Option<PathBuf> {
    let path = cache::path(FILE)?;
    let mut all = remembered(&path);
    all.insert(key(&adapter.info), tuning);
    let text = serde_json::to_string_pretty(&all).expect("names and numbers");
    cache::write(&path, text.as_bytes()).then_some(path)
}

const FILE: &str = "tuning.json";

/// Another driver may be faster elsewhere.
fn key(adapter: &AdapterInfo) -> String {
    format!("{}, {}", adapter::title(adapter), adapter::driver(adapter))
}

fn remembered(path: &std::path::Path) -> BTreeMap<String, Tuning> {
    let Some(contents) = cache::read(path) else { return BTreeMap::new() };
    serde_json::from_slice(&contents).unwrap_or_else(|error| {
        log::warn!("{}: no tunings could be read: {error}", path.display());
        BTreeMap::new()
    })
}

/// A level of `rows` rows, with every [`Product`] in turn, and as many rows to a workgroup as [`LANES`] says.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Hidden units, H.
    pub hidden: usize,
    /// Rows of the level, R.
    pub rows: usize,
    /// Seconds, forward and backward together.
    pub seconds: [[f64; LANES.len()]; Product::ALL.len()],
}

/// Steps of every row.
const STEPS: usize = 8;

/// Repeats, of which the fastest counts.
const REPEATS: usize = 5;

/// Seconds after which a hidden size gets no more rows: by then the device is full.
const PATIENCE: f64 = 0.1;

/// Times the recurrence on a device, for few rows and many.
///
/// # Errors
/// What the engine says.
pub fn measure(engine: &mut dyn Engine) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for hidden in [50, 128] {
        for rows in [1, 8, 32, 128, 512, 2048] {
            let mut seconds = [[0.0; LANES.len()]; Product::ALL.len()];
            for (at, wanted) in Product::ALL.into_iter().enumerate() {
                let limits = with(Tuning { product: wanted, ..engine.limits().tuning }, engine.limits());
                for (lane, lanes) in LANES.into_iter().enumerate() {
                    let product = gru().product(lanes, hidden, &limits);
                    // Where U cannot be held, its place is taken by one that was measured before.
                    seconds[at][lane] = if product == wanted {
                        let span = Span { lanes, product, ..Span::whole(rows, rows * STEPS, STEPS, hidden) };
                        let plan = recurrence(span).checked(engine.limits())?;
                        fastest(engine, &plan, REPEATS)?
                    } else {
                        seconds[place(&Product::ALL, &product)][lane]
                    };
                }
            }
            all.push(Measured { hidden, rows, seconds });
            if seconds.as_flattened().iter().any(|&own| own > PATIENCE) {
                break;
            }
        }
    }
    Ok(all)
}

/// The plan of a level's recurrence, forward and backward, over rows of equal length.
fn recurrence(span: Span) -> Plan<'static> {
    let mut plan = Plan::default();
    let Span { rows: count, steps, hidden, .. } = span;
    let list: Vec<u32> = (0..count as u32).flat_map(|row| [row * STEPS as u32, STEPS as u32]).collect();
    let rows = plan.upload("tuning: rows", &[count, 2], list);
    let gates = plan.scratch("tuning: gates", &[steps, 3 * hidden]);
    let weights = plan.scratch("tuning: weights", &[hidden + 1, 3 * hidden]);
    let tape = plan.scratch("tuning: tape", &[steps, 5 * hidden]);
    let states = plan.scratch("tuning: states", &[count, hidden]);
    let [slots, outputs, memories, outputs_gradient, memories_gradient] = [View::NONE; 5];
    let views = ForwardViews { rows, slots, gates, weights, tape, states, outputs, memories };
    plan.push(recurrence::forward_dispatch(gru(), "forward".into(), span, true, views));
    let [weights_transposed, states_gradient] = [weights, states];
    let views = BackwardViews { rows, weights_transposed, outputs_gradient, tape, states_gradient, memories_gradient };
    plan.push(recurrence::backward_dispatch(gru(), "backward".into(), span, [true, false], views));
    plan
}

/// The cell that is measured.
fn gru() -> &'static Recurrence {
    Cell::Gru.recurrence(Reset::After).expect("a GRU has this reset")
}

/// The tuning that loses least against the best choice of each measurement.
pub fn choose(measured: &[Measured], limits: &Limits) -> Tuning {
    let least = |m: &Measured| m.seconds.as_flattened().iter().copied().fold(f64::MAX, f64::min);
    let lost = |tuning: &Tuning| -> f64 {
        let own = |m: &Measured| {
            let (lanes, seconds) = m.taken(tuning, limits);
            seconds[lanes] / least(m)
        };
        measured.iter().map(own).sum()
    };
    let candidates = Product::ALL
        .into_iter()
        .flat_map(|product| (0..=11).map(move |power| Tuning { workgroups: 1 << power, product }));
    candidates.min_by(|a, b| lost(a).total_cmp(&lost(b))).expect("candidates")
}

/// The limits with another tuning.
fn with(tuning: Tuning, limits: &Limits) -> Limits {
    Limits { tuning, ..limits.clone() }
}

fn place<T: PartialEq>(all: &[T], own: &T) -> usize {
    all.iter().position(|other| other == own).expect("one of the choices")
}

impl Measured {
    /// What a tuning takes: the place in [`LANES`], and the seconds of all of these with its product.
    pub fn taken(&self, tuning: &Tuning, limits: &Limits) -> (usize, &[f64; LANES.len()]) {
        let lanes = gru().lanes((self.rows, 1), self.hidden, &with(*tuning, limits));
        (place(&LANES, &lanes), &self.seconds[place(&Product::ALL, &tuning.product)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fastest_is_chosen() {
        let limits = Limits::webgpu_default();
        // A device with room for 32 workgroups: rounds of work, the longer the more lanes, and the shorter the later the product.
        let seconds = |rows: usize| {
            let rounds = |lanes: usize| (rows.div_ceil(lanes).div_ceil(32) * (2 + lanes)) as f64;
            [3.0, 2.0, 1.0].map(|slowness| LANES.map(|lanes| slowness * rounds(lanes)))
        };
        let of = |rows| Measured { hidden: 50, rows, seconds: seconds(rows) };
        let measured: Vec<Measured> = [1, 8, 32, 128, 512, 2048].map(of).to_vec();
        let tuning = choose(&measured, &limits);
        for own in &measured {
            let best = own.seconds.as_flattened().iter().copied().fold(f64::MAX, f64::min);
            let (lanes, seconds) = own.taken(&tuning, &limits);
            assert_eq!(seconds[lanes], best, "{own:?} with {tuning:?}");
        }
        // Where four lanes cost as much as one, they are always taken, and the first of equal products.
        let flat: Vec<Measured> = measured.iter().map(|m| Measured { seconds: [[1.0; 3]; 3], ..m.clone() }).collect();
        assert_eq!(choose(&flat, &limits), Tuning { workgroups: 1, product: Product::Paired });
    }
}
