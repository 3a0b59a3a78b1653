//! The rows about live connections: fan-out, chat, memory per connection. `xtask-gateway-load` is the client of all.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::Value;

use super::usage::{self, Processes, Usage};
use super::world::Dialect;
use crate::blegram::{Blegram, Site, unlimited};
use crate::load::median;
use crate::process::{Process, Terminal, bound, wait_until};
use crate::services::postgres::{Postgres, free_address};
use crate::signals;
use crate::workspace::root;

/// Open files of a server besides the connections.
const OTHER_FILES: u64 = 500;

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// Numbers of connections that a post goes to.
    pub(crate) audiences: Vec<usize>,
    /// Posts to each audience and round.
    pub(crate) posts: usize,
    pub(crate) rounds: usize,
    /// Seconds of chat per round.
    pub(crate) seconds: u32,
    /// Numbers of conversations, and of unanswered messages per member.
    pub(crate) chats: Vec<(usize, usize)>,
    /// Connections that do nothing, and for how many seconds.
    pub(crate) idle: (usize, u32),
}

/// The programs: blegram, an earlier blegram to compare chat with, the floors, and the load generator.
pub(crate) struct Programs<'a> {
    pub(crate) blegram: &'a Path,
    pub(crate) baseline: Option<&'a Path>,
    pub(crate) floor: &'a Path,
    pub(crate) generator: &'a Path,
}

/// One post to many connections, in milliseconds from just before its request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FanOut {
    pub(crate) audience: usize,
    pub(crate) ours: Delivery,
    pub(crate) floor: Delivery,
    /// The share of the machine that other processes had.
    pub(crate) others_share: f64,
}

/// Medians of the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Delivery {
    /// Until the last connection had it, the median post.
    pub(crate) last_ms: f64,
    /// The slowest of a hundred posts.
    pub(crate) last_p99_ms: f64,
    /// From the first connection to the last.
    pub(crate) span_ms: f64,
}

/// Messages between the members of direct conversations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chat {
    pub(crate) conversations: usize,
    /// Unanswered messages per member.
    pub(crate) in_flight: usize,
    pub(crate) ours: ChatRate,
    pub(crate) baseline: Option<ChatRate>,
}

/// Medians of the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ChatRate {
    /// Acknowledged messages per second.
    pub(crate) per_second: f64,
    /// The latency of the acknowledgement.
    pub(crate) p99_ms: f64,
    /// Microseconds of processor time per message, of the server and the database.
    pub(crate) cost_us: f64,
    /// The share of the used processor time that the generator had.
    pub(crate) generator_share: f64,
    /// The share of the machine that other processes had.
    pub(crate) others_share: f64,
}

/// Connections that do nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Idle {
    pub(crate) sockets: usize,
    pub(crate) bytes_per_socket: f64,
}

/// All rows of one database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) fan_out: Vec<FanOut>,
    pub(crate) chat: Vec<Chat>,
    pub(crate) idle: Option<Idle>,
    /// What could not be measured, and why.
    pub(crate) missing: Vec<String>,
}

/// Raises the limit of open files, which the started servers inherit, and returns it.
fn raise_open_files() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the limit of open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Measures every row on an empty site.
pub(crate) fn measure(programs: &Programs<'_>, dialect: Dialect, extent: &Extent) -> Result<Sockets> {
    let files = raise_open_files()?;
    let mut sockets = Sockets::default();
    let is_possible = |count: usize| count as u64 + OTHER_FILES <= files;
    let server = Server::start(programs.blegram, dialect, "blegram")?;
    for &audience in &extent.audiences {
        if is_possible(audience) {
            sockets.fan_out.push(fan_out(programs, &server, audience, extent)?);
        } else {
            sockets
                .missing
                .push(format!("a post to {audience} connections: the limit of open files is {files}"));
        }
    }
    let baseline = programs.baseline.map(|binary| Server::start(binary, dialect, "baseline")).transpose()?;
    for &chats in &extent.chats {
        sockets.chat.push(chat(programs, (&server, baseline.as_ref()), chats, extent)?);
    }
    let (count, seconds) = extent.idle;
    if is_possible(count) {
        // A server of its own, so that memory that earlier rows needed is not used again.
        let server = Server::start(programs.blegram, dialect, "idle")?;
        let words =
            ["idle", "--sockets", &count.to_string(), "--users", "100", "--hold", &seconds.to_string()];
        let report = generate(programs.generator, &server.blegram, &words)?;
        let bytes_per_socket = number(&report, "/bytes_per_socket_after_hold")?;
        sockets.idle = Some(Idle { sockets: count, bytes_per_socket });
        server.blegram.stop()?;
    } else {
        sockets.missing.push(format!("{count} idle connections: the limit of open files is {files}"));
    }
    server.blegram.stop()?;
    Ok(sockets)
}

