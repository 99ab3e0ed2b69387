//! The command `srnn`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
