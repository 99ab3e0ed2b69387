//! Writes the plans that the doctor checks, dispatch by dispatch, with what each finds in its buffers and what its twin leaves
//! there: for a WebGPU that is not wgpu's. `dawn.mjs` runs them.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use srnn::doctor::check_up;
use srnn::engine::cpu::{Cpu, DEFAULT_MEMORY};
use srnn::engine::{Engine, Pending, Reading, Timespan};
use srnn::kernel::{Access, Element};
use srnn::plan::{BufferName, Checked, Dispatch, Limits, Plan, Product, Tuning};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Contents of `plans.json`.
#[derive(Default, Serialize)]
struct Written {
    shaders: Vec<String>,
    dispatches: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    kernel: &'static str,
    place: String,
    /// A place in [`Written::shaders`].
    shader: usize,
    parameters: Vec<u32>,
    workgroups: [u32; 3],
    absolute: f64,
    relative: f64,
    bindings: Vec<Bound>,
}

#[derive(Serialize)]
struct Bound {
    name: &'static str,
    len: usize,
    /// What it holds before: the place of its first word in `words.bin`.
    before: usize,
    /// What the twin leaves there, if the kernel writes it.
    after: Option<usize>,
}

/// Writes `plans.json` and `words.bin`, 4 bytes a word and the lowest first, for a device of WebGPU's default limits that
/// computes products so.
///
/// # Errors
/// What srnn or the system says.
pub fn write(folder: &Path, product: Product) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let tuning = Tuning { product, ..Limits::webgpu_default().tuning };
    let words = BufWriter::new(File::create(folder.join("words.bin"))?);
    let mut recorder = Recorder {
        cpu: Cpu::new(DEFAULT_MEMORY),
        limits: Limits { tuning, ..Limits::webgpu_default() },
        words,
        count: 0,
        shaders: BTreeMap::new(),
        written: Written::default(),
        fault: None,
    };
    let findings = check_up(&mut recorder, &|_| true)?;
    ensure!(findings.iter().all(|finding| finding.outcome.is_ok()), "the twins do not agree with themselves");
    if let Some(fault) = recorder.fault {
        return Err(fault);
    }
    recorder.words.flush()?;
    let json = BufWriter::new(File::create(folder.join("plans.json"))?);
    serde_json::to_writer(json, &recorder.written)?;
    let (dispatches, shaders) = (recorder.written.dispatches.len(), recorder.written.shaders.len());
    println!("plans: {dispatches} dispatches of {shaders} shaders, {} MB", recorder.count * 4 / 1_000_000);
    Ok(())
}

/// A device for the doctor, which writes down what it is asked to do, and does it by the twins.
struct Recorder {
    cpu: Cpu,
    limits: Limits,
    words: BufWriter<File>,
    /// Words written.
    count: usize,
    /// Places in [`Written::shaders`].
    shaders: BTreeMap<String, usize>,
    written: Written,
    /// What the system said, as an engine has no such error.
    fault: Option<anyhow::Error>,
}

impl Recorder {
    /// Writes down a view's words, and where they stand.
    fn keep(&mut self, plan: &Plan, dispatch: &Dispatch, binding: usize) -> Result<usize> {
        let view = dispatch.bindings[binding];
        let words = self.cpu.read(plan.buffers[view.buffer.0].name, view.offset + view.len)?;
        for word in &words[view.offset..] {
            self.words.write_all(&word.to_le_bytes())?;
        }
        self.count += view.len;
        Ok(self.count - view.len)
    }

    fn record(&mut self, plan: &Checked) -> Result<()> {
        let [dispatch] = &plan.dispatches[..] else { anyhow::bail!("the doctor runs one dispatch at a time") };
        let kernel = dispatch.kernel;
        let each = || kernel.bindings.iter().enumerate();
        let mut bindings = Vec::new();
        for (at, spec) in each() {
            let before = self.keep(plan, dispatch, at)?;
            bindings.push(Bound { name: spec.name, len: dispatch.bindings[at].len, before, after: None });
        }
        self.cpu.run(plan)?;
        for (at, spec) in each().filter(|(_, spec)| spec.access == Access::Write) {
            ensure!(spec.element == Element::F32, "{} writes no floats into {}", kernel.name, spec.name);
            bindings[at].after = Some(self.keep(plan, dispatch, at)?);
        }
        let (source, next) = (kernel.source(&dispatch.constants), self.shaders.len());
        let shader = *self.shaders.entry(source.clone()).or_insert(next);
        if shader == next {
            self.written.shaders.push(source);
        }
        self.written.dispatches.push(Run {
            kernel: kernel.name,
            place: dispatch.place.clone(),
            shader,
            parameters: dispatch.parameters.clone(),
            workgroups: dispatch.workgroups,
            absolute: kernel.tolerance.absolute,
            relative: kernel.tolerance.relative,
            bindings,
        });
        Ok(())
    }
}

impl Engine for Recorder {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn run(&mut self, plan: &Checked) -> srnn::Result<()> {
        if self.fault.is_none() {
            self.fault = self.record(plan).context("writing down a dispatch").err();
        }
        Ok(())
    }

    fn begin_timed(&mut self, plan: &Checked) -> srnn::Result<Pending<Vec<Timespan>>> {
        self.cpu.begin_timed(plan)
    }

    fn write(&mut self, buffer: BufferName, words: &[u32]) -> srnn::Result<()> {
        self.cpu.write(buffer, words)
    }

    fn begin_read(&mut self, buffer: BufferName, len: usize) -> srnn::Result<Reading> {
        self.cpu.begin_read(buffer, len)
    }

    fn allocated(&self) -> u64 {
        self.cpu.allocated()
    }

    fn done(&mut self) -> Pending<()> {
        self.cpu.done()
    }
}
