//! `cargo xtask web`: builds, checks and tests the npm workspace `web/`, and compares the built app with `web/dist`.

pub(crate) mod dist;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::login_flow::{CHROMIUM, NODE};
use crate::packages;
use crate::process::{output, run as run_command, succeeds};
use crate::workspace::{build_binary, root};

/// Older versions lack what the tools need.
const NODE_VERSION: u32 = 20;

/// How often the end-to-end tests run. Tabs, sockets and a server that is killed race differently each time.
const ROUNDS: u32 = 5;

/// Where Debian installs Chromium.
const DEFAULT_BROWSER: &str = "/usr/bin/chromium";

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Run the end-to-end tests once instead of five times: under four minutes, if the binary is built
    #[arg(long)]
    short: bool,
    /// Only build the app, and leave the result in web/dist, to be committed
    #[arg(long, conflicts_with = "short")]
    build: bool,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Use this browser
    #[arg(long, value_name = "PATH", default_value = DEFAULT_BROWSER)]
    chromium: PathBuf,
}

/// Runs the steps in order; the first one that fails ends the command.
pub(crate) fn run(options: &Options) -> Result<u8> {
    install_node()?;
    install_packages()?;
    if options.build {
        return dist::build().map(|()| 0);
    }
    npm(&["run", "check"])?;
    npm(&["run", "gen", "--", "--check"])?;
    dist::check()?;
    npm(&["test"])?;
    let binary = options.binary.clone().map_or_else(|| build_binary("blegram", "dev"), Ok)?;
    let binary = binary.canonicalize().with_context(|| format!("no binary at {}", binary.display()))?;
    for round in 1..=if options.short { 1 } else { ROUNDS } {
        println!("xtask: end-to-end tests, round {round}");
        test_in_browser(&binary, &options.chromium)?;
    }
    Ok(0)
}

/// What `cargo xtask web --short` does, for `cargo xtask test --web`.
pub(crate) fn test() -> Result<u8> {
    run(&Options { short: true, build: false, binary: None, chromium: DEFAULT_BROWSER.into() })
}

fn test_in_browser(binary: &Path, chromium: &Path) -> Result<()> {
    if !chromium.exists() {
        packages::install(&CHROMIUM)?;
    }
    let mut tests = npm_command(&["run", "test:e2e"]);
    run_command(tests.env("BLEGRAM_BINARY", binary).env("CHROMIUM", chromium))
}

fn install_packages() -> Result<()> {
    npm(&["ci", "--no-audit", "--no-fund"])
}

/// Installs Node.js if it is missing.
fn install_node() -> Result<()> {
    if !succeeds(Command::new("npm").arg("--version")) {
        packages::install(&NODE)?;
    }
    let version = output(Command::new("node").arg("--version")).context("node --version failed")?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= NODE_VERSION),
        "Node.js {} is too old: install version {NODE_VERSION} or newer",
        version.trim()
    );
    Ok(())
}

fn npm(arguments: &[&str]) -> Result<()> {
    run_command(&mut npm_command(arguments))
}

fn npm_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(root().join("web"));
    command
}
