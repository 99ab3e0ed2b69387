//! The table of what AMD's compiler makes of the usual shaders, kept in the repository so that nothing gets worse unseen.

use crate::amd::{NullDevice, Statistics};
use crate::cycles::cycles;
use crate::variants::{Variant, variants};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// One of each generation since 2016: GCN 4, GCN 5, RDNA 1, 2, 3 and 4.
const FAMILIES: [&str; 6] = ["polaris10", "vega10", "navi10", "navi21", "navi31", "gfx1201"];

/// The family whose cycles are modelled, and that every shader is compiled for, if more than those of usual networks are.
const THOROUGH: &str = "navi31";

/// The least that must be compiled, so that a run that found nothing to do is no success.
const LEAST: usize = 1000;

/// What is kept of a shader; `driver` is that of Mesa.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    family: String,
    kernel: String,
    constants: String,
    vector_registers: u64,
    /// Scalar registers that are kept in vector registers for want of room, which costs no memory.
    scalars_in_vectors: u64,
    /// Waves that a SIMD holds at a time.
    occupancy: u64,
    /// Bytes.
    workgroup_memory: u64,
    instructions: u64,
    /// Bytes.
    code: u64,
    /// Cycles of a wave, and cycles that it keeps its SIMD busy, by ACO's own estimate, which weighs loops by their depth.
    latency: u64,
    inverse_throughput: u64,
    /// Cycles of one step of a recurrence, or of one slab of the matrix product, by the model of [`cycles`](crate::cycles), which
    /// knows a loop that waits for each load; 0 for other shaders, and for other families than [`THOROUGH`].
    step: u64,
}

impl Row {
    fn key(&self) -> [&str; 3] {
        [&self.family, &self.kernel, &self.constants]
    }

