//! The `blegram` binary.

use std::{io::Write, process::ExitCode};

use blegram::cli::{Cli, Command};
use clap::Parser;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blegram: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match cli.command() {
        Command::Config(question) => Ok(std::io::stdout().write_all(cli.answer(question)?.as_bytes())?),
        Command::Serve | Command::Migrate(_) | Command::Openapi(_) | Command::Doctor => {
            anyhow::bail!("this build answers `blegram config` only")
        }
    }
}