/// A server with the settings of the load generator, on an empty database of its own.
struct Server {
    blegram: Blegram,
    processes: Processes,
    // Fields drop in this order: the server stops before its database.
    _site: Site,
    _postgres: Option<Postgres>,
}

impl Server {
    fn start(binary: &Path, dialect: Dialect, name: &str) -> Result<Self> {
        let postgres = (dialect == Dialect::Postgres).then(Postgres::start_durable).transpose()?;
        let mut settings = unlimited(binary)?;
        let config = root().join("xtask/gateway-load/blegram.toml");
        settings.push(("BLEGRAM_CONFIG".into(), config.display().to_string()));
        let url = postgres.as_ref().map(Postgres::url);
        let site = Site::with_settings(binary, url.as_deref(), settings)?;
        let blegram = site.start_node(name)?;
        let processes = Processes { server: blegram.id(), database: postgres.as_ref().map(Postgres::id) };
        Ok(Self { blegram, processes, _site: site, _postgres: postgres })
    }
}

fn fan_out(programs: &Programs<'_>, server: &Server, audience: usize, extent: &Extent) -> Result<FanOut> {
    let address = free_address()?;
    let mut command = bound(programs.floor, "TERM");
    let floor = Process::spawn(
        command.args(["broadcast", "--listen", &address.to_string()]),
        Terminal::Own,
        Signal::TERM,
    )?;
    wait_until(std::time::Duration::from_secs(20), || Ok(std::net::TcpStream::connect(address).is_ok()))
        .context("the floor did not start")?;
    let (sockets, posts) = (audience.to_string(), extent.posts.to_string());
    // Far enough apart that one post is delivered before the next.
    let every = if audience > 2_000 { "1000" } else { "400" };
    let words = [
        "fanout",
        "--sockets",
        &sockets,
        "--users",
        "20",
        "--posts",
        &posts,
        "--every",
        every,
        "--handshakes",
        "1000",
    ];
    let origins = [server.blegram.origin().to_owned(), format!("http://{address}")];
    let (mut runs, mut shares): ([Vec<Delivery>; 2], Vec<f64>) = Default::default();
    for round in 0..extent.rounds {
        println!("xtask: a post to {audience} connections, round {} of {}", round + 1, extent.rounds);
        for turn in 0..2 {
            let side = (round + turn) % 2;
            let deliver = || run(programs.generator, &origins[side], None, &words);
            let processes =
                if side == 0 { server.processes } else { Processes { server: floor.id(), database: None } };
            let (report, usage) = usage::measure(processes, deliver)?;
            shares.push(usage.others_share());
            runs[side].push(Delivery::parse(&report)?);
        }
    }
    drop(floor);
    let [ours, floor] = runs.map(|runs| Delivery::median(&runs));
    Ok(FanOut { audience, ours, floor, others_share: median(shares.into_iter()) })
}

fn chat(
    programs: &Programs<'_>,
    (server, baseline): (&Server, Option<&Server>),
    (conversations, in_flight): (usize, usize),
    extent: &Extent,
) -> Result<Chat> {
    let seconds = extent.seconds.to_string();
    let words = [
        "send",
        "--conversations",
        &conversations.to_string(),
        "--in-flight",
        &in_flight.to_string(),
        "--seconds",
        &seconds,
    ];
    let servers: Vec<&Server> = [Some(server), baseline].into_iter().flatten().collect();
    let mut runs: Vec<Vec<ChatRate>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..extent.rounds {
        println!("xtask: chat in {conversations} conversations, round {} of {}", round + 1, extent.rounds);
        for turn in 0..servers.len() {
            let side = (round + turn) % servers.len();
            let server = servers[side];
            let (report, usage) =
                usage::measure(server.processes, || generate(programs.generator, &server.blegram, &words))?;
            runs[side].push(ChatRate::of(&report, &usage)?);
        }
    }
    let mut medians = runs.iter().map(|runs| ChatRate::median(runs));
    let ours = medians.next().unwrap_or_default();
    Ok(Chat { conversations, in_flight, ours, baseline: medians.next() })
}

