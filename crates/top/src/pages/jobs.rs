//! Background jobs.

use super::{bad_rate, overview::age, quantiles, value, warn_count, warn_rate};
use crate::{
    figures::Figures,
    format,
    text::{Table, number, words},
};

/// One row for each kind.
pub(super) fn table(figures: &Figures) -> Table {
    let mut table = Table::new([
        words("Job", 0),
        number("due", 0),
        number("oldest", 0),
        number("failing", 0),
        number("queued", 3),
        number("done/s", 1),
        number("retried/s", 2),
        number("lost/s", 6),
        number("p50", 5),
        number("p99", 4),
    ]);
    let rows = figures.jobs.iter().map(|(kind, jobs)| {
        let runs = |outcome: &str| jobs.runs.get(outcome).copied();
        let [p50, _, p99] = quantiles(jobs.duration.as_ref());
        vec![
            kind.as_str().into(),
            value(jobs.due, format::count),
            age(jobs.oldest_seconds),
            warn_count(jobs.failing),
            value(jobs.queued, format::count),
            value(runs("done"), format::rate),
            warn_rate(runs("retried")),
            bad_rate(runs("lost")),
            p50,
            p99,
        ]
    });
    table.rows = rows.collect();
    table
}
