//! The developer's commands: `cargo xtask --help`.

mod bench;
mod blegram;
mod check;
mod fuzz_api;
mod generate;
mod layering;
mod load;
mod logins;
mod packages;
mod process;
mod scratch;
mod services;
mod signals;
mod test;
mod workspace;

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
    /// Starts a PostgreSQL and an S3-protocol server of its own on free ports in temporary directories, tells the tests
    /// where they are (`BLEGRAM_TEST_POSTGRES_URL`, `BLEGRAM_TEST_S3_…`) and stops them afterwards, also on Ctrl-C. On Debian and Ubuntu a missing PostgreSQL
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
    /// Check formatting, clippy, docs, layering, generated files and dependencies
    ///
    /// Ends at the first failure and names the command that mends it. Dependencies are checked by cargo-deny, where it
    /// is installed.
    Check,
    /// Write the generated files again (docs/openapi.json, docs/asyncapi.json, docs/configuration.md, .env.example)
    Gen {
        /// Change nothing; fail when a file is out of date
        #[arg(long)]
        check: bool,
    },
    /// Fuzz the API from its OpenAPI document with schemathesis
    ///
    /// Runs blegram on an empty embedded database, once as an anonymous client and once as a member. Any server error
    /// and any answer that the document does not allow is a failure. Needs Python 3; schemathesis goes to target/xtask.
    FuzzApi(fuzz_api::Options),
    /// Measure throughput, latency, start-up and memory of one node
    ///
    /// Runs a release build on SQLite, then on PostgreSQL, fills it with 200 posts and loads it with `wrk`, also
    /// beside logins; then tries whether the time of a refused login tells whether an account exists. Absolute figures
    /// are the machine's; compare the ratios.
    Bench(bench::Options),
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
        Task::Check => check::run(),
        Task::Gen { check } => generate::run(check).map(|()| 0),
        Task::FuzzApi(options) => fuzz_api::run(&options),
        Task::Bench(options) => bench::run(&options),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("xtask: {error:#}");
    let signal = error.downcast_ref::<Interrupted>().map(|interrupted| 128 + interrupted.0);
    signal.and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into()
}
