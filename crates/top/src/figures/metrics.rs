//! Figures from the metrics of a node.

use std::collections::BTreeMap;

use super::{
    Bus, Command, CpuPool, Database, Figures, Gateway, Identity, Jobs, Latency, Media, Operation, Pool,
    Process, Requests, Statuses, Switch,
};
use crate::{histogram::Histogram, readings::Readings};

impl Figures {
    /// The figures of one node.
    #[must_use]
    pub fn of(readings: &Readings) -> Self {
        Self::sum([readings])
    }

    /// The figures of several nodes together.
    pub fn sum<'a>(nodes: impl IntoIterator<Item = &'a Readings>) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let sum = Readings::sum(nodes.iter().copied());
        let figures = Self::without_nodes(&sum);
        Self {
            identity: Identity {
                node: same(&nodes, "blegram_node_info", "node"),
                version: same(&nodes, "blegram_build_info", "version"),
                database: same(&nodes, "blegram_node_info", "database"),
                bus: same(&nodes, "blegram_node_info", "bus"),
            },
            database: Database { answers: switch(&nodes, "blegram_db_up"), ..figures.database },
            bus: Bus { connected: switch(&nodes, "blegram_bus_connected"), ..figures.bus },
            ..figures
        }
    }

    /// Without what is not a sum.
    fn without_nodes(readings: &Readings) -> Self {
        Self {
            process: process(readings),
            requests: requests(readings),
            operations: operations(readings),
            rate_limited: readings.by("blegram_rate_limited_total", "policy"),
            database: database(readings),
            cpu_pools: cpu_pools(readings),
            media: media(readings),
            gateway: gateway(readings),
            bus: bus(readings),
            jobs: jobs(readings),
            nodes: readings.value("blegram_nodes"),
            log_lines_dropped: readings.value("blegram_log_lines_dropped_total"),
            ..Self::default()
        }
    }
}

/// A label that has the same value on all nodes.
fn same(nodes: &[&Readings], name: &str, label: &str) -> Option<String> {
    let mut values = nodes.iter().map(|node| node.series(name).next()?.0.get(label));
    let first = values.next()??;
    values.all(|value| value == Some(first)).then(|| first.to_owned())
}

fn switch(nodes: &[&Readings], name: &str) -> Option<Switch> {
    let switches = nodes.iter().filter_map(|node| node.value(name)).map(|on| Switch { on, of: 1.0 });
    switches.reduce(|a, b| Switch { on: a.on + b.on, of: a.of + b.of })
}

impl Latency {
    fn of(histogram: &Histogram) -> Self {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| histogram.quantile(q));
        Self { rate: histogram.rate(), load: histogram.sum(), p50, p95, p99 }
    }
}

fn latency(readings: &Readings, name: &str, labels: &[(&str, &str)]) -> Option<Latency> {
    readings.histogram(name, labels).as_ref().map(Latency::of)
}

/// One entry for each value of a label that one of the metrics has.
fn each<T>(readings: &Readings, names: &[&str], label: &str, of: impl Fn(&str) -> T) -> BTreeMap<String, T> {
    let values = readings.label_values(names, label).into_iter();
    values.map(|value| (value.clone(), of(&value))).collect()
}

fn process(readings: &Readings) -> Process {
    let start = ["blegram_start_time_seconds", "process_start_time_seconds"];
    Process {
        cpu: readings.value("process_cpu_seconds_total"),
        memory_bytes: readings.value("process_resident_memory_bytes"),
        open_fds: readings.value("process_open_fds"),
        max_fds: readings.value("process_max_fds"),
        threads: readings.value("process_threads"),
        workers: readings.value("blegram_runtime_threads"),
        busy_workers: readings.value("blegram_runtime_busy_seconds_total"),
        queued_tasks: readings.value("blegram_runtime_queued_tasks"),
        started_at: start.iter().find_map(|name| readings.value(name)),
    }
}

const REQUESTS: &str = "blegram_http_requests_total";
const REQUEST_DURATION: &str = "blegram_http_request_duration_seconds";

fn requests(readings: &Readings) -> Requests {
    let has_rates = readings.value(REQUESTS).is_some();
    Requests {
        statuses: has_rates.then(|| statuses(readings, None)),
        latency: latency(readings, REQUEST_DURATION, &[]),
        in_flight: readings.value("blegram_http_requests_in_flight"),
        connections: readings.value("blegram_http_connections"),
        max_connections: readings.value("blegram_http_connections_max"),
        accept_errors: readings.value("blegram_http_accept_errors_total"),
        rejected_connections: readings.by("blegram_http_connections_refused_total", "reason"),
    }
}

fn operations(readings: &Readings) -> BTreeMap<String, Operation> {
    each(readings, &[REQUESTS], "operation", |operation| Operation {
        statuses: statuses(readings, Some(operation)),
        latency: latency(readings, REQUEST_DURATION, &[("operation", operation)]),
    })
}

fn statuses(readings: &Readings, operation: Option<&str>) -> Statuses {
    let mut statuses = Statuses::default();
    let is_counted = |own: Option<&str>| operation.is_none() || own == operation;
    for (labels, rate) in readings.series(REQUESTS).filter(|(labels, _)| is_counted(labels.get("operation")))
    {
        statuses.all += rate;
        match labels.get("status").and_then(|status| status.parse::<u16>().ok()) {
            Some(499) => statuses.closed += rate,
            Some(400..=498) => statuses.client_errors += rate,
            Some(500..) => statuses.server_errors += rate,
            _ => {}
        }
    }
    statuses
}

