//! How many cycles one wave takes for one step of a recurrence (or one slab of the matrix product), by a model of an in-order
//! processor: it ranks versions of a shader and promises no time.
//!
//! Assumptions, in cycles: an instruction is issued a cycle, one that asks for memory takes 4, a transcendental one 4, a branch
//! 8; workgroup memory answers after 40, the scalar cache after 60, the vector cache after 100 where weights are read (the buffer
//! that most loads of the loop go to), and after 300 elsewhere; a wave waits where the machine code says `s_waitcnt`, for so many
//! as it says; answers of one kind come in order. Branches are not taken but those that close a loop. The loop over steps is the
//! one that holds a barrier or else the largest; an inner loop runs as often as its multiplications need, or, where it has none,
//! once for every unit of a thread.

use crate::variants::Variant;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap, VecDeque};

const ISSUE: u64 = 1;
const MEMORY_ISSUE: u64 = 4;
const TRANSCENDENTAL: u64 = 4;
const BRANCH: u64 = 8;
const WORKGROUP_MEMORY: u64 = 40;
const SCALAR: u64 = 60;
const CACHED: u64 = 100;
const UNCACHED: u64 = 300;

/// Where an inner loop begins and ends, in instructions, and how often it runs.
struct Loop {
    first: usize,
    last: usize,
    trips: u64,
}

/// A wave in the middle of a step.
#[derive(Default)]
struct Wave {
    now: u64,
    /// When what was asked for arrives: from vector memory, and from workgroup memory or the scalar cache.
    vector: VecDeque<u64>,
    other: VecDeque<u64>,
}

impl Wave {
    fn wait(&mut self, vector: Option<u64>, other: Option<u64>) {
        for (queue, left) in [(&mut self.vector, vector), (&mut self.other, other)] {
            while left.is_some_and(|left| queue.len() as u64 > left) {
                self.now = self.now.max(queue.pop_front().expect("not empty"));
            }
        }
    }

    fn run(&mut self, instruction: &str, weights: &str) {
        let name = instruction.split_whitespace().next().unwrap_or_default();
        if name.starts_with("s_waitcnt") {
            self.wait(count(instruction, "vmcnt"), count(instruction, "lgkmcnt"));
        } else if name.starts_with("s_delay_alu") || name.starts_with("s_clause") {
        } else if name.starts_with("buffer_load") {
            self.now += MEMORY_ISSUE;
            let takes = if descriptor(instruction) == weights { CACHED } else { UNCACHED };
            let before = self.vector.back().copied().unwrap_or(0);
            self.vector.push_back(before.max(self.now + takes));
        } else if name.starts_with("ds_load") || name.starts_with("s_load") || name.starts_with("s_buffer_load") {
            self.now += MEMORY_ISSUE;
            let takes = if name.starts_with("ds_") { WORKGROUP_MEMORY } else { SCALAR };
            let before = self.other.back().copied().unwrap_or(0);
            self.other.push_back(before.max(self.now + takes));
        } else if name.starts_with("buffer_store") || name.starts_with("ds_store") {
            self.now += MEMORY_ISSUE;
        } else if name.starts_with("s_cbranch") || name.starts_with("s_branch") {
            self.now += BRANCH;
        } else if ["v_exp", "v_rcp", "v_log", "v_sqrt"].iter().any(|own| name.starts_with(own)) {
            self.now += TRANSCENDENTAL;
        } else {
            self.now += ISSUE;
        }
    }
}

/// The number in `NAME(number)`.
fn count(instruction: &str, name: &str) -> Option<u64> {
    let (_, rest) = instruction.split_once(&format!("{name}("))?;
    rest.split(')').next()?.parse().ok()
}

/// The scalar registers that name a buffer: `s[8:11]`.
fn descriptor(instruction: &str) -> &str {
    let from = instruction.find("s[").unwrap_or(instruction.len());
    instruction[from..].split(',').next().unwrap_or_default()
}

/// Multiplications that are added, of one instruction.
fn products(instruction: &str) -> u64 {
    instruction.matches("fma").count() as u64
}