impl FanOut {
    /// The time until the last connection has the post, against the floor.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours.last_ms / self.floor.last_ms
    }
}

impl Delivery {
    fn parse(report: &Value) -> Result<Self> {
        Ok(Self {
            last_ms: number(report, "/round/last/p50_ms")?,
            last_p99_ms: number(report, "/round/last/p99_ms")?,
            span_ms: number(report, "/round/first_to_last/p50_ms")?,
        })
    }

    fn median(runs: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(runs.iter().map(value));
        Self {
            last_ms: of(|run| run.last_ms),
            last_p99_ms: of(|run| run.last_p99_ms),
            span_ms: of(|run| run.span_ms),
        }
    }
}

impl ChatRate {
    /// The processor time includes the sign-ups before, and the lists after, which are short against the chat.
    fn of(report: &Value, usage: &Usage) -> Result<Self> {
        let acknowledged = number(report, "/acked")?;
        Ok(Self {
            per_second: number(report, "/acked_per_second")?,
            p99_ms: number(report, "/ack/p99_ms")?,
            cost_us: (usage.server + usage.database) * 1e6 / acknowledged.max(1.0),
            generator_share: usage.generator_share(),
            others_share: usage.others_share(),
        })
    }

    fn median(runs: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(runs.iter().map(value));
        Self {
            per_second: of(|run| run.per_second),
            p99_ms: of(|run| run.p99_ms),
            cost_us: of(|run| run.cost_us),
            generator_share: of(|run| run.generator_share),
            others_share: of(|run| run.others_share),
        }
    }
}

fn generate(generator: &Path, blegram: &Blegram, words: &[&str]) -> Result<Value> {
    run(generator, blegram.origin(), Some(blegram.id()), words)
}

/// Runs the load generator and returns its report. Fails if it found a lost or repeated frame.
fn run(generator: &Path, origin: &str, pid: Option<u32>, words: &[&str]) -> Result<Value> {
    let mut command: Command = bound(generator, "TERM");
    command.args(words).args(["--json", "--url", origin]);
    if let Some(pid) = pid {
        command.args(["--pid", &pid.to_string()]);
    }
    let output = command.output().context("starting the load generator")?;
    signals::check()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the load generator failed on {}: {errors}", words.join(" "));
    serde_json::from_slice(&output.stdout).context("the report of the load generator is not JSON")
}

fn number(report: &Value, pointer: &str) -> Result<f64> {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .with_context(|| format!("the report has no {pointer}: {report}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deliveries_are_medians_of_the_rounds() {
        let report = |last: f64| json!({"round": {"last": {"p50_ms": last, "p99_ms": last * 2.0}, "first_to_last": {"p50_ms": 1.0}}});
        let runs: Vec<Delivery> =
            [30.0, 10.0, 12.0].iter().map(|last| Delivery::parse(&report(*last)).unwrap()).collect();
        let median = Delivery::median(&runs);
        assert_eq!(median, Delivery { last_ms: 12.0, last_p99_ms: 24.0, span_ms: 1.0 });
        assert!(Delivery::parse(&json!({"round": {}})).is_err());
    }

    #[test]
    fn chat_costs_count_server_and_database_per_acknowledged_message() {
        let report = json!({"acked": 1000, "acked_per_second": 200.0, "ack": {"p99_ms": 3.0}});
        let usage = Usage { server: 0.3, database: 0.1, generator: 0.4, ..Usage::default() };
        let rate = ChatRate::of(&report, &usage).unwrap();
        assert!((rate.cost_us - 400.0).abs() < 1e-9 && (rate.generator_share - 0.5).abs() < 1e-9, "{rate:?}");
    }
}
