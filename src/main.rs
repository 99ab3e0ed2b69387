//! The command `srnn`.

mod cli;

#[global_allocator]
static ALLOCATOR: cli::allocator::OrEnd = cli::allocator::OrEnd;

fn main() -> std::process::ExitCode {
    srnn::engine::cpu::join_pool();
    cli::run()
}
