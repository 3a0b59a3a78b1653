//! What requests share: database connections, threads for hashes and images.

use std::collections::BTreeMap;

use super::{Section, bad_rate, quantiles, value, warn_count, warn_rate};
use crate::{
    figures::{Figures, Latency},
    format,
    text::{Row, Table, Text, Tone, number, words},
};

pub(super) fn sections(figures: &Figures) -> Vec<Section> {
    let database = &figures.database;
    let [commit_p50, _, commit_p99] = quantiles(database.commit.as_ref());
    let transactions = Row::new("Database")
        .with("commits", value(database.commits, format::rate), "/s")
        .with("p50", commit_p50, "")
        .with("p99", commit_p99, "")
        .with("rollbacks", warn_rate(database.rollbacks), "/s")
        .with("size", value(database.size_bytes, format::bytes), "");
    vec![
        Section::rows("", vec![transactions]),
        Section::table("Database connections", connections(figures)),
        Section::table("Statements", statements(figures)),
        Section::table("Threads for hashes and images", threads(figures)),
        Section::table("Images", steps(figures)),
        Section::table("Uploads", rates(&figures.media.uploads, "Outcome", |outcome| outcome != "stored")),
        Section::table("Rejected by rate limits", rates(&figures.rate_limited, "Policy", |_| true)),
        Section::table(
            "Rejected connections",
            rates(&figures.requests.rejected_connections, "Reason", |_| true),
        ),
    ]
}

/// The pools: on PostgreSQL, all uses share one.
fn connections(figures: &Figures) -> Table {
    let mut table = Table::new([
        words("Pool", 0),
        number("busy", 0),
        number("idle", 2),
        number("max", 1),
        number("waiting", 0),
        number("wait p50", 4),
        number("wait p99", 1),
        number("timeouts/s", 3),
    ]);
    let pools = figures.database.pools.iter().filter(|(_, pool)| pool.busy.is_some());
    let rows = pools.map(|(name, pool)| {
        let [p50, _, p99] = quantiles(pool.wait.as_ref());
        vec![
            name.as_str().into(),
            value(pool.busy, format::count),
            value(pool.idle, format::count),
            value(pool.max, format::count),
            warn_count(pool.waiting),
            p50,
            p99,
            bad_rate(pool.wait_timeouts),
        ]
    });
    table.rows = rows.collect();
    table
}

fn statements(figures: &Figures) -> Table {
    let mut table = latency_table("Use");
    let pools = figures.database.pools.iter();
    table.rows = pools.filter_map(|(name, pool)| Some(latency_row(name, pool.statement.as_ref()?))).collect();
    table
}

fn threads(figures: &Figures) -> Table {
    let mut table = Table::new([
        words("Pool", 0),
        number("busy", 0),
        number("threads", 1),
        number("queued", 0),
        number("rejected/s", 1),
        number("tasks/s", 1),
        number("p50", 3),
        number("p99", 2),
    ]);
    let rows = figures.cpu_pools.iter().map(|(name, pool)| {
        let [p50, _, p99] = quantiles(pool.task.as_ref());
        vec![
            name.as_str().into(),
            value(pool.busy, format::count),
            value(pool.threads, format::count),
            warn_count(pool.queued),
            bad_rate(pool.rejected),
            value(pool.tasks, format::rate),
            p50,
            p99,
        ]
    });
    table.rows = rows.collect();
    table
}

fn steps(figures: &Figures) -> Table {
    let mut table = latency_table("Step");
    table.rows = figures.media.steps.iter().map(|(step, latency)| latency_row(step, latency)).collect();
    table
}

fn latency_table(label: &'static str) -> Table {
    Table::new([words(label, 0), number("/s", 0), number("p50", 1), number("p95", 2), number("p99", 0)])
}

fn latency_row(name: &str, latency: &Latency) -> Vec<Text> {
    let [p50, p95, p99] = quantiles(Some(latency));
    vec![name.into(), format::rate(latency.rate).into(), p50, p95, p99]
}

/// The rates of one label, the largest first; those that are unusual are marked. A node reports many that are 0 for days.
pub(super) fn rates(
    rates: &BTreeMap<String, f64>,
    label: &'static str,
    is_unusual: impl Fn(&str) -> bool,
) -> Table {
    let mut table = Table::new([words(label, 0), number("/s", 0)]);
    let (mut some, none): (Vec<_>, Vec<_>) = rates.iter().partition(|(_, rate)| **rate > 0.0);
    some.sort_by(|a, b| b.1.total_cmp(a.1));
    let row = |(name, rate): (&String, &f64)| {
        vec![name.as_str().into(), Text::from(format::rate(*rate)).warn_if(is_unusual(name))]
    };
    table.rows = some.into_iter().map(row).collect();
    let others = others(&none.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), rates.len());
    table
        .rows
        .extend(others.map(|name| [name, "0".to_owned()].map(|text| Text::new(Tone::Label, text)).into()));
    table
}

/// The row of those that are 0, of `all`.
pub(super) fn others(names: &[&str], all: usize) -> Option<String> {
    match names {
        [] => None,
        [name] => Some((*name).to_owned()),
        _ if names.len() == all => Some(format!("all {all}")),
        _ => Some(format!("{} others", names.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(given: &[(&str, f64)]) -> Vec<[String; 2]> {
        let given = given.iter().map(|(name, rate)| ((*name).to_owned(), *rate)).collect();
        let table = rates(&given, "Reason", |_| true);
        table.rows.iter().map(|row| [row[0].text.clone(), row[1].text.clone()]).collect()
    }

    #[test]
    fn rates_of_zero_share_a_row() {
        assert!(rows(&[]).is_empty());
        assert_eq!(rows(&[("slow", 0.0)]), [["slow", "0"]]);
        assert_eq!(rows(&[("protocol", 0.0), ("slow", 0.0)]), [["all 2", "0"]]);
        assert_eq!(
            rows(&[("client", 0.5), ("protocol", 0.0), ("slow", 7.0), ("version", 0.0)]),
            [["slow", "7.0"], ["client", "0.5"], ["2 others", "0"]]
        );
    }
}
