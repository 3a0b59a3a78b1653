//! Loads the realtime gateway of a running server and prints what was measured; `README.md` tells how to start one for it.
//!
//! The exit code is 1 when something is wrong that no load excuses: a frame or a message that is missing or comes twice.

mod chat;
mod crowd;
#[cfg(test)]
mod fake;
mod feed;
mod figures;
mod idle;
mod rest;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use std::{fmt::Display, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::{
    rest::{Member, Rest},
    socket::Target,
};

#[derive(Parser)]
#[command(about = "Loads the realtime gateway of a running server")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Args)]
struct Common {
    /// The server
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The server's process, whose memory is told
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Addresses of 127.0.0.0/8 that connections come from, when the server is on loopback
    #[arg(long, global = true, default_value_t = 50)]
    addresses: usize,
    /// Handshakes a second, at most
    #[arg(long, global = true, default_value_t = 400)]
    handshakes: u32,
    /// Users who sign up at the same time
    #[arg(long, global = true, default_value_t = 8, value_parser = at_least_one)]
    sign_ups: usize,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Scenario {
    /// Connections that do nothing: what each costs, and whether they live
    Idle(idle::Options),
    /// A post until the last of many connections has it
    Fanout(feed::Options),
    /// A message until its answer, and until the other one has it
    Direct(chat::DirectOptions),
    /// As many messages as the server acknowledges, and whether all of them are there afterwards
    Send(chat::SendOptions),
    /// Like fanout, with connections that stop reading
    Slow(feed::SlowOptions),
}

/// What all scenarios start from.
struct Setup {
    rest: Rest,
    target: Arc<Target>,
    pid: Option<u32>,
    handshakes: u32,
    sign_ups: usize,
}

/// What was measured.
trait Report: Serialize + Display {
    /// What is wrong that no load excuses.
    fn failure(&self) -> Option<String>;
}

impl Setup {
    async fn new(common: &Common) -> Result<Self> {
        let origin = common.url.trim_end_matches('/');
        Ok(Self {
            rest: Rest::new(origin),
            target: Arc::new(Target::find(origin, common.addresses).await?),
            pid: common.pid,
            handshakes: common.handshakes,
            sign_ups: common.sign_ups,
        })
    }

    async fn sign_up(&self, count: usize) -> Result<Vec<Member>> {
        self.rest.sign_up(count, self.sign_ups).await
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number, 1 or more".to_owned())
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    raise_limit().context("raising the limit of open files")?;
    let setup = Setup::new(&cli.common).await?;
    let json = cli.common.json;
    match &cli.scenario {
        Scenario::Idle(options) => show(&idle::run(&setup, options).await?, json),
        Scenario::Fanout(options) => show(&feed::fanout(&setup, options).await?, json),
        Scenario::Direct(options) => show(&chat::direct(&setup, options).await?, json),
        Scenario::Send(options) => show(&chat::send(&setup, options).await?, json),
        Scenario::Slow(options) => show(&feed::slow(&setup, options).await?, json),
    }
}

fn show(report: &impl Report, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{report}");
    }
    let Some(failure) = report.failure() else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("broken: {failure}");
    Ok(ExitCode::FAILURE)
}

/// Each connection is an open file.
fn raise_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
