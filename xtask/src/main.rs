//! The developer's commands: `cargo xtask --help`.

mod packages;
mod process;
mod scratch;
mod services;
mod signals;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::signals::Interrupted;

/// The developer's commands of blegram.
///
/// `cargo xtask check` and `cargo xtask test` together are what CI runs (`.ci/run`).
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start what the tests need, run all tests, stop it again
    ///
    /// Starts a PostgreSQL of its own on a free port in a temporary directory, tells the tests where it is
    /// (`BLEGRAM_TEST_POSTGRES_URL`) and stops it afterwards, also on Ctrl-C. On Debian and Ubuntu a missing PostgreSQL
    /// is installed when one is root or has sudo without a password. The exit code is that of `cargo test`.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test -- -p blegram-social like\n  \
                            cargo xtask test -- --test it -- --nocapture")]
    Test {
        /// What to pass to `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Start what the tests need and run a command, or wait for Ctrl-C
    #[command(
        after_help = "Examples:\n  cargo xtask services\n  cargo xtask services -- cargo nextest run\n  \
                            cargo xtask services -- sh -c 'psql $BLEGRAM_TEST_POSTGRES_URL'"
    )]
    Services {
        /// The command, with the addresses of the services in its environment
        #[arg(last = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    match signals::listen().and_then(|()| run(Cli::parse().command)) {
        Ok(code) => code.into(),
        Err(error) => fail(&error),
    }
}

fn run(task: Task) -> Result<u8> {
    match task {
        Task::Test { args } => test::run(&args),
        Task::Services { command } => services::run(&command),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("xtask: {error:#}");
    let signal = error.downcast_ref::<Interrupted>().map(|interrupted| 128 + interrupted.0);
    signal.and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into()
}
