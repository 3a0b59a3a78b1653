//! The metrics of a node of a busy site, as a function of time.

use std::fmt::Write;

/// A node that does not exist.
#[derive(Debug, Clone, Copy)]
pub struct FakeNode {
    /// Its name.
    pub name: &'static str,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// When it started, in seconds since 1970.
    pub started_at: f64,
    /// Its share of the load.
    pub share: f64,
}

impl Default for FakeNode {
    fn default() -> Self {
        Self { name: "seoul-1", database: "postgres", started_at: 1_790_000_000.0, share: 1.0 }
    }
}

const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Requests per second, median in seconds, and the share of statuses other than 200.
type Operation = (&'static str, f64, f64, &'static [(u16, f64)]);

const OPERATIONS: [Operation; 12] = [
    ("getPublicTimeline", 420.0, 0.004, &[(304, 0.2)]),
    ("getPost", 310.0, 0.0012, &[(404, 0.03)]),
    ("getHomeTimeline", 188.0, 0.006, &[(401, 0.02)]),
    ("likePost", 64.0, 0.002, &[(429, 0.04)]),
    ("listComments", 55.0, 0.0016, &[]),
    ("search", 31.0, 0.018, &[(503, 0.01)]),
    ("createPost", 12.0, 0.0045, &[(422, 0.05)]),
    ("uploadMedia", 3.5, 0.31, &[(499, 0.1)]),
    ("logIn", 2.5, 0.09, &[(401, 0.2)]),
    ("getGatewayTicket", 2.0, 0.001, &[]),
    ("file", 260.0, 0.0007, &[(404, 0.01)]),
    ("unknown", 1.0, 0.0003, &[(404, 1.0)]),
];