/// Cycles of one turn of the loop over steps.
///
/// # Errors
/// For machine code without such a loop.
pub fn cycles(variant: &Variant, assembly: &str) -> Result<u64> {
    let mut labels = HashMap::new();
    let mut code: Vec<&str> = Vec::new();
    for line in assembly.lines() {
        let line = line.split(';').next().unwrap_or_default().trim();
        match line.strip_suffix(':') {
            Some(label) => drop(labels.insert(label, code.len())),
            None if line.is_empty() => {}
            None => code.push(line),
        }
    }
    // A loop is a branch backwards; several to one place are one loop.
    let mut loops: BTreeMap<usize, usize> = BTreeMap::new();
    for (last, instruction) in code.iter().enumerate().filter(|(_, own)| own.contains("branch")) {
        let target = instruction.split_whitespace().nth(1).and_then(|label| labels.get(label));
        if let Some(&first) = target.filter(|&&first| first <= last) {
            loops.insert(first, last);
        }
    }
    let steps = loops.iter().map(|(&first, &last)| (first, last)).max_by_key(|(first, last)| last - first);
    let steps = steps.context("no loop")?;
    let inner = loops.range(steps.0 + 1..steps.1).map(|(&first, &last)| {
        let trips = trips(variant, &code[first..=last]);
        Loop { first, last, trips }
    });
    let inner: Vec<Loop> = inner.collect();
    let mut loads: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, instruction) in
        code.iter().enumerate().take(steps.1).skip(steps.0).filter(|(_, own)| own.starts_with("buffer_load"))
    {
        let trips = inner.iter().filter(|own| (own.first..=own.last).contains(&at)).map(|own| own.trips);
        *loads.entry(descriptor(instruction)).or_default() += trips.product::<u64>();
    }
    let weights = loads.into_iter().max_by_key(|(_, count)| *count).map_or("", |(own, _)| own);
    let mut wave = Wave::default();
    run(&mut wave, &code, steps, &inner, weights);
    wave.wait(Some(0), Some(0));
    Ok(wave.now)
}

/// Runs instructions, and the inner loops among them as often as they say.
fn run(wave: &mut Wave, code: &[&str], (first, last): (usize, usize), inner: &[Loop], weights: &str) {
    let mut at = first;
    while at <= last {
        let outermost =
            inner.iter().filter(|own| own.first == at && own.last <= last && (own.first, own.last) != (first, last));
        match outermost.max_by_key(|own| own.last) {
            Some(own) => {
                for _ in 0..own.trips {
                    run(wave, code, (own.first, own.last), inner, weights);
                }
                at = own.last + 1;
            }
            None => {
                wave.run(code[at], weights);
                at += 1;
            }
        }
    }
}

/// How often an inner loop runs: as often as its multiplications need, if it is one of an inner product. Another one, which
/// computes with the results or writes them, is over units.
fn trips(variant: &Variant, body: &[&str]) -> u64 {
    let constant =
        |name: &str| variant.constants.iter().find(|(own, _)| *own == name).map(|(_, value)| u64::from(*value));
    let own: u64 = body.iter().map(|instruction| products(instruction)).sum();
    let held = constant("HELD").unwrap_or(0);
    let over_units = body.iter().any(|own| own.contains("_store_") || own.starts_with("v_exp"));
    match (constant("H"), constant("THREADS"), constant("PRODUCTS"), constant("LANES")) {
        // Held weights: 16 terms a thread for every row.
        (Some(_), _, Some(products), _) if own > 0 && held > 0 => (16 * products * held).div_ceil(own),
        (Some(h), Some(threads), ..) if over_units => h.div_ceil(threads),
        (Some(h), _, Some(products), Some(lanes)) if own > 0 => (h * products.max(1) * lanes).div_ceil(own),
        // The matrix product: a slab of 16 steps, 64 sums a thread.
        _ if own > 0 => (16_u64 * 64).div_ceil(own),
        _ => 4,
    }
}
