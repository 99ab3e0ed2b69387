//! The command line: one file per command, and what they print with.

mod advice;
pub mod allocator;
mod answers;
mod bench;
mod demo;
mod devices;
mod doctor;
mod embed;
mod eval;
mod export;
mod import;
mod input;
mod interrupt;
mod naive;
mod network;
mod plot;
mod predict;
mod reporter;
mod settings;
mod show;
mod step_answers;
mod steps;
mod stream;
mod survey;
mod train;
mod trials;
mod tune;

use crate::engine::Opening;
use crate::listing::shown;
use crate::panics::is_panic_expected;
use crate::train::Interval;
use crate::{Choice, Device, Error, Result};
use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};
use comfy_table::{Row, Table};
use input::InputArgs;
use network::{NetworkArgs, named, set};
use reporter::Reporter;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use steps::StepsArgs;

pub use settings::{options_of_training, recipe};

/// Sliced recurrent neural networks: classify long sequences on any GPU, or on the CPU.
///
/// A sliced network SRNN(n,k) cuts a sequence into n^k slices, runs one GRU, LSTM or plain RNN over all at once, and merges their
/// last states n at a time in k further levels. T steps that must wait for one another become T/n^k + n·k.
/// Set RUST_LOG=srnn=debug to see what the engine does.
#[derive(Parser)]
#[command(name = "srnn", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Train(Box<train::Train>),
    Eval(eval::Eval),
    Predict(predict::Predict),
    Embed(embed::Embed),
    Export(export::Export),
    Import(import::Import),
    Stream(stream::StreamArgs),
    Show(show::Show),
    Bench(bench::BenchArgs),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Tune(tune::Tune),
}

/// Where to compute.
#[derive(Args, Clone, Copy)]
struct DeviceArgs {
    /// auto (a hardware GPU, else the CPU engine), cpu, gpu (the best adapter, software included) or gpu:N
    #[arg(long, default_value = "auto", value_parser = parse_device, value_name = "DEVICE")]
    device: Choice,
    /// Memory for the data, and for the buffers of one step, such as 500M or 8G; larger batches are split [default: 4G]
    #[arg(long, value_parser = parse_memory, value_name = "SIZE")]
    memory: Option<u64>,
    /// How long a GPU may take for submitted work, such as 30s or 5m, before it counts as lost [default: 2m]
    #[arg(long, value_parser = parse_timeout, value_name = "TIME")]
    device_timeout: Option<Duration>,
}

impl DeviceArgs {
    fn opening(&self) -> Opening {
        Opening { choice: self.device, memory: self.memory, timeout: self.device_timeout }
    }

    /// Opens the device and says which it is.
    fn open(&self) -> Result<Device> {
        let device = self.opening().open()?;
        note(format_args!("device: {device}"));
        Ok(device)
    }
}

fn parse_device(text: &str) -> std::result::Result<Choice, String> {
    text.parse().map_err(|error: Error| format!("{error} (`srnn devices` lists them)"))
}

fn parse_timeout(text: &str) -> std::result::Result<Duration, String> {
    match text.parse() {
        Ok(Interval::Time(time)) => Ok(time),
        _ => Err(format!("`{text}` is no time: write 30s, 5m or 2h")),
    }
}

fn parse_memory(text: &str) -> std::result::Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write bytes, or a number with K, M or G, such as 500M");
    let size = text.strip_suffix(['B', 'b']).unwrap_or(text);
    let number = size.parse().or_else(|_| format!("{size}iB").parse::<ByteSize>().map(|size| size.0));
    number.ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Prints to standard output; a reader that has gone (`| head`) ends the program quietly.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        outcome => outcome.map_err(Error::io("standard output")),
    }
}

/// Prints a line to standard error. One that cannot be written is dropped: it is no reason to end a training.
fn note(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A table whose numbers are aligned to the right.
fn table(header: impl Into<Row>, rows: impl IntoIterator<Item = impl Into<Row>>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}

/// Refuses, before any work, to overwrite a result unasked or to write where there is no folder. Devices and pipes
/// (`/dev/stdout`) are written to as they are.
fn check_free(path: &Path, force: bool) -> Result<()> {
    let place = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure(!path.is_dir(), format!("{place} is a directory: give the name of a file"))?;
    ensure(force || !path.is_file(), format!("{place} is there already: give another name, or --force to overwrite"))?;
    ensure(folder.is_dir(), format!("{place} cannot be written: there is no directory {}", folder.display()))
}

/// The error that something does not fit, in this command's own words.
fn ensure(fits: bool, problem: impl Into<String>) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Config(problem.into())) }
}

/// Writes a result file and says where it is.
fn save(what: &str, path: &Path, contents: &str) -> Result<()> {
    crate::files::write_atomically(path, contents.as_bytes())?;
    print(&format!("{what}: {}\n", path.display()))
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It could not, or what it checked is wrong.
    Failed,
    /// It was stopped.
    Stopped,
}

impl Exit {
    /// As a shell has it.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Stopped => 130,
        }
    }
}

/// Runs the command of the arguments, the first of which is its own name. Ends the program where they are none of it, or ask for
/// help.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("srnn=warn,error"))
        .format(|out, record| writeln!(out, "[{:<5}] {}", record.level(), shown(&record.args().to_string())))
        .init();
    // What is caught and becomes an error is told as one.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_panic_expected() {
            usual(panic);
        }
    }));
    let done = |()| Exit::Done;
    let outcome = match Cli::parse_from(arguments).command {
        Command::Demo(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Eval(command) => command.run().map(done),
        Command::Predict(command) => command.run().map(done),
        Command::Embed(command) => command.run().map(done),
        Command::Export(command) => command.run().map(done),
        Command::Import(command) => command.run().map(done),
        Command::Stream(command) => command.run().map(done),
        Command::Show(command) => command.run().map(done),
        Command::Bench(command) => command.run().map(done),
        Command::Devices(command) => command.run().map(done),
        Command::Doctor(command) => command.run(),
        Command::Tune(command) => command.run().map(done),
    };
    outcome.unwrap_or_else(|error| {
        note(format_args!("error: {}", shown(&advice::tell(&error))));
        Exit::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_memory("4G"), Ok(4 << 30));
        assert_eq!(parse_memory("500m"), Ok(500 << 20));
        assert_eq!(parse_memory("12KB"), Ok(12 << 10));
        assert_eq!(parse_memory("100"), Ok(100));
        assert_eq!(parse_memory("100B"), Ok(100));
        assert_eq!(parse_memory("1.5G"), Ok(3 << 29));
        for text in ["", "B", "G", "1GBB", "-1G", "0"] {
            assert!(parse_memory(text).is_err(), "`{text}`");
        }
    }
}
