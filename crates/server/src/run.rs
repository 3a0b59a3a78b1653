//! Runs the command given on the command line.
//!
//! This module and the tokio runtime are part of the library, not of the binary: an `async fn` is compiled in the crate
//! that polls it, so a binary that polled [`serve`](crate::serve::serve) would recompile most of the server after every
//! change.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use blegram_persistence::as_background_work;

use crate::{
    audit,
    cli::{Cli, Command, Generator, Openapi},
    demo, doctor, migrate, recount, serve, sweep, telemetry, top, user,
};

/// Runs the command of `cli` and blocks until it finishes; for `serve`, until the graceful shutdown is complete.
///
/// # Errors
/// The error of the command with its causes, such as an invalid configuration, an unreachable database or a port in
/// use.
pub fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    match cli.command() {
        Command::Serve(options) => {
            let config = cli.read_config()?;
            let log = telemetry::init(&config.log)?;
            config.log_ignored();
            runtime()?.block_on(serve::serve(&config, options, log.dropped_lines()))?;
        }
        Command::Demo(options) => {
            print(&runtime()?.block_on(as_background_work(demo::run(&cli.read_config()?, options.seed)))?)?
        }
        Command::Recount { dry_run } => {
            print(&runtime()?.block_on(as_background_work(recount::run(&cli.read_config()?, dry_run)))?)?
        }
        Command::Sweep(options) => {
            print(&runtime()?.block_on(as_background_work(sweep::run(&cli.read_config()?, options)))?)?
        }
        Command::Migrate(direction) => {
            print(&runtime()?.block_on(migrate::run(&cli.read_config()?, direction))?)?
        }
        Command::Openapi(options) => {
            let site = cli.read_config()?.site();
            print(&match options {
                Openapi { generator: Some(Generator::Progenitor), .. } => {
                    blegram_api::openapi_for_progenitor(&site)
                }
                Openapi { yaml: true, .. } => blegram_api::openapi_yaml(&site),
                Openapi { yaml: false, .. } => blegram_api::openapi(&site),
            })?;
        }
        Command::Asyncapi => print(&blegram_api::asyncapi(&cli.read_config()?.site()))?,
        Command::Audit(options) => {
            print(&runtime()?.block_on(as_background_work(audit::run(&cli.read_config()?, &options)))?)?
        }
        Command::User(command) => {
            let config = cli.read_config()?;
            let _log = telemetry::init(&config.log)?;
            config.log_ignored();
            print(&runtime()?.block_on(as_background_work(user::run(&config, &command)))?)?;
        }
        Command::Top(options) => return runtime()?.block_on(top::run(cli, &options)),
        Command::Config(command) => print(&cli.run_config(command)?)?,
        Command::Doctor => {
            let report = runtime()?.block_on(doctor::examine(&cli.read_config()?));
            print(&report.to_string())?;
            return Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime threads")
}

// `println!` panics when the reader of a pipe closes it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
