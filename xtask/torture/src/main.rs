//! Breaks a cluster of blegram nodes while clients chat, and checks that nothing is lost, doubled or out of order.
//! Started by `cargo xtask torture`; `README.md` explains the output.
//!
//! - `plan`: which faults, made from the seed; `nemesis`: executes them
//! - `cluster`, `node`, `services`, `link`, `process`: what is broken
//! - `actor`: users with the shipped client; `raw`: sockets that only receive; `pager`: readers of lists
//! - `history`: what each of them saw; `database`: what is stored
//! - `check`, `learn`: pure functions over both; `report`: their output

mod actor;
mod check;
mod cluster;
mod database;
mod history;
mod learn;
mod link;
mod nemesis;
mod node;
mod pager;
mod plan;
mod process;
mod raw;
mod report;
mod run;
mod services;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, builder::TypedValueParser as _};

/// Breaks a cluster of blegram nodes while clients chat.
#[derive(Parser, Debug, Clone)]
struct Options {
    /// The seed of the plan; random by default
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults go on
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Number of nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=9).map(usize::from))]
    nodes: usize,
    /// Number of users with the shipped client
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(4..).map(usize::from))]
    clients: usize,
    /// Number of raw sockets
    #[arg(long, default_value_t = 4)]
    raw: usize,
    /// The bug that the nodes were built with
    #[arg(long)]
    bug: Option<String>,
    /// The binary of the nodes
    #[arg(long)]
    blegram: PathBuf,
    /// The folder with the programs of PostgreSQL; those on PATH by default
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// The program of Redis
    #[arg(long)]
    redis: PathBuf,
    /// The library that moves the clock of a process; without it, clocks stay right
    #[arg(long)]
    faketime: Option<PathBuf>,
    /// Where logs go
    #[arg(long)]
    logs: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    tokio::select! {
        result = run::run(&options) => result,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
    }
}
