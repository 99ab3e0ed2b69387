//! A plan: what an engine is to run, as pure data without any type of wgpu in it.
//!
//! A plan lists buffers (name, shape, role), what is uploaded into them, and dispatches (kernel, bindings,
//! constants, parameters, workgroups) in order. It can be printed, tested, checked against a device's limits and
//! costed without a GPU.

mod kernel;

pub use kernel::{Access, BY_CONSTANT, Binding, BindingSpec, Element, Field, Kernel};

use crate::error::{Error, LimitKind, Result, ensure};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;

/// What a buffer is for; it decides how long its contents live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights, optimiser moments, counters: contents stay from plan to plan; the size never changes.
    Persistent,
    /// Uploaded with each plan.
    Input,
    /// Written by the plan for the host, which may read it until a plan writes it again.
    Output,
    /// Contents are undefined before the plan writes them.
    Scratch,
}

/// A buffer's name on an engine, by which it is found again in the next plan: what it holds, and the how manyth of these
/// it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferName {
    /// What it holds, in words: `weights`.
    pub holds: &'static str,
    /// Which one of those that hold this, from 0.
    pub at: usize,
}

impl BufferName {
    /// The only buffer that holds this.
    pub const fn of(holds: &'static str) -> BufferName {
        BufferName { holds, at: 0 }
    }
}

impl fmt::Display for BufferName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            0 => f.write_str(self.holds),
            at => write!(f, "{} {}", self.holds, at + 1),
        }
    }
}

/// One buffer of 4-byte elements (`f32` or `u32`, as its kernels declare).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSpec {
    /// Its name on the engine.
    pub name: BufferName,
    /// Sizes in elements, the outermost first.
    pub shape: Vec<usize>,
    /// How long its contents live.
    pub role: Role,
}

impl BufferSpec {
    /// Number of 4-byte elements; at least 1, as no device binds an empty buffer.
    pub fn len(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }

    /// Always false: see [`BufferSpec::len`].
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// A buffer's place in [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// Part of a buffer: `len` elements from element `offset` on. Offsets are multiples of [`ALIGNMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The buffer of the plan that it lies in.
    pub buffer: BufferId,
    /// The first element, from 0.
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
}

impl View {
    /// A binding that a variant of a kernel does not touch.
    pub const NONE: View = View { buffer: BufferId(usize::MAX), offset: 0, len: 1 };

    /// The first `len` elements.
    pub fn first(self, len: usize) -> View {
        View { len, ..self }
    }
}

/// Views begin at multiples of this many elements: 256 bytes, the largest alignment that WebGPU lets a device ask for.
pub const ALIGNMENT: usize = 64;

/// Bytes of the largest binding on any engine: kernels count elements in 32 bits.
pub const MOST_BYTES: u64 = 4 * u32::MAX as u64;

/// One run of one kernel.
#[derive(Clone)]
pub struct Dispatch {
    /// What runs.
    pub kernel: &'static Kernel,
    /// Where in the network it stands, for messages: `level 0 forward`.
    pub place: String,
    /// One view per binding of the kernel, in its order.
    pub bindings: Vec<View>,
    /// Shape constants, compiled into the shader.
    pub constants: Vec<(&'static str, u32)>,
    /// Run-time numbers (the bits of `f32` or `u32`), in the order of the shader's uniform.
    pub parameters: Vec<u32>,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
    /// Floating-point operations, and bytes that must cross the memory bus at least once.
    pub cost: Cost,
}

impl Dispatch {
    /// A shape constant by name.
    ///
    /// # Panics
    /// If the dispatch was made without it: a mistake in this crate.
    pub fn constant(&self, name: &str) -> usize {
        self.constants.iter().find(|(n, _)| *n == name).expect("constant of the kernel").1 as usize
    }
}

/// What work costs on any machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations, a multiplication and an addition counted as two.
    pub operations: f64,
    /// Bytes that must cross the memory bus at least once.
    pub bytes: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.operations += other.operations;
        self.bytes += other.bytes;
    }
}