    /// Figures of which more is worse.
    fn costs(&self) -> [(&'static str, u64); 8] {
        [
            ("scalar registers in vector registers", self.scalars_in_vectors),
            ("vector registers", self.vector_registers),
            ("bytes of workgroup memory", self.workgroup_memory),
            ("instructions", self.instructions),
            ("bytes of code", self.code),
            ("cycles of latency", self.latency),
            ("cycles of inverse throughput", self.inverse_throughput),
            ("cycles of a step", self.step),
        ]
    }
}

/// What one child found: the driver, the rows of the usual shaders, how many were compiled, and what spills.
#[derive(Default)]
struct Found {
    driver: String,
    rows: Vec<Row>,
    compiled: usize,
    spills: Vec<String>,
}

/// Compiles variants for one family and prints what was found; the environment names the family.
pub fn print_family(family: &str, all: bool) -> Result<()> {
    let device = NullDevice::open()?;
    let (mut variants, _) = variants()?;
    variants.retain(|variant| variant.usual || (all && family == THOROUGH));
    ensure!(
        spills(&device.statistics(&greedy(), 1)?)? > 0,
        "{family}: more live numbers than registers, and nothing is spilled"
    );
    println!("driver\t{}", device.driver);
    println!("compiled\t{}", variants.len());
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').has_headers(false).from_writer(std::io::stdout());
    for variant in &variants {
        let figures = device.statistics(&variant.source(), variant.kernel.bindings.len());
        let figures = figures.with_context(|| format!("{} on {family}", variant.file()))?;
        if spills(&figures)? > 0 {
            println!("spill\t{family}: {} {}", variant.kernel.name, variant.constants());
        }
        if variant.tabled() {
            let modelled = family == THOROUGH && (variant.kernel.name == "matmul" || variant.recurrent());
            let step = if modelled { cycles(variant, &device.assembly(variant)?)? } else { 0 };
            writer.serialize(("row", row(family, variant, &figures, step)?))?;
            writer.flush()?;
        }
    }
    Ok(())
}

/// A shader that is broken on purpose: its numbers are all needed at the end, and more than any family has registers for.
fn greedy() -> String {
    let count = 600;
    let loads: String = (0..count).map(|at| format!("    let x{at} = to[64u * {at}u + thread];\n")).collect();
    let stores: String =
        (0..count).map(|at| format!("    to[64u * {at}u + thread] = x{at} * x{};\n", count - 1 - at)).collect();
    format!(
        "@group(0) @binding(0) var<storage, read_write> to: array<f32>;\n@compute @workgroup_size(64)\n\
         fn main(@builtin(local_invocation_index) thread: u32) {{\n{loads}    storageBarrier();\n{stores}}}\n"
    )
}

/// Vector registers that are spilled, and bytes of scratch.
fn spills(figures: &Statistics) -> Result<u64> {
    Ok(figure(figures, "Spilled VGPRs")? + figure(figures, "Scratch size")?)
}

fn figure(figures: &Statistics, name: &str) -> Result<u64> {
    figures.get(name).copied().with_context(|| format!("the driver has no figure `{name}`"))
}

fn row(family: &str, variant: &Variant, figures: &Statistics, step: u64) -> Result<Row> {
    let figure = |name: &str| figure(figures, name);
    Ok(Row {
        family: family.into(),
        kernel: variant.kernel.name.into(),
        constants: variant.constants(),
        vector_registers: figure("VGPRs")?,
        scalars_in_vectors: figure("Spilled SGPRs")?,
        occupancy: figure("Subgroups per SIMD")?,
        workgroup_memory: figure("LDS size")?,
        instructions: figure("Instructions")?,
        code: figure("Code size")?,
        latency: figure("Latency")?,
        inverse_throughput: figure("Inverse Throughput")?,
        step,
    })
}

/// Runs [`print_family`] in a process of its own, as the driver reads the environment once.
fn compile(family: &str, all: bool, driver: &Path) -> Result<Found> {
    let child = Command::new(std::env::current_exe()?)
        .args(["amd-family", family])
        .args(all.then_some("--all"))
        .env("RADV_FORCE_FAMILY", family)
        .env("VK_DRIVER_FILES", driver)
        .env("VK_ICD_FILENAMES", driver)
        .env("MESA_SHADER_CACHE_DISABLE", "1")
        .stderr(Stdio::piped())
        .output()?;
    if !child.status.success() {
        bail!("{family}: {}", String::from_utf8_lossy(&child.stderr));
    }
    let mut found = Found::default();
    for line in String::from_utf8(child.stdout)?.lines() {
        match line.split_once('\t').context("a line without a tab")? {
            ("driver", driver) => found.driver = driver.into(),
            ("compiled", count) => found.compiled = count.parse()?,
            ("spill", text) => found.spills.push(text.into()),
            ("row", row) => found.rows.extend(read(&format!("{row}\n"), false)?),
            (other, _) => bail!("a line `{other}`"),
        }
    }
    Ok(found)
}

fn read(text: &str, has_headers: bool) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').has_headers(has_headers).from_reader(text.as_bytes());
    Ok(reader.deserialize().collect::<csv::Result<_>>()?)
}

/// Compiles the variants for all families, refuses spills, and holds the figures against the table, or (`renew`) writes it.
///
/// # Errors
/// For all that is worse than the table says.
pub fn check(table: &Path, driver: &Path, [every, renew]: [bool; 2]) -> Result<()> {
    let mut all = Found::default();
    // As many at a time as there are cores.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for families in FAMILIES.chunks(cores) {
        let found: Vec<Result<Found>> = std::thread::scope(|scope| {
            let children: Vec<_> =
                families.iter().map(|family| scope.spawn(|| compile(family, every, driver))).collect();
            children.into_iter().map(|child| child.join().expect("no panic")).collect()
        });
        for (family, found) in families.iter().zip(found) {
            let found = found?;
            println!("amd: {family}: {} shaders compiled by {}", found.compiled, found.driver);
            all.driver = found.driver;
            all.compiled += found.compiled;
            all.rows.extend(found.rows);
            all.spills.extend(found.spills);
        }
    }
    ensure!(all.compiled >= LEAST, "only {} shaders were compiled", all.compiled);
    if !all.spills.is_empty() {
        bail!("vector registers are spilled or scratch is used:\n{}", all.spills.join("\n"));
    }
    if renew {
        return write(table, &all);
    }
    let text = std::fs::read_to_string(table).with_context(|| table.display().to_string())?;
    let (driver, rows) = text.split_once('\n').context("the table is empty")?;
    let driver = driver.trim_start_matches("# ");
    if driver != all.driver {
        println!("amd: the table is of {driver}, and here is {}: figures are not compared", all.driver);
        return Ok(());
    }
    compare(&read(rows, true)?, &all.rows)
}

