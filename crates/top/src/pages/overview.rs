//! The overview: the state of the site at a glance.

use std::collections::BTreeMap;

use super::{Sort, bad_rate, operations, p99, quantiles, total, value, warn_count, warn_rate};
use crate::{
    figures::{Figures, Jobs, Statuses, Switch},
    format,
    histogram::Quantile,
    text::{Row, Table, Text},
};

/// The parts of the overview, from top to bottom; a chart of the requests is between the first two.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub(crate) requests: Vec<Row>,
    /// As many of its rows as there is space for.
    pub(crate) operations: Table,
    pub(crate) rest: Vec<Row>,
}

pub(crate) fn overview(figures: &Figures, sort: Sort) -> Overview {
    let mut rest: Vec<_> = databases(figures);
    rest.extend([realtime(figures), pools(figures), jobs(figures), bus(figures)]);
    Overview {
        requests: vec![requests(figures), errors(figures)],
        operations: operations::table(figures, sort),
        rest,
    }
}

fn requests(figures: &Figures) -> Row {
    let requests = &figures.requests;
    let [p50, p95, p99] = quantiles(requests.latency.as_ref());
    Row::new("Requests")
        .with("", value(requests.statuses.map(|statuses| statuses.all), format::rate), "/s")
        .with("p50", p50, "")
        .with("p95", p95, "")
        .with("p99", p99, "")
        .with("in flight", value(requests.in_flight, format::count), "")
        .with("connections", value(requests.connections, format::count), &of(requests.max_connections))
}

/// ` of 8`, if the limit is known.
pub(super) fn of(limit: Option<f64>) -> String {
    limit.map(|limit| format!(" of {}", format::count(limit))).unwrap_or_default()
}

fn errors(figures: &Figures) -> Row {
    let statuses = figures.requests.statuses;
    let of = |class: fn(&Statuses) -> f64| statuses.as_ref().map(class);
    // A node makes the series of a policy or a reason when it first rejects something.
    let sum = |rates: &BTreeMap<String, f64>| statuses.map(|_| total(rates.values()).unwrap_or_default());
    let limited = sum(&figures.rate_limited);
    let rejected = sum(&figures.requests.rejected_connections);
    Row::new("Errors")
        .with("5xx", bad_rate(of(|statuses| statuses.server_errors)), "/s")
        .with("4xx", warn_rate(of(|statuses| statuses.client_errors)), "/s")
        .with("rate limited", warn_rate(limited), "/s")
        .with("closed by client", warn_rate(of(|statuses| statuses.closed)), "/s")
        .with("connections rejected", warn_rate(rejected), "/s")
        .with("accept errors", bad_rate(figures.requests.accept_errors), "/s")
}

/// Connections and waits, and below them the statements of each use.
fn databases(figures: &Figures) -> Vec<Row> {
    let database = &figures.database;
    let pools = || database.pools.iter();
    let mut connections = Row::new("Database").with("", answers(database.answers), "");
    for (name, pool) in pools() {
        let busy = |busy| Text::from(format::count(busy));
        connections = connections.with_known(name, pool.busy, busy, &format!("{} busy", of(pool.max)));
    }
    let waiting = pools().filter_map(|(_, pool)| pool.waiting).reduce(|a, b| a + b);
    let slowest = |a: Quantile, b: Quantile| if a.seconds < b.seconds { b } else { a };
    let wait = pools().filter_map(|(_, pool)| pool.wait.as_ref()?.p99).reduce(slowest);
    let connections = connections
        .with("waiting", warn_count(waiting), "")
        .with("wait p99", format::quantile(wait), "")
        .with("commits", value(database.commits, format::rate), "/s")
        .with("p99", p99(database.commit.as_ref()), "");
    let mut statements = Row::new("Statements");
    for (name, pool) in pools().filter(|(_, pool)| pool.statement.is_some()) {
        statements = statements.with(name, value(pool.statements, format::rate), "/s").with(
            "p99",
            p99(pool.statement.as_ref()),
            "",
        );
    }
    if statements.parts.is_empty() {
        statements = statements.with("", super::unknown(), "");
    }
    vec![connections, statements]
}

fn answers(answers: Option<Switch>) -> Text {
    match answers {
        None => super::unknown(),
        Some(answers) if answers.is_on() => "answers".into(),
        Some(_) => Text::from("does not answer").bad_if(true),
    }
}

fn realtime(figures: &Figures) -> Row {
    let gateway = &figures.gateway;
    let drops = gateway.deliveries.map(|_| total(gateway.drops.values()).unwrap_or_default());
    Row::new("Realtime")
        .with("sockets", value(gateway.sockets, format::count), "")
        .with("users", value(gateway.users, format::count), "")
        .with("events", value(total(gateway.events.values()), format::rate), "/s")
        .with("deliveries", value(gateway.deliveries, format::rate), "/s")
        .with("drops", warn_rate(drops), "/s")
        .with("", value(gateway.delivery_bytes, format::bytes), "/s")
}

fn pools(figures: &Figures) -> Row {
    let mut row = Row::new("CPU pools");
    for (name, pool) in &figures.cpu_pools {
        let busy = format!("{} busy", of(pool.threads));
        row = row.with(name, value(pool.busy, format::count), &busy).and(warn_count(pool.queued), " queued");
    }
    let rejected = figures.cpu_pools.values().filter_map(|pool| pool.rejected).reduce(|a, b| a + b);
    row.with("rejected", bad_rate(rejected), "/s")
}

fn jobs(figures: &Figures) -> Row {
    let jobs = || figures.jobs.values();
    let sum = |of: fn(&Jobs) -> Option<f64>| jobs().filter_map(of).reduce(|a, b| a + b);
    let runs = |outcome: &str| jobs().filter_map(|jobs| jobs.runs.get(outcome)).copied().reduce(|a, b| a + b);
    let oldest = jobs().filter_map(|jobs| jobs.oldest_seconds).reduce(f64::max);
    Row::new("Jobs")
        .with("due", value(sum(|jobs| jobs.due), format::count), "")
        .with("oldest", age(oldest), "")
        .with("failing", warn_count(sum(|jobs| jobs.failing)), "")
        .with("done", value(runs("done"), format::rate), "/s")
        .with("retried", warn_rate(runs("retried")), "/s")
        .with("queued", value(sum(|jobs| jobs.queued), format::count), "")
}

/// The age of a due job: usually it waits less than a second.
pub(super) fn age(seconds: Option<f64>) -> Text {
    let is = |limit: f64| seconds.is_some_and(|seconds| seconds >= limit);
    value(seconds, format::age).warn_if(is(60.0)).bad_if(is(600.0))
}

fn bus(figures: &Figures) -> Row {
    let bus = &figures.bus;
    let [p50, _, p99] = quantiles(bus.lag.as_ref());
    let connected = match bus.connected {
        None => super::unknown(),
        Some(connected) if connected.is_on() => "connected".into(),
        Some(_) => Text::from("not connected").bad_if(true),
    };
    Row::new("Bus")
        .with("", connected, "")
        .with("lag p50", p50, "")
        .with("p99", p99, "")
        .with("lost", bad_rate(bus.lost), "/s")
        .with("nodes", value(figures.nodes, format::count), "")
        .with("log lines dropped", bad_rate(figures.log_lines_dropped), "/s")
}
