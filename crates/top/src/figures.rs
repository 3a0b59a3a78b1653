//! Everything that the pages display, as numbers. `metrics` makes them from the metrics of a node.
//!
//! What a node does not report is absent: its version is another one, or it has not been scraped twice, which rates need.

mod metrics;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::histogram::Quantile;

/// Figures of one node, or of several together. Rates are per second, durations in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Figures {
    pub identity: Identity,
    pub process: Process,
    pub requests: Requests,
    pub operations: BTreeMap<String, Operation>,
    /// Rejected by a rate limit, by policy.
    pub rate_limited: BTreeMap<String, f64>,
    pub database: Database,
    /// By name: hashes, images.
    pub cpu_pools: BTreeMap<String, CpuPool>,
    pub media: Media,
    pub gateway: Gateway,
    pub bus: Bus,
    /// By kind.
    pub jobs: BTreeMap<String, Jobs>,
    /// Live nodes that the database knows.
    pub nodes: Option<f64>,
    pub log_lines_dropped: Option<f64>,
}

/// Which node this is; of several nodes, what is the same on all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Identity {
    pub node: Option<String>,
    pub version: Option<String>,
    pub database: Option<String>,
    pub bus: Option<String>,
}

/// Something that works or not, on each node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Switch {
    /// The nodes on which it works.
    pub on: f64,
    /// The nodes that report it.
    pub of: f64,
}

impl Switch {
    /// Whether it works on all of them.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on + 0.5 >= self.of
    }
}

/// The process of the server.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Process {
    /// Seconds of CPU per second.
    pub cpu: Option<f64>,
    pub memory_bytes: Option<f64>,
    pub open_fds: Option<f64>,
    pub max_fds: Option<f64>,
    pub threads: Option<f64>,
    /// Seconds since 1970; of several nodes, the latest start.
    pub started_at: Option<f64>,
    /// Threads that handle requests.
    pub workers: Option<f64>,
    /// How many of them were busy on average.
    pub busy_workers: Option<f64>,
    /// Tasks that wait for one of them.
    pub queued_tasks: Option<f64>,
}

/// How often something took place and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// How often.
    pub rate: f64,
    /// How many were in progress on average.
    pub load: f64,
    /// The median.
    pub p50: Option<Quantile>,
    /// 95 % were as fast.
    pub p95: Option<Quantile>,
    /// 99 % were as fast.
    pub p99: Option<Quantile>,
}

/// Requests by the class of their status.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Statuses {
    /// All.
    pub all: f64,
    /// 400 to 498.
    pub client_errors: f64,
    /// 500 and above.
    pub server_errors: f64,
    /// 499: the client closed the connection.
    pub closed: f64,
}

/// All requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Requests {
    pub statuses: Option<Statuses>,
    pub latency: Option<Latency>,
    pub in_flight: Option<f64>,
    pub connections: Option<f64>,
    pub max_connections: Option<f64>,
    /// Connections that could not be accepted, such as for want of file descriptors.
    pub accept_errors: Option<f64>,
    /// Rejected connections, by reason.
    pub rejected_connections: BTreeMap<String, f64>,
}

/// The requests of one operation of the API.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Operation {
    pub statuses: Statuses,
    pub latency: Option<Latency>,
}

/// The database, as this process sees it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Database {
    /// Whether it answers.
    pub answers: Option<Switch>,
    /// Connections and waits by pool, statements by use: on PostgreSQL all uses share one pool.
    pub pools: BTreeMap<String, Pool>,
    pub commits: Option<f64>,
    pub commit: Option<Latency>,
    pub rollbacks: Option<f64>,
    pub size_bytes: Option<f64>,
}

/// A pool of database connections, or a use of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Pool {
    pub busy: Option<f64>,
    pub idle: Option<f64>,
    pub max: Option<f64>,
    pub waiting: Option<f64>,
    pub statements: Option<f64>,
    pub statement: Option<Latency>,
    pub wait: Option<Latency>,
    pub wait_timeouts: Option<f64>,
}

/// A pool of threads for hashes or images.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct CpuPool {
    pub busy: Option<f64>,
    pub threads: Option<f64>,
    pub queued: Option<f64>,
    pub tasks: Option<f64>,
    pub rejected: Option<f64>,
    pub task: Option<Latency>,
}

/// Images.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Media {
    /// By step.
    pub steps: BTreeMap<String, Latency>,
    /// By outcome.
    pub uploads: BTreeMap<String, f64>,
}

/// Realtime connections.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Gateway {
    pub sockets: Option<f64>,
    pub users: Option<f64>,
    pub commands: BTreeMap<String, Command>,
    /// Published, by event.
    pub events: BTreeMap<String, f64>,
    pub deliveries: Option<f64>,
    pub delivery_bytes: Option<f64>,
    /// What clients did not receive, by reason.
    pub drops: BTreeMap<String, f64>,
    /// Connections that ended, by reason.
    pub closed: BTreeMap<String, f64>,
    /// Handshakes, by reason.
    pub rejected: BTreeMap<String, f64>,
    pub queue_bytes: Option<f64>,
}

/// A command of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Command {
    pub ok: f64,
    pub rejected: f64,
    pub failed: f64,
}

/// The connection between nodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Bus {
    pub connected: Option<Switch>,
    pub sent: Option<f64>,
    pub received: Option<f64>,
    pub lost: Option<f64>,
    /// How often nodes learned that they may have missed envelopes.
    pub losses: Option<f64>,
    pub lag: Option<Latency>,
}

/// Background jobs of one kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[expect(missing_docs, reason = "plain data")]
pub struct Jobs {
    pub queued: Option<f64>,
    pub due: Option<f64>,
    /// For how long the oldest due one has been due.
    pub oldest_seconds: Option<f64>,
    /// Those that failed, and will be tried again.
    pub failing: Option<f64>,
    /// Runs, by outcome.
    pub runs: BTreeMap<String, f64>,
    pub duration: Option<Latency>,
}

#[cfg(test)]
mod tests;
