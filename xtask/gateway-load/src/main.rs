//! A load generator for the realtime gateway of a running server. It signs up its own accounts, opens WebSocket
//! connections, runs one scenario and prints its measurements. `README.md` explains how to configure and start the
//! server.
//!
//! The exit code is 1 if a report contains a failure that load does not explain, such as a missing or duplicate frame,
//! a lost message, or an idle connection that ended.

mod chat;
mod connections;
#[cfg(test)]
mod fake;
mod feed;
mod idle;
mod rest;
mod server;
mod socket;
mod stats;
#[cfg(test)]
mod tests;

use std::{fmt::Display, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::{
    rest::{Member, RestClient},
    socket::Targets,
};

#[derive(Parser)]
#[command(about = "Load-tests the realtime gateway of a running server")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Args)]
struct Common {
    /// Base URL of the server; repeated, those of the nodes of one site, which share the connections
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: Vec<String>,
    /// Process id of the server, to measure its memory
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Number of source addresses in 127.0.0.0/8 to connect from, if the server is on loopback
    #[arg(long, global = true, default_value_t = 50)]
    addresses: usize,
    /// Maximum handshakes per second
    #[arg(long, global = true, default_value_t = 400)]
    handshakes: u32,
    /// Maximum concurrent sign-ups
    #[arg(long, global = true, default_value_t = 8, value_parser = at_least_one)]
    sign_ups: usize,
    /// Print the report as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Scenario {
    /// Measure the memory and stability of idle connections
    Idle(idle::Options),
    /// Measure the delivery of posts to many connections
    Fanout(feed::Options),
    /// Measure the latency of direct messages: to the reply, and to the recipient
    Direct(chat::DirectOptions),
    /// Measure message throughput, then verify that every acknowledged message is stored
    Send(chat::SendOptions),
    /// Run fanout without and with connections that stop reading
    Slow(feed::SlowOptions),
}

/// What every scenario needs: clients for the REST API and the gateway, and the common options.
struct Setup {
    rest: RestClient,
    targets: Arc<Targets>,
    pid: Option<u32>,
    handshakes: u32,
    sign_ups: usize,
}

/// The result of a scenario, printable as text and as JSON.
trait Report: Serialize + Display {
    /// Describes a failure that load does not explain; the exit code is then 1.
    fn failure(&self) -> Option<String>;
}

impl Setup {
    async fn new(common: &Common) -> Result<Self> {
        let origins: Vec<String> =
            common.url.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let targets = Targets::resolve(&origins, common.addresses).await?;
        Ok(Self {
            rest: RestClient::new(&origins[0]),
            targets: Arc::new(targets),
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
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "expected a whole number of 1 or more".to_owned())
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    raise_open_file_limit().context("raising the limit of open files")?;
    let setup = Setup::new(&cli.common).await?;
    let json = cli.common.json;
    match &cli.scenario {
        Scenario::Idle(options) => print_report(&idle::run(&setup, options).await?, json),
        Scenario::Fanout(options) => print_report(&feed::fanout(&setup, options).await?, json),
        Scenario::Direct(options) => print_report(&chat::direct(&setup, options).await?, json),
        Scenario::Send(options) => print_report(&chat::send(&setup, options).await?, json),
        Scenario::Slow(options) => print_report(&feed::slow(&setup, options).await?, json),
    }
}

fn print_report(report: &impl Report, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{report}");
    }
    let Some(failure) = report.failure() else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("failure: {failure}");
    Ok(ExitCode::FAILURE)
}

/// Raises the limit of open files to the hard limit: each connection is an open file.
fn raise_open_file_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
