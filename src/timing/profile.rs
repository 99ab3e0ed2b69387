//! Where the time of a step goes: every dispatch timed on the device.

use super::median;
use crate::engine::Engine;
use crate::error::Result;
use crate::plan::Checked;
use serde::Serialize;

/// One dispatch of a plan, over several timed runs.
#[derive(Clone, Debug, Serialize)]
pub struct DispatchTime {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Where in the network it stands: `level 0 forward`.
    pub place: String,
    /// The median of its seconds.
    pub seconds: f64,
    /// Floating-point operations of one run.
    pub operations: f64,
    /// Bytes that one run must move at least.
    pub bytes: f64,
}

/// Runs a plan `repeats` times, at least once, and times its dispatches. On a GPU the plan's passes are timed one by one.
///
/// # Errors
/// [`Error::Missing`](crate::Error::Missing) if the device cannot tell the time, and what else it says.
pub fn profile(engine: &mut dyn Engine, plan: &Checked, repeats: usize) -> Result<Vec<DispatchTime>> {
    let runs = (0..repeats.max(1)).map(|_| engine.run_timed(plan)).collect::<Result<Vec<_>>>()?;
    let time = |(at, dispatch): (usize, &crate::plan::Dispatch)| {
        let mut seconds: Vec<f64> = runs.iter().map(|run| run[at].end - run[at].begin).collect();
        DispatchTime {
            kernel: dispatch.kernel.name,
            place: dispatch.place.clone(),
            seconds: median(&mut seconds),
            operations: dispatch.cost.operations,
            bytes: dispatch.cost.bytes,
        }
    };
    Ok(plan.dispatches.iter().enumerate().map(time).collect())
}

/// Profiles by name as a Chrome trace (`chrome://tracing`, Perfetto): JSON with one process per profile, whose
/// dispatches follow one another without a gap.
#[cfg(feature = "command")]
pub fn chrome_trace(profiles: &[(String, Vec<DispatchTime>)]) -> serde_json::Value {
    let mut events = Vec::new();
    for (process, (name, dispatches)) in profiles.iter().enumerate() {
        events.push(serde_json::json!({
            "name": "process_name", "ph": "M", "pid": process, "args": { "name": name },
        }));
        let mut begin = 0.0;
        for dispatch in dispatches {
            events.push(serde_json::json!({
                "name": dispatch.place, "cat": dispatch.kernel, "ph": "X", "pid": process, "tid": 0,
                "ts": 1e6 * begin, "dur": 1e6 * dispatch.seconds,
                "args": { "kernel": dispatch.kernel, "operations": dispatch.operations, "bytes": dispatch.bytes },
            }));
            begin += dispatch.seconds;
        }
    }
    serde_json::json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}