/// What a device can do, in WebGPU's terms; a plan is checked against it before it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The device's name, for messages.
    pub device: String,
    /// Bytes of one storage binding.
    pub binding: u64,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Storage buffers of one dispatch.
    pub storage_buffers: u32,
    /// Workgroups along one dimension.
    pub workgroups: u32,
    /// Bytes of all buffers of a plan together.
    pub memory: u64,
    /// Floating-point operations of one recurrence dispatch; longer ones are split along time, as desktop watchdogs
    /// kill work that runs for seconds.
    pub dispatch_operations: f64,
    /// How work is best cut, measured or by the kind of adapter.
    pub tuning: Tuning,
}

/// How work is best cut for a device, as far as no limit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Workgroups that fill the device: rows of a recurrence share workgroups only as far as so many are left.
    pub workgroups: usize,
    /// How inner products are computed.
    pub product: Product,
}

/// How the shaders compute inner products along H, and bring matrix products their tiles: number by number, or asking for all
/// of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Two terms at a time: for software adapters, which wait for no load and whose compilers take seconds for long
    /// code.
    Paired,
    /// Sixteen terms at a time, whose weights are asked for together.
    Chunked,
    /// The forward pass holds U in registers from the first step to the last, where the cell has one matrix, 16 numbers of a
    /// column a thread are enough and workgroup memory has room for the sums; the rest is chunked.
    Held,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Product::Paired => "paired",
            Product::Chunked => "chunked",
            Product::Held => "held",
        })
    }
}

impl Product {
    /// All of them.
    pub const ALL: [Product; 3] = [Product::Paired, Product::Chunked, Product::Held];

    /// Terms at a time; see `shaders/chunks/`.
    pub fn chunk(self) -> usize {
        if self == Product::Paired { 2 } else { CHUNK }
    }
}

/// Terms of a product at a time, unless these are two.
pub(crate) const CHUNK: usize = 16;

impl Limits {
    /// WebGPU's default limits, those that every conforming device has.
    pub fn webgpu_default() -> Limits {
        Limits {
            device: "WebGPU's default limits".into(),
            binding: 128 << 20,
            workgroup_memory: 16 << 10,
            storage_buffers: 8,
            workgroups: 65_535,
            memory: 1 << 30,
            dispatch_operations: 4e9,
            tuning: Tuning { workgroups: 1, product: Product::Chunked },
        }
    }
}

/// Buffers, uploads and dispatches, in the order in which an engine takes them.
#[derive(Clone, Default)]
pub struct Plan<'b> {
    /// Every buffer that the dispatches bind; a [`BufferId`] is a place here.
    pub buffers: Vec<BufferSpec>,
    /// The plan's own words, or those of the batch `'b` that it was made for.
    pub uploads: Vec<(BufferId, Cow<'b, [u32]>)>,
    /// The work, each after the one before it.
    pub dispatches: Vec<Dispatch>,
    places: HashMap<BufferName, BufferId>,
    /// How many buffers that hold this are in use.
    used: BTreeMap<&'static str, usize>,
    /// A buffer that was asked for in two roles.
    fault: Option<(BufferName, [Role; 2])>,
}

/// A moment of planning: which scratch is in use.
pub struct Mark(BTreeMap<&'static str, usize>);

/// A plan that fits its kernels and a device's limits.
pub struct Checked<'b>(Plan<'b>);

impl<'b> Deref for Checked<'b> {
    type Target = Plan<'b>;
    fn deref(&self) -> &Plan<'b> {
        &self.0
    }
}

impl<'b> Plan<'b> {
    /// The next buffer that holds this. Those that were released are used again, and grow to the largest shape
    /// asked for.
    fn next(&mut self, holds: &'static str, shape: &[usize], role: Role) -> View {
        let used = self.used.entry(holds).or_default();
        let name = BufferName { holds, at: *used };
        *used += 1;
        self.named(name, shape, role)
    }