fn write(table: &Path, found: &Found) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    for row in &found.rows {
        writer.serialize(row)?;
    }
    let rows = String::from_utf8(writer.into_inner()?)?;
    std::fs::write(table, format!("# {}\n{rows}", found.driver))?;
    println!("amd: {} rows written to {}", found.rows.len(), table.display());
    Ok(())
}

/// More than a tenth.
fn grew(before: u64, now: u64) -> bool {
    10 * now > 11 * before
}

fn compare(before: &[Row], now: &[Row]) -> Result<()> {
    let before: BTreeMap<_, _> = before.iter().map(|row| (row.key(), row)).collect();
    let mut problems = Vec::new();
    for row in now {
        let Some(old) = before.get(&row.key()) else {
            problems.push(format!("{}: not in the table", row.key().join(" ")));
            continue;
        };
        for ((what, old), (_, new)) in old.costs().into_iter().zip(row.costs()) {
            if grew(old, new) {
                problems.push(format!("{}: {what} {old} -> {new}", row.key().join(" ")));
            }
        }
        if grew(row.occupancy, old.occupancy) {
            problems.push(format!("{}: waves on a SIMD {} -> {}", row.key().join(" "), old.occupancy, row.occupancy));
        }
    }
    let gone =
        before.len() + problems.iter().filter(|problem| problem.ends_with("not in the table")).count() - now.len();
    if gone > 0 {
        problems.push(format!("{gone} shaders of the table are no more"));
    }
    if problems.is_empty() {
        println!("amd: {} shaders are no worse than the table says", now.len());
        return Ok(());
    }
    bail!("worse than the table says (if that is meant, renew it):\n{}", problems.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Row {
        Row {
            family: "navi31".into(),
            kernel: "matmul".into(),
            constants: "FORM=0".into(),
            vector_registers: 100,
            scalars_in_vectors: 0,
            occupancy: 8,
            workgroup_memory: 8192,
            instructions: 1000,
            code: 8000,
            latency: 5000,
            inverse_throughput: 4000,
            step: 2881,
        }
    }

    #[test]
    fn what_got_worse_is_told() {
        let problem = |now: Row| compare(&[some()], &[now]).unwrap_err().to_string();
        compare(&[some()], &[Row { instructions: 1100, occupancy: 8, latency: 10, ..some() }]).unwrap();
        assert!(
            problem(Row { instructions: 1101, ..some() }).contains("navi31 matmul FORM=0: instructions 1000 -> 1101")
        );
        assert!(problem(Row { step: 4000, ..some() }).contains("cycles of a step 2881 -> 4000"));
        assert!(problem(Row { occupancy: 7, ..some() }).contains("waves on a SIMD 8 -> 7"));
        assert!(problem(Row { workgroup_memory: 9200, ..some() }).contains("workgroup memory 8192 -> 9200"));
        assert!(problem(Row { family: "navi10".into(), ..some() }).contains("navi10 matmul FORM=0: not in the table"));
        assert!(compare(&[some()], &[]).unwrap_err().to_string().contains("1 shaders of the table are no more"));
    }
}