/// The text that the node sends `seconds` after its start. The load swings by a third within a minute.
#[must_use]
pub fn metrics(node: FakeNode, seconds: f64) -> String {
    // The integral of `1 + sin / 3`.
    let period = std::f64::consts::TAU / 60.0;
    let load = node.share * (seconds + (1.0 - (seconds * period).cos()) / period / 3.0);
    let mut page = Page(String::new());
    page.line("blegram_build_info", "version=\"0.1.0\"", 1.0);
    let FakeNode { name, database, started_at, share } = node;
    let info = format!("node=\"{name}\",database=\"{database}\",bus=\"redis\"");
    page.line("blegram_node_info", &info, 1.0);
    page.line("blegram_start_time_seconds", "", started_at);
    page.process(started_at, load, share);
    page.requests(load, share);
    page.database(load);
    page.gateway(load, share);
    page.pools(load);
    page.jobs(load);
    page.line("blegram_nodes", "", 3.0);
    page.line("blegram_log_lines_dropped_total", "", 0.0);
    page.0.push_str("# EOF\n");
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{name}{braces} {value}");
    }

    /// Observations around a median: a tenth of them is ten times as slow.
    fn histogram(&mut self, name: &str, labels: &str, count: f64, median: f64) {
        let _ = writeln!(self.0, "# TYPE {name} histogram");
        let below = |bound: f64, median: f64| 1.0 - 0.5_f64.powf(bound / median);
        let separator = if labels.is_empty() { "" } else { "," };
        for bound in BOUNDS {
            let share = 0.9 * below(bound, median) + 0.1 * below(bound, median * 10.0);
            self.line(
                &format!("{name}_bucket"),
                &format!("{labels}{separator}le=\"{bound}\""),
                (count * share).floor(),
            );
        }
        self.line(&format!("{name}_bucket"), &format!("{labels}{separator}le=\"+Inf\""), count.floor());
        self.line(&format!("{name}_sum"), labels, count * median * 2.7);
        self.line(&format!("{name}_count"), labels, count.floor());
    }

    fn process(&mut self, started_at: f64, load: f64, share: f64) {
        self.line("process_cpu_seconds_total", "", load * 0.62);
        self.line("process_resident_memory_bytes", "", 51_485_081.0 + 20_000_000.0 * share);
        self.line("process_open_fds", "", (1_290.0 * share).floor());
        self.line("process_max_fds", "", 65_536.0);
        self.line("process_threads", "", 9.0);
        self.line("blegram_runtime_threads", "", 2.0);
        self.line("blegram_runtime_busy_seconds_total", "", load * 0.55);
        self.line("blegram_runtime_queued_tasks", "", 0.0);
        self.line("process_start_time_seconds", "", started_at);
    }

    fn requests(&mut self, load: f64, share: f64) {
        for (operation, rate, median, statuses) in OPERATIONS {
            let count = load * rate;
            let other: f64 = statuses.iter().map(|(_, share)| share).sum();
            for (status, share) in statuses.iter().copied().chain([(200, 1.0 - other)]) {
                let labels = format!("operation=\"{operation}\",status=\"{status}\"");
                self.line("blegram_http_requests_total", &labels, (count * share).floor());
            }
            let labels = format!("operation=\"{operation}\"");
            self.histogram("blegram_http_request_duration_seconds", &labels, count, median);
        }
        self.line("blegram_http_requests_in_flight", "", (12.0 * share).floor());
        self.line("blegram_http_connections", "", (84.0 * share).floor());
        self.line("blegram_http_connections_max", "", 10_000.0);
        self.line("blegram_http_accept_errors_total", "", 0.0);
        self.line("blegram_http_connections_refused_total", "reason=\"address\"", 0.0);
        self.line("blegram_rate_limited_total", "policy=\"reactions_per_user\"", (load * 2.5).floor());
        self.line("blegram_rate_limited_total", "policy=\"login_per_address\"", 3.0);
    }

    /// As on PostgreSQL, where three uses share a pool.
    fn database(&mut self, load: f64) {
        self.line("blegram_db_up", "", 1.0);
        for (pool, rate) in [("read", 2_310.0), ("write", 118.0), ("search", 31.0)] {
            let labels = format!("pool=\"{pool}\"");
            self.line("blegram_db_statements_total", &labels, (load * rate).floor());
            self.histogram("blegram_db_statement_duration_seconds", &labels, load * rate, 0.0004);
        }
        let labels = "pool=\"shared\"";
        self.histogram("blegram_db_wait_duration_seconds", labels, load * 900.0, 0.0001);
        self.line("blegram_db_wait_timeouts_total", labels, 0.0);
        self.line("blegram_db_connections", "pool=\"shared\",state=\"busy\"", 8.0);
        self.line("blegram_db_connections", "pool=\"shared\",state=\"idle\"", 0.0);
        self.line("blegram_db_connections_max", labels, 8.0);
        self.line("blegram_db_waiting", labels, 2.0);
        self.line("blegram_db_commits_total", "", (load * 96.0).floor());
        self.histogram("blegram_db_commit_duration_seconds", "", load * 96.0, 0.0021);
        self.line("blegram_db_rollbacks_total", "", (load * 0.5).floor());
        self.line("blegram_db_size_bytes", "", 4_831_838_208.0);
    }

    fn gateway(&mut self, load: f64, share: f64) {
        self.line("blegram_gateway_sockets", "", (1_204.0 * share).floor());
        self.line("blegram_gateway_users", "", (870.0 * share).floor());
        for (command, rate, failed) in
            [("message.send", 34.0, 0.0), ("typing", 12.0, 0.0), ("subscribe", 3.0, 0.1)]
        {
            let labels = |outcome: &str| format!("command=\"{command}\",outcome=\"{outcome}\"");
            self.line("blegram_gateway_commands_total", &labels("ok"), (load * rate).floor());
            self.line("blegram_gateway_commands_total", &labels("rejected"), (load * rate * 0.01).floor());
            self.line("blegram_gateway_commands_total", &labels("failed"), (load * failed).floor());
        }
        for (event, rate) in [("message.created", 34.0), ("presence", 8.0), ("post.created", 12.0)] {
            self.line("blegram_gateway_events_total", &format!("event=\"{event}\""), (load * rate).floor());
        }
        self.line("blegram_gateway_deliveries_total", "", (load * 12_003.0).floor());
        self.line("blegram_gateway_delivery_bytes_total", "", (load * 3_600_900.0).floor());
        self.line("blegram_gateway_drops_total", "reason=\"withheld\"", (load * 0.2).floor());
        self.line("blegram_gateway_closed_total", "reason=\"client\"", (load * 4.0).floor());
        self.line("blegram_gateway_closed_total", "reason=\"slow\"", (load * 0.1).floor());
        self.line("blegram_gateway_rejected_total", "reason=\"busy\"", 0.0);
        self.line("blegram_gateway_queue_bytes", "", 48_200.0);
        self.line("blegram_bus_connected", "", 1.0);
        self.line("blegram_bus_sent_total", "", (load * 54.0).floor());
        self.line("blegram_bus_received_total", "", (load * 108.0).floor());
        self.line("blegram_bus_lost_total", "", 0.0);
        self.line("blegram_bus_losses_total", "", 1.0);
        self.histogram("blegram_bus_lag_seconds", "", load * 108.0, 0.0009);
    }

    fn pools(&mut self, load: f64) {
        for (pool, rate, busy, queued, median) in
            [("hash", 2.5, 1.0, 0.0, 0.06), ("image", 3.5, 1.0, 14.0, 0.24)]
        {
            let labels = format!("pool=\"{pool}\"");
            self.line("blegram_cpu_pool_busy", &labels, busy);
            self.line("blegram_cpu_pool_threads", &labels, 1.0);
            self.line("blegram_cpu_pool_queued", &labels, queued);
            self.line("blegram_cpu_pool_tasks_total", &labels, (load * rate).floor());
            self.line("blegram_cpu_pool_refused_total", &labels, 0.0);
            self.histogram("blegram_cpu_pool_duration_seconds", &labels, load * rate, median);
        }
        for (step, median) in [("decode", 0.08), ("variants", 0.14), ("store", 0.02)] {
            self.histogram("blegram_media_duration_seconds", &format!("step=\"{step}\""), load * 3.5, median);
        }
        self.line("blegram_media_uploads_total", "outcome=\"stored\"", (load * 3.2).floor());
        self.line("blegram_media_uploads_total", "outcome=\"limited\"", (load * 0.3).floor());
    }

    fn jobs(&mut self, load: f64) {
        // Unlinking fails: the provider does not answer.
        for (kind, rate, due, oldest, failing) in [
            ("mail", 0.6, 1.0, 3.0, 0.0),
            ("retention", 0.1, 0.0, 0.0, 0.0),
            ("provider_unlink", 0.02, 9.0, 754.0, 9.0),
        ] {
            let labels = format!("kind=\"{kind}\"");
            self.line("blegram_jobs", &labels, due + 1.0);
            self.line("blegram_jobs_due", &labels, due);
            self.line("blegram_jobs_failing", &labels, failing);
            self.line("blegram_jobs_oldest_age_seconds", &labels, oldest);
            let done = if failing > 0.0 { 0.0 } else { 1.0 };
            for (outcome, share) in
                [("done", done), ("retried", 1.0 - done), ("interrupted", 0.0), ("lost", 0.0)]
            {
                let labels = format!("{labels},outcome=\"{outcome}\"");
                self.line("blegram_jobs_finished_total", &labels, (load * rate * share).floor());
            }
            self.histogram("blegram_job_duration_seconds", &labels, load * rate, 0.03);
        }
    }
}