    /// The buffer of this name.
    fn named(&mut self, name: BufferName, shape: &[usize], role: Role) -> View {
        let len = shape.iter().product::<usize>();
        let buffer = match self.places.get(&name) {
            Some(&buffer) => {
                let spec = &mut self.buffers[buffer.0];
                if spec.role != role {
                    self.fault = Some((name, [spec.role, role]));
                }
                if len > spec.len() {
                    spec.shape = shape.to_vec();
                }
                buffer
            }
            None => {
                let buffer = BufferId(self.buffers.len());
                self.buffers.push(BufferSpec { name, shape: shape.to_vec(), role });
                self.places.insert(name, buffer);
                buffer
            }
        };
        View { buffer, offset: 0, len: len.max(1) }
    }

    /// Where planning stands, for [`Plan::release`].
    pub fn mark(&self) -> Mark {
        Mark(self.used.clone())
    }

    /// Lets the scratch that was asked for since `mark` be used again by what is planned from here on.
    pub fn release(&mut self, mark: Mark) {
        self.used = mark.0;
    }

    /// The same buffers with other work, and nothing uploaded into them.
    pub fn with(&self, dispatches: Vec<Dispatch>) -> Plan<'static> {
        let (buffers, places) = (self.buffers.clone(), self.places.clone());
        Plan { buffers, uploads: vec![], dispatches, places, used: self.used.clone(), fault: self.fault }
    }

    /// The whole of the persistent buffer of this name.
    pub fn persistent(&mut self, name: BufferName, shape: &[usize]) -> View {
        self.named(name, shape, Role::Persistent)
    }

    /// The whole of the output of this name; outputs of micro-batches follow one another in the same buffer, one at a time.
    pub fn output(&mut self, name: BufferName, shape: &[usize]) -> View {
        self.named(name, shape, Role::Output)
    }

    /// A scratch buffer.
    pub fn scratch(&mut self, holds: &'static str, shape: &[usize]) -> View {
        self.next(holds, shape, Role::Scratch)
    }

    /// An input buffer, and its upload.
    pub fn upload(&mut self, holds: &'static str, shape: &[usize], data: impl Into<Cow<'b, [u32]>>) -> View {
        let data = data.into();
        debug_assert_eq!(shape.iter().product::<usize>(), data.len(), "{holds}");
        // Never one that is in use already: all uploads are made before anything runs.
        let at = self.uploads.iter().filter(|(buffer, _)| self.buffers[buffer.0].name.holds == holds).count();
        let view = self.named(BufferName { holds, at }, shape, Role::Input);
        self.uploads.push((view.buffer, data));
        view
    }

    /// Adds a dispatch; bindings that it does not touch get buffers that nothing else uses.
    pub fn push(&mut self, mut dispatch: Dispatch) {
        let untouched = dispatch.bindings.iter_mut().filter(|view| **view == View::NONE);
        for (at, view) in untouched.enumerate() {
            *view = self.named(BufferName { holds: "nothing", at }, &[1], Role::Scratch);
        }
        self.dispatches.push(dispatch);
    }

    /// Bytes of all buffers together.
    pub fn memory(&self) -> u64 {
        self.buffers.iter().map(|b| 4 * b.len() as u64).sum()
    }

    /// Operations and bytes of all dispatches together.
    pub fn cost(&self) -> Cost {
        let mut total = Cost::default();
        for dispatch in &self.dispatches {
            total += dispatch.cost;
        }
        total
    }

    /// The plan, checked: see [`Plan::check`].
    ///
    /// # Errors
    /// Those of [`Plan::check`].
    pub fn checked(self, limits: &Limits) -> Result<Checked<'b>> {
        self.check(limits)?;
        Ok(Checked(self))
    }

    /// Checks every dispatch against its kernel's declaration and against `limits`.
    ///
    /// # Errors
    /// [`Error::Plan`] for a dispatch that does not fit its kernel or its buffers, [`Error::Limit`] for work that
    /// does not fit the device.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        // Names are made only for errors: a plan is checked at every step.
        let over = |what: &dyn Fn() -> String, needed, limit, kind| {
            let device = || limits.device.clone();
            ensure!(needed <= limit, Error::Limit { what: what(), needed, limit, device: device(), kind });
            Ok(())
        };
        if let Some((name, [one, other])) = self.fault {
            let problem = format!("is asked for as {one:?} and as {other:?}");
            return Err(Error::Plan { operation: format!("buffer `{name}`"), problem });
        }
        for (buffer, data) in &self.uploads {
            let spec = &self.buffers[buffer.0];
            let problem = || format!("upload of {} elements into {:?}", data.len(), spec.shape);
            let operation = || spec.name.to_string();
            ensure!(data.len() <= spec.len(), Error::Plan { operation: operation(), problem: problem() });
        }
        for dispatch in &self.dispatches {
            self.check_bindings(dispatch)?;
            let operation = || format!("`{}` ({})", dispatch.kernel.name, dispatch.place);
            for (view, binding) in dispatch.bindings.iter().zip(dispatch.kernel.bindings) {
                let name = self.buffers[view.buffer.0].name;
                let what = || format!("{}: buffer `{name}` {}", operation(), binding.shape);
                over(&what, 4 * view.len as u64, limits.binding, LimitKind::Buffer)?;
            }
            let buffers = dispatch.bindings.len() as u32;
            let workgroups = dispatch.workgroups.into_iter().max().unwrap_or(0);
            let memory = (dispatch.kernel.workgroup_memory)(dispatch);
            for (what, needed, limit, kind) in [
                ("the number of storage buffers", buffers, limits.storage_buffers, LimitKind::Buffers),
                ("the number of workgroups", workgroups, limits.workgroups, LimitKind::Workgroups),
                ("workgroup memory", memory, limits.workgroup_memory, LimitKind::WorkgroupMemory),
            ] {
                over(&|| format!("{}: {what}", operation()), needed.into(), limit.into(), kind)?;
            }
        }
        over(&|| "the smallest micro-batch".into(), self.memory(), limits.memory, LimitKind::Memory)
    }

    fn check_bindings(&self, dispatch: &Dispatch) -> Result<()> {
        let (kernel, bindings) = (dispatch.kernel, &dispatch.bindings);
        let operation = || format!("`{}` ({})", kernel.name, dispatch.place);
        let wrong = |problem: String| Error::Plan { operation: operation(), problem };
        let counts = [bindings.len(), kernel.bindings.len()];
        ensure!(counts[0] == counts[1], wrong(format!("{} bindings for {} declared", counts[0], counts[1])));
        for (at, (view, declared)) in bindings.iter().zip(kernel.bindings).enumerate() {
            let (spec, begin, end) = (&self.buffers[view.buffer.0], view.offset, view.offset + view.len);
            let (BindingSpec { name, shape, .. }, BufferSpec { name: buffer, shape: sizes, .. }) = (declared, spec);
            let within = view.len > 0 && end <= spec.len() && begin.is_multiple_of(ALIGNMENT);
            let other = || format!("`{name}` {shape}: elements {begin}..{end} of a buffer `{buffer}` {sizes:?}");
            ensure!(within, wrong(other()));
            let alone = || bindings.iter().enumerate().all(|(other, v)| other == at || v.buffer != view.buffer);
            let free = declared.access == Access::Read || alone();
            ensure!(free, wrong(format!("`{name}` writes buffer `{buffer}`, which another binding uses too")));
        }
        Ok(())
    }
}

impl fmt::Display for Plan<'_> {
    /// A table of buffers and dispatches, for reading.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for spec in &self.buffers {
            writeln!(f, "buffer {:<24} {:?} {:?}", spec.name.to_string(), spec.shape, spec.role)?;
        }
        for d in &self.dispatches {
            let names: Vec<String> = d.bindings.iter().map(|v| self.buffers[v.buffer.0].name.to_string()).collect();
            writeln!(
                f,
                "{:<22} {:<28} {:?} {} ({:.3} GFLOP)",
                d.kernel.name,
                d.place,
                d.workgroups,
                names.join(" "),
                d.cost.operations / 1e9
            )?;
        }
        let cost = self.cost();
        write!(
            f,
            "{} dispatches, {:.3} GFLOP, {:.1} MB moved, {:.1} MB of buffers",
            self.dispatches.len(),
            cost.operations / 1e9,
            cost.bytes / 1e6,
            self.memory() as f64 / 1e6
        )
    }
}
