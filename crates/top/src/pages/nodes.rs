//! The nodes beside each other.

use super::{bad_rate, overview::of, p99, unknown, value};
use crate::{
    figures::{Figures, Process},
    format,
    text::{Row, Table, Text, Tone, number, words},
};

/// A node and its state.
#[derive(Debug)]
pub(crate) struct NodeRow<'a> {
    pub(crate) address: &'a str,
    /// Its last figures.
    pub(crate) figures: Option<&'a Figures>,
    pub(crate) state: Text,
    /// Whether the figures are old.
    pub(crate) is_old: bool,
    pub(crate) uptime: Option<f64>,
}

/// One row for each node.
pub(crate) fn nodes(nodes: &[NodeRow<'_>]) -> Table {
    let mut table = Table::new([
        words("Node", 0),
        words("State", 0),
        number("/s", 0),
        number("p99", 1),
        number("5xx/s", 0),
        number("cpu", 1),
        number("memory", 2),
        number("fds", 6),
        number("sockets", 2),
        number("up", 3),
        words("Id", 7),
        words("Version", 5),
    ]);
    table.rows = nodes.iter().map(row).collect();
    table
}

fn row(node: &NodeRow<'_>) -> Vec<Text> {
    let none = Figures::default();
    let figures = node.figures.unwrap_or(&none);
    let identity = |text: Option<&String>| text.map_or_else(unknown, |text| text.as_str().into());
    let statuses = figures.requests.statuses;
    let cells = vec![
        node.address.into(),
        node.state.clone(),
        value(statuses.map(|statuses| statuses.all), format::rate),
        p99(figures.requests.latency.as_ref()),
        bad_rate(statuses.map(|statuses| statuses.server_errors)),
        value(figures.process.cpu, format::percent),
        value(figures.process.memory_bytes, format::bytes),
        open_fds(&figures.process),
        value(figures.gateway.sockets, format::count),
        value(node.uptime, format::age),
        identity(figures.identity.node.as_ref()),
        identity(figures.identity.version.as_ref()),
    ];
    // The state stays as it is: it says why the others are old.
    let old = |(index, cell): (usize, Text)| {
        if node.is_old && index != 1 { Text { tone: Tone::Label, ..cell } } else { cell }
    };
    cells.into_iter().enumerate().map(old).collect()
}

fn open_fds(process: &Process) -> Text {
    let is_near_limit = process.open_fds.zip(process.max_fds).is_some_and(|(open, max)| open > 0.8 * max);
    value(process.open_fds, format::count).bad_if(is_near_limit)
}

/// The processes of the nodes together.
pub(crate) fn process_row(process: &Process) -> Row {
    let workers = process.busy_workers.zip(process.workers).filter(|(_, all)| *all > 0.0);
    let busy = workers.map(|(busy, all)| busy / all);
    Row::new("Process")
        .with("cpu", value(process.cpu, format::percent), "")
        .with("memory", value(process.memory_bytes, format::bytes), "")
        .with("fds", open_fds(process), &of(process.max_fds))
        .with("workers", value(busy, format::percent).warn_if(busy.is_some_and(|busy| busy > 0.9)), " busy")
        .with("queued tasks", value(process.queued_tasks, format::count), "")
        .with("threads", value(process.threads, format::count), "")
}
