//! The table of all metrics: name, type, labels and meaning. The reference (`docs/metrics.md`) is generated from it, and a
//! family that is not in it cannot be sent.

use prometheus_client::metrics::MetricType;

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    pub(super) const fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }

    /// The ending that the formats add to the names of samples.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// Metrics with one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Without the ending of its kind.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// One sentence.
    pub(super) help: &'static str,
}

impl Family {
    /// The name in queries; of a histogram without `_bucket`, `_sum` and `_count`.
    pub(super) fn query_name(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// Defines each family as a constant, and [`GROUPS`] of all.
macro_rules! families {
    ($($title:literal { $($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+ })+) => {
        $($(
            pub(super) const $constant: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )+)+

        /// All families with the titles of their groups, in the order of the reference.
        pub(super) const GROUPS: &[(&str, &[Family])] = &[$(($title, &[$($constant),+])),+];
    };
}

families! {
    "Node" {
        BUILD = Info "blegram_build" ["version"] "The version of the binary.";
        NODE = Info "blegram_node" ["node", "database", "bus"] "The node: its id, which is new at each start, the database (sqlite or postgres), and the connection to other nodes (local, postgres or redis).";
        START_TIME = Gauge "blegram_start_time_seconds" [] "When the node started, in Unix time.";
        NODES = Gauge "blegram_nodes" [] "The nodes of the site that run, as the database knows; 1 on SQLite.";
        RUNTIME_TASKS = Gauge "blegram_runtime_tasks" [] "The tasks of the tokio runtime that have not ended.";
        RUNTIME_QUEUED = Gauge "blegram_runtime_queued_tasks" [] "The tasks in the global queue of the tokio runtime. Above zero for long: the threads are too busy or blocked.";
        RUNTIME_BUSY = Counter "blegram_runtime_busy_seconds" [] "The time for which the worker threads of the tokio runtime were busy, summed over them.";
        RUNTIME_THREADS = Gauge "blegram_runtime_threads" [] "The worker threads of the tokio runtime.";
        LOG_LINES_DROPPED = Counter "blegram_log_lines_dropped" [] "The log lines that were dropped because the reader of the log was too slow. Only where blegram itself writes the log.";
    }
    "Requests" {
        HTTP_REQUESTS = Counter "blegram_http_requests" ["operation", "status"] "The requests by operation and status. The operation is an operationId of the API or of a page with a form, page, file, health, options (mostly CORS preflights) or unknown (no such path or method, or rejected by the listener). The status is 499 if the client closed the connection before the response, and other for unusual ones.";
        HTTP_DURATION = Histogram "blegram_http_request_duration_seconds" ["operation"] "The time from the head of the request to the head of the response.";
        HTTP_IN_FLIGHT = Gauge "blegram_http_requests_in_flight" [] "The requests without a response yet.";
        HTTP_CONNECTIONS = Gauge "blegram_http_connections" [] "The open connections, including those of the gateway.";
        HTTP_CONNECTIONS_MAX = Gauge "blegram_http_connections_max" [] "The setting listener.max_connections. At this number, clients wait.";
        HTTP_CONNECTIONS_REJECTED = Counter "blegram_http_connections_refused" ["reason"] "The connections that were reset, because their address had too many (address).";
        HTTP_ACCEPT_ERRORS = Counter "blegram_http_accept_errors" [] "The failures to accept a connection that were not the client's fault, such as too many open files.";
        RATE_LIMITED = Counter "blegram_rate_limited" ["policy"] "The requests, commands and attempts above a rate limit on this node, by the policy in RateLimit-Policy.";
    }
    "Database" {
        DB_UP = Gauge "blegram_db_up" [] "1 if the database answered the questions of the latest scrape, or of one up to five seconds before, within a second; otherwise 0, and blegram_db_size_bytes, blegram_jobs and the like, and blegram_nodes are missing.";
        DB_STATEMENTS = Counter "blegram_db_statements" ["pool"] "The SQL statements by use: read, write (in write transactions) or search.";
        DB_STATEMENT_DURATION = Histogram "blegram_db_statement_duration_seconds" ["pool"] "The execution times of statements, without BEGIN and COMMIT.";
        DB_WAIT_DURATION = Histogram "blegram_db_wait_duration_seconds" ["pool"] "The times that reads and transactions waited for a connection, or opened one.";
        DB_WAIT_TIMEOUTS = Counter "blegram_db_wait_timeouts" ["pool"] "The waits for a connection that ended without one.";
        DB_WAITING = Gauge "blegram_db_waiting" ["pool"] "The reads and transactions that wait for a connection.";
        DB_CONNECTIONS = Gauge "blegram_db_connections" ["pool", "state"] "The open connections, busy or idle. The pools of SQLite are read, write and search; on PostgreSQL, one is shared.";
        DB_CONNECTIONS_MAX = Gauge "blegram_db_connections_max" ["pool"] "The largest number of connections of a pool.";
        DB_COMMITS = Counter "blegram_db_commits" [] "The write transactions that committed.";
        DB_COMMIT_DURATION = Histogram "blegram_db_commit_duration_seconds" [] "The durations of these commits. On SQLite, the wait for the disk (fsync).";
        DB_ROLLBACKS = Counter "blegram_db_rollbacks" [] "The write transactions that were rolled back, or whose commit failed. Requests that change nothing roll back, too.";
        DB_SIZE = Gauge "blegram_db_size_bytes" [] "The size of the database; on SQLite, of the file without its write-ahead log.";
    }
    "Gateway" {
        GATEWAY_SOCKETS = Gauge "blegram_gateway_sockets" [] "The open gateway connections.";
        GATEWAY_USERS = Gauge "blegram_gateway_users" [] "The users with at least one gateway connection to this node.";
        GATEWAY_COMMANDS = Counter "blegram_gateway_commands" ["command", "outcome"] "The commands of clients. rejected: an error of the client or a rate limit; failed: an error of the server.";
        GATEWAY_EVENTS = Counter "blegram_gateway_events" ["event"] "The events that this node published, by their kind between nodes, whether or not any client receives them.";
        GATEWAY_DELIVERIES = Counter "blegram_gateway_deliveries" [] "The frames that were handed to sockets, replies included.";
        GATEWAY_DELIVERY_BYTES = Counter "blegram_gateway_delivery_bytes" [] "The bytes of these frames, without the frame heads of WebSocket.";
        GATEWAY_DROPS = Counter "blegram_gateway_drops" ["reason"] "What clients did not receive: hint (a hint for a slow connection), event (events of a conversation that its head replaced for a slow connection), withheld (posts above the rate of a topic), feed (the queue of the node was full). Clients load what they miss.";
        GATEWAY_QUEUE_BYTES = Gauge "blegram_gateway_queue_bytes" [] "The bytes that wait in the queues of all connections.";
        GATEWAY_CLOSED = Counter "blegram_gateway_closed" ["reason"] "The connections that ended: client (closed by the client, or reset), or the reason for which the server closed it, such as slow, overflow, heartbeat or revoked; invalid_frame also if the client ended without a close frame.";
        GATEWAY_REJECTED = Counter "blegram_gateway_rejected" ["reason"] "The handshakes that were rejected: draining (the node stops), busy (too many per second), address or user (too many connections).";
    }
    "Jobs" {
        JOBS = Gauge "blegram_jobs" ["kind"] "The jobs in the queue of the site, due or not. The recurring job retention is always there.";
        JOBS_DUE = Gauge "blegram_jobs_due" ["kind"] "Those that are due, and that no worker has taken.";
        JOBS_FAILING = Gauge "blegram_jobs_failing" ["kind"] "Those that failed at least once and have not succeeded since.";
        JOBS_OLDEST_AGE = Gauge "blegram_jobs_oldest_age_seconds" ["kind"] "For how long the oldest of the due ones has been due; 0 if none is.";
        JOBS_FINISHED = Counter "blegram_jobs_finished" ["kind", "outcome"] "The runs of jobs on this node: done, retried (failed, and will run again), interrupted (by the shutdown) or lost (taken over by another node).";
        JOB_DURATION = Histogram "blegram_job_duration_seconds" ["kind"] "The durations of these runs.";
    }
    "Media and hashing" {
        MEDIA_DURATION = Histogram "blegram_media_duration_seconds" ["step"] "The durations of the steps of uploads: decode, variants (resize and encode them), store (write the files).";
        MEDIA_UPLOADS = Counter "blegram_media_uploads" ["outcome"] "The uploads: stored, rejected (no acceptable image), limited (by a quota, a rate limit or the capacity) or failed (an error of the server).";
        CPU_POOL_BUSY = Gauge "blegram_cpu_pool_busy" ["pool"] "The threads at work: hash (passwords), image, and image-light (images that are cheap to process).";
        CPU_POOL_THREADS = Gauge "blegram_cpu_pool_threads" ["pool"] "All threads of the pool.";
        CPU_POOL_QUEUED = Gauge "blegram_cpu_pool_queued" ["pool"] "The pieces of work that wait for a thread.";
        CPU_POOL_TASKS = Counter "blegram_cpu_pool_tasks" ["pool"] "The pieces of work that ended.";
        CPU_POOL_REJECTED = Counter "blegram_cpu_pool_refused" ["pool"] "The pieces of work that were rejected, because the queue or the share of their owner was full.";
        CPU_POOL_DURATION = Histogram "blegram_cpu_pool_duration_seconds" ["pool"] "How long the work took, without its wait.";
    }
    "Bus" {
        BUS_CONNECTED = Gauge "blegram_bus_connected" [] "1 if events reach other nodes and theirs reach this one; 0 while the node is degraded. Always 1 on SQLite.";
        BUS_SENT = Counter "blegram_bus_sent" [] "The envelopes that were passed on to be sent.";
        BUS_RECEIVED = Counter "blegram_bus_received" [] "The envelopes of other nodes that arrived.";
        BUS_LOST = Counter "blegram_bus_lost" [] "The envelopes that this node dropped, outgoing or received: a queue was full, or the bus was not connected. Nodes look for what they miss in the database.";
        BUS_LOSSES = Counter "blegram_bus_losses" [] "How often this node learned that it may have missed envelopes, from a disconnection or from another node. It rises at each start.";
        BUS_LAG = Histogram "blegram_bus_lag_seconds" [] "The times that envelopes of other nodes were on their way, by the clocks of both nodes.";
    }
    "Process (Linux)" {
        PROCESS_CPU = Counter "process_cpu_seconds" [] "The CPU time of the process, user and system.";
        PROCESS_MEMORY = Gauge "process_resident_memory_bytes" [] "The resident memory.";
        PROCESS_OPEN_FDS = Gauge "process_open_fds" [] "The open file descriptors; each connection has one.";
        PROCESS_MAX_FDS = Gauge "process_max_fds" [] "The largest number of file descriptors (RLIMIT_NOFILE).";
        PROCESS_THREADS = Gauge "process_threads" [] "The threads.";
        PROCESS_START_TIME = Gauge "process_start_time_seconds" [] "When the process started, in Unix time.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let families: Vec<&Family> = GROUPS.iter().flat_map(|(_, families)| *families).collect();
        for (position, family) in families.iter().enumerate() {
            let name = family.name;
            assert!(families[..position].iter().all(|other| other.name != name), "{name} is there twice");
            let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_word(name) && family.labels.iter().copied().all(is_word), "{name}");
            let has_ending = ["_total", "_info", "_sum", "_count", "_bucket", "_created"];
            assert!(!has_ending.iter().any(|ending| name.ends_with(ending)), "{name} ends like a sample");
            assert!(family.help.ends_with('.'), "{name}");
            let has_unit = name.ends_with("_seconds");
            assert!(family.kind != Kind::Histogram || has_unit, "{name} has no unit");
        }
    }
}