fn database(readings: &Readings) -> Database {
    let names = ["blegram_db_connections", "blegram_db_waiting", "blegram_db_statements_total"];
    let pool = |pool: &str| {
        let label = [("pool", pool)];
        let connections =
            |state| readings.value_where("blegram_db_connections", &[("pool", pool), ("state", state)]);
        Pool {
            busy: connections("busy"),
            idle: connections("idle"),
            max: readings.value_where("blegram_db_connections_max", &label),
            waiting: readings.value_where("blegram_db_waiting", &label),
            statements: readings.value_where("blegram_db_statements_total", &label),
            statement: latency(readings, "blegram_db_statement_duration_seconds", &label),
            wait: latency(readings, "blegram_db_wait_duration_seconds", &label),
            wait_timeouts: readings.value_where("blegram_db_wait_timeouts_total", &label),
        }
    };
    Database {
        answers: None,
        pools: each(readings, &names, "pool", pool),
        commits: readings.value("blegram_db_commits_total"),
        commit: latency(readings, "blegram_db_commit_duration_seconds", &[]),
        rollbacks: readings.value("blegram_db_rollbacks_total"),
        size_bytes: readings.value("blegram_db_size_bytes"),
    }
}

fn cpu_pools(readings: &Readings) -> BTreeMap<String, CpuPool> {
    let names = ["blegram_cpu_pool_busy", "blegram_cpu_pool_queued", "blegram_cpu_pool_tasks_total"];
    each(readings, &names, "pool", |pool| {
        let label = [("pool", pool)];
        CpuPool {
            busy: readings.value_where("blegram_cpu_pool_busy", &label),
            threads: readings.value_where("blegram_cpu_pool_threads", &label),
            queued: readings.value_where("blegram_cpu_pool_queued", &label),
            tasks: readings.value_where("blegram_cpu_pool_tasks_total", &label),
            rejected: readings.value_where("blegram_cpu_pool_refused_total", &label),
            task: latency(readings, "blegram_cpu_pool_duration_seconds", &label),
        }
    })
}

fn media(readings: &Readings) -> Media {
    const DURATION: &str = "blegram_media_duration_seconds";
    let step = |step: &str| latency(readings, DURATION, &[("step", step)]);
    let steps = each(readings, &["blegram_media_duration_seconds_count"], "step", step);
    Media {
        steps: steps.into_iter().filter_map(|(step, latency)| Some((step, latency?))).collect(),
        uploads: readings.by("blegram_media_uploads_total", "outcome"),
    }
}

fn gateway(readings: &Readings) -> Gateway {
    const COMMANDS: &str = "blegram_gateway_commands_total";
    let command = |command: &str| {
        let outcome = |outcome| {
            readings.value_where(COMMANDS, &[("command", command), ("outcome", outcome)]).unwrap_or_default()
        };
        Command { ok: outcome("ok"), rejected: outcome("rejected"), failed: outcome("failed") }
    };
    Gateway {
        sockets: readings.value("blegram_gateway_sockets"),
        users: readings.value("blegram_gateway_users"),
        commands: each(readings, &[COMMANDS], "command", command),
        events: readings.by("blegram_gateway_events_total", "event"),
        deliveries: readings.value("blegram_gateway_deliveries_total"),
        delivery_bytes: readings.value("blegram_gateway_delivery_bytes_total"),
        drops: readings.by("blegram_gateway_drops_total", "reason"),
        closed: readings.by("blegram_gateway_closed_total", "reason"),
        rejected: readings.by("blegram_gateway_rejected_total", "reason"),
        queue_bytes: readings.value("blegram_gateway_queue_bytes"),
    }
}

fn bus(readings: &Readings) -> Bus {
    Bus {
        connected: None,
        sent: readings.value("blegram_bus_sent_total"),
        received: readings.value("blegram_bus_received_total"),
        lost: readings.value("blegram_bus_lost_total"),
        losses: readings.value("blegram_bus_losses_total"),
        lag: latency(readings, "blegram_bus_lag_seconds", &[]),
    }
}

fn jobs(readings: &Readings) -> BTreeMap<String, Jobs> {
    const FINISHED: &str = "blegram_jobs_finished_total";
    let names = ["blegram_jobs", "blegram_jobs_oldest_age_seconds", FINISHED];
    each(readings, &names, "kind", |kind| {
        let label = [("kind", kind)];
        let mut runs = BTreeMap::new();
        for (labels, rate) in readings.series(FINISHED).filter(|(labels, _)| labels.get("kind") == Some(kind))
        {
            *runs.entry(labels.get("outcome").unwrap_or_default().to_owned()).or_default() += rate;
        }
        Jobs {
            queued: readings.value_where("blegram_jobs", &label),
            due: readings.value_where("blegram_jobs_due", &label),
            oldest_seconds: readings.value_where("blegram_jobs_oldest_age_seconds", &label),
            failing: readings.value_where("blegram_jobs_failing", &label),
            runs,
            duration: latency(readings, "blegram_job_duration_seconds", &label),
        }
    })
}
