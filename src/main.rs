//! The command `srnn`.

use srnn::cli::{self, allocator::OrEnd};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

fn main() -> ExitCode {
    srnn::engine::cpu::join_pool();
    ExitCode::from(cli::run(std::env::args_os()).code())
}
