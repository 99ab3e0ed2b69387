//! The CPU engine: calls each kernel's twin with the same bindings in the same order.

use super::words::Words;
use super::{Engine, Pending, Reading, Timespan, ready};
use crate::error::{Error, Result, ensure};
use crate::kernel::{Access, Binding, threads};
use crate::plan::{BindingSpec, BufferName, Checked, Cost, Dispatch, Limits, MOST_BYTES, Role, View};
use std::collections::HashMap;
use web_time::Instant;

/// Default budget for the buffers of one step.
pub const DEFAULT_MEMORY: u64 = 4 << 30;

/// A plan of no more work than this runs on the calling thread alone: a thread that sleeps takes some 50 µs to wake, and
/// waking it costs the caller another 15 at every kernel.
const SMALL: Cost = Cost { operations: 20e6, bytes: 4e6 };

/// Lets the calling thread work in rayon's pool itself, instead of waking another thread and waiting for it: some 50 µs
/// less for every plan. For the main thread of a program, before anything has used the pool; says whether it was so.
pub fn join_pool() -> bool {
    rayon::ThreadPoolBuilder::new().use_current_thread().build_global().is_ok()
}

/// Runs plans on the threads of rayon's pool.
pub struct Cpu {
    limits: Limits,
    buffers: HashMap<BufferName, Words>,
    /// Plans of no more work run on the calling thread alone.
    small: Cost,
}

impl Cpu {
    /// An engine whose plans may use `memory` bytes.
    pub fn new(memory: u64) -> Cpu {
        let device = format!("the CPU engine ({} threads)", rayon::current_num_threads());
        let limits = Limits {
            device,
            binding: MOST_BYTES,
            workgroup_memory: u32::MAX,
            storage_buffers: u32::MAX,
            workgroups: u32::MAX,
            memory,
            dispatch_operations: f64::INFINITY,
            ..Limits::webgpu_default()
        };
        Cpu { limits, buffers: HashMap::new(), small: SMALL }
    }

    /// The same engine, but plans are shared among the threads however small they are: so that tests on small shapes
    /// see how work is handed out.
    pub fn sharing_all(self) -> Cpu {
        Cpu { small: Cost { operations: -1.0, bytes: -1.0 }, ..self }
    }
}

impl Engine for Cpu {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn hold(&mut self, bytes: u64) {
        self.limits.memory = self.limits.memory.saturating_sub(bytes);
        self.limits.device += &format!(", beside {} of data,", bytesize::ByteSize(bytes));
    }

    fn run(&mut self, plan: &Checked) -> Result<()> {
        // To look at the clock twice a dispatch costs nothing.
        self.begin_timed(plan).map(drop)
    }

    fn begin_timed(&mut self, plan: &Checked) -> Result<Pending<Vec<Timespan>>> {
        for spec in plan.buffers.iter().filter(|spec| spec.role == Role::Persistent) {
            let fits = self.buffers.get(&spec.name).is_none_or(|words| words.len() >= spec.len());
            ensure!(fits, buffer_error(spec.name, "a persistent buffer cannot grow"));
        }
        // Out of the map for the length of the plan, so that dispatches find them by index.
        let mut buffers: Vec<Words> = Vec::with_capacity(plan.buffers.len());
        for spec in &plan.buffers {
            let words = self.buffers.remove(&spec.name).filter(|words| words.len() >= spec.len());
            buffers.push(words.unwrap_or_else(|| Words::zeros(spec.len())));
        }
        for (buffer, data) in &plan.uploads {
            buffers[buffer.0][..data.len()].copy_from_slice(data);
        }
        let start = Instant::now();
        let mut times = Vec::with_capacity(plan.dispatches.len());
        let mut all = || {
            for dispatch in &plan.dispatches {
                let begin = start.elapsed().as_secs_f64();
                run_twin(dispatch, &mut buffers);
                times.push(Timespan { begin, end: start.elapsed().as_secs_f64() });
            }
        };
        let Cost { operations, bytes } = plan.cost();
        if operations <= self.small.operations && bytes <= self.small.bytes {
            threads::alone(all);
        } else {
            // Within the pool, so that threads are woken once a plan, not once a dispatch.
            rayon::scope(|_| all());
        }
        for (spec, words) in plan.buffers.iter().zip(buffers) {
            self.buffers.insert(spec.name, words);
        }
        Ok(ready(Ok(times)))
    }

    fn write(&mut self, buffer: BufferName, words: &[u32]) -> Result<()> {
        match self.buffers.get_mut(&buffer) {
            Some(own) if own.len() >= words.len() => own[..words.len()].copy_from_slice(words),
            _ => drop(self.buffers.insert(buffer, Words::copied(words))),
        }
        Ok(())
    }

    fn begin_read(&mut self, buffer: BufferName, len: usize) -> Result<Reading> {
        let words = self.buffers.get(&buffer).ok_or_else(|| buffer_error(buffer, "no such buffer"))?;
        ensure!(words.len() >= len, buffer_error(buffer, &format!("{len} elements asked of {}", words.len())));
        Ok(ready(Ok(words[..len].to_vec())))
    }

    fn allocated(&self) -> u64 {
        self.buffers.values().map(|words| 4 * words.len() as u64).sum()
    }

    fn done(&mut self) -> Pending<()> {
        ready(Ok(()))
    }
}

/// What is wrong with a buffer.
pub(super) fn buffer_error(buffer: BufferName, problem: &str) -> Error {
    Error::Plan { operation: format!("buffer `{buffer}`"), problem: problem.into() }
}

fn run_twin(dispatch: &Dispatch, buffers: &mut [Words]) {
    let (kernel, views) = (dispatch.kernel, &dispatch.bindings);
    // Written buffers are taken out while the twin runs; the plan's check saw to it that no other binding uses them.
    let take = |(view, spec): (&View, &BindingSpec)| {
        (spec.access == Access::Write).then(|| std::mem::take(&mut buffers[view.buffer.0]))
    };
    let mut written: Vec<Option<Words>> = views.iter().zip(kernel.bindings).map(take).collect();
    let mut bindings = Vec::with_capacity(views.len());
    for (view, own) in views.iter().zip(&mut written) {
        let range = view.offset..view.offset + view.len;
        bindings.push(match own {
            Some(words) => Binding::Write(&mut words[range]),
            None => Binding::Read(&buffers[view.buffer.0][range]),
        });
    }
    (kernel.twin)(dispatch, &mut bindings);
    for (view, own) in views.iter().zip(written) {
        if let Some(words) = own {
            buffers[view.buffer.0] = words;
        }
    }
}
