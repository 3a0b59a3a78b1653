//! `blegram top`: the command line of [`blegram_top`].

use std::{
    io::{IsTerminal, stdout},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use anyhow::bail;
use blegram_top::{Address, Options, Token, snapshot, watch};
use clap::Args;
use secrecy::ExposeSecret;

use crate::{cli::Cli, run::print};

/// Options of `blegram top`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Top {
    /// Where a node serves its metrics (its setting `metrics.listen`); `http://` and `/metrics` may be left out. Repeat it
    /// for several nodes of one site, which are added up [default: the node of the configuration].
    #[arg(long, value_name = "URL")]
    pub url: Vec<Address>,
    /// The secret that the nodes demand (their setting `metrics.token`). Prefer the variable: all users of a machine can
    /// see the command lines of others.
    #[arg(long, value_name = "TOKEN", env = "BLEGRAM_METRICS__TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Seconds between two looks, from 0.2 to 3600. All rates and times are those of the last interval.
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    pub interval: Interval,
    /// Print one snapshot as plain text and exit: with 1 if a node does not answer. Also without this option if the output
    /// is not a terminal.
    #[arg(long)]
    pub once: bool,
    /// The same as JSON.
    #[arg(long)]
    pub json: bool,
    /// Only to learn whether the terminal can place text.
    #[arg(long, env = "TERM", hide = true)]
    terminal: Option<String>,
}

/// A time between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse::<f64>().ok().filter(|seconds| (0.2..=3600.0).contains(seconds));
        seconds
            .map(|seconds| Self(Duration::from_secs_f64(seconds)))
            .ok_or("expected seconds from 0.2 to 3600")
    }
}

/// The end of the help.
pub(crate) const EXAMPLES: &str = "\
Pages (Tab, or 1 to 6):
  Overview    Everything important on one screen
  Operations  Requests of each operation of the API; s sorts by rate, load, p99, errors, name
  Resources   Database connections, threads for hashes and images, uploads, rate limits
  Realtime    Sockets, deliveries, drops, commands, events, and the bus between nodes
  Jobs        Background jobs by kind, with the age of the oldest due one
  Nodes       The nodes beside each other
The key ? explains the other keys and the columns. Without colours: set NO_COLOR.

Examples:
  blegram top                                              Watch the node of this configuration
  blegram top --url 10.0.0.11:9464 --url 10.0.0.12:9464    Watch two nodes, from any machine that reaches them
  blegram top --url https://node.example/metrics           Through a proxy with TLS
  blegram top --once                                       Print a snapshot, for a script or a mail
  blegram top --json --interval 10 | jq .site.requests     Averages over ten seconds, as numbers";

/// Runs `blegram top` until the user quits.
///
/// # Errors
/// When no node is known, or the terminal fails.
pub async fn run(cli: &Cli, top: &Top) -> anyhow::Result<ExitCode> {
    let options = options(cli, top)?;
    if top.once || top.json || !can_watch(top) {
        return once(&options, top.json).await;
    }
    watch(&options).await?;
    Ok(ExitCode::SUCCESS)
}

/// The named nodes, or the one of the configuration. Only the latter gets the token of the configuration unasked: another
/// address may belong to anyone.
fn options(cli: &Cli, top: &Top) -> anyhow::Result<Options> {
    let interval = top.interval.0;
    let token = top.token.clone().filter(|token| !token.is_empty());
    if !top.url.is_empty() {
        return Ok(Options { nodes: top.url.clone(), token: token.map(Token::from), interval });
    }
    let metrics = cli.read_config()?.metrics;
    let Some(listen) = metrics.listen else { bail!(OFF) };
    if listen.port() == 0 {
        bail!("metrics.listen has the port 0: name the port that the node chose with --url");
    }
    let configured = || metrics.token.as_ref().map(|token| token.secret().expose_secret().to_owned());
    let token = token.or_else(configured).map(Token::from);
    Ok(Options { nodes: vec![local(listen).to_string().parse()?], token, interval })
}

const OFF: &str = "metrics are off: set metrics.listen, for example BLEGRAM_METRICS__LISTEN=127.0.0.1:9464, and restart the \
                   node; or name a node with --url";

/// Where a program on the same machine reaches a listener.
fn local(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn can_watch(top: &Top) -> bool {
    stdout().is_terminal() && top.terminal.as_deref() != Some("dumb")
}

async fn once(options: &Options, is_json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = snapshot(options).await?;
    if is_json {
        print(&format!("{:#}\n", snapshot.json()))?;
    } else if snapshot.has_figures() {
        print(&snapshot.text())?;
    }
    let problems = snapshot.problems();
    for problem in &problems {
        eprintln!("blegram: {problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_on_all_interfaces_is_reached_over_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.0.0.11:9464", "10.0.0.11:9464"),
            ("127.0.0.1:9464", "127.0.0.1:9464"),
        ] {
            assert_eq!(local(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
