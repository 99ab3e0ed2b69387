//! The command `srnn`.

mod cli;

fn main() -> std::process::ExitCode {
    srnn::engine::cpu::join_pool();
    cli::run()
}
