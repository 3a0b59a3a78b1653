//! `cargo xtask torture`: finds the programs, builds the nodes, and starts `xtask-torture`, which does the rest.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;
use rustix::process::Signal;

use crate::blegram::output_folder;
use crate::packages::{self, Package};
use crate::process::{Process, Terminal, bound, exit_code, succeeds};
use crate::services::{postgres, programs};
use crate::workspace::{build_binary, build_binary_with};

const FAKETIME: Package = Package {
    name: "faketime",
    apt: "faketime",
    before: "",
    fedora: "sudo dnf install libfaketime",
    macos: "brew install libfaketime",
};
/// The library of Debian's package, for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// A short run, for CI
    #[arg(long, conflicts_with = "seconds")]
    short: bool,
    /// How long faults go on
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Number of nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=9))]
    nodes: u8,
    /// Number of users
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(4..))]
    clients: u8,
    /// The seed of the plan, to repeat it; random by default
    #[arg(long)]
    seed: Option<u64>,
    /// Build the nodes with planted bugs (feature `planted-bugs`), switch this one on, and fail unless the checks find it
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Use this binary for the nodes instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Together with the time to start and to settle, a little more than a minute.
const SHORT_SECONDS: u64 = 45;

/// Runs it and returns its exit code: 1 if a guarantee was broken, or if a planted bug was not found.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let features: &[&str] = if options.bug.is_some() { &["planted-bugs"] } else { &[] };
    let blegram = match &options.binary {
        // The nodes run in another directory.
        Some(path) => std::path::absolute(path)?,
        None => build_binary_with("blegram", "dev", features)?,
    };
    let mut command = bound(build_binary("xtask-torture", "dev")?, "TERM");
    let seconds = if options.short { SHORT_SECONDS } else { options.seconds };
    command.args(["--seconds", &seconds.to_string(), "--nodes", &options.nodes.to_string()]);
    command.args(["--clients", &options.clients.to_string()]).arg("--blegram").arg(blegram);
    command.args(options.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    command.args(options.bug.iter().flat_map(|bug| ["--bug", bug]));
    command.arg("--logs").arg(output_folder()?.join("torture"));
    add_programs(&mut command)?;
    Ok(exit_code(Process::spawn(&mut command, Terminal::Own, Signal::INT)?.wait()?))
}

fn add_programs(command: &mut Command) -> Result<()> {
    command.arg("--redis").arg(programs::redis()?);
    let postgres = postgres::programs()?;
    if !postgres.as_os_str().is_empty() {
        command.arg("--postgres").arg(postgres);
    }
    if let Some(library) = faketime() {
        command.arg("--faketime").arg(library);
    }
    Ok(())
}

/// The library that moves the clock of a process; `None` where it is missing and cannot be installed. Then clocks stay
/// right, and the run says so.
fn faketime() -> Option<PathBuf> {
    if !succeeds(Command::new("faketime").arg("--version"))
        && let Err(error) = packages::install(&FAKETIME)
    {
        println!("xtask: clocks stay right: {error:#}");
        return None;
    }
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join(LIBRARY)).find(|library| library.exists())
}
