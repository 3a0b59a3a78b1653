//! The operations of the API.

use std::cmp::Ordering;

use super::{bad_rate, quantiles, warn_rate};
use crate::{
    figures::{Figures, Operation},
    format,
    text::{Table, Text, number, words},
};

/// The order of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Rate,
    Load,
    P99,
    Errors,
    Name,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Rate, Self::Load, Self::P99, Self::Errors, Self::Name];

    /// The next order; the previous one if not `forward`.
    pub(crate) fn next(self, forward: bool) -> Self {
        let count = Self::ALL.len();
        let index = Self::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        Self::ALL[(index + if forward { 1 } else { count - 1 }) % count]
    }

    /// The column that it sorts by.
    const fn column(self) -> &'static str {
        match self {
            Self::Rate => "/s",
            Self::Load => "load",
            Self::P99 => "p99",
            Self::Errors => "5xx/s",
            Self::Name => "Operation",
        }
    }

    /// The largest first; equal ones by name.
    fn compare(self, a: &(&String, &Operation), b: &(&String, &Operation)) -> Ordering {
        let key = |operation: &Operation| {
            let latency = operation.latency.as_ref();
            match self {
                Self::Rate => [operation.statuses.all, 0.0],
                Self::Load => [latency.map_or(0.0, |latency| latency.load), 0.0],
                Self::P99 => [latency.and_then(|latency| latency.p99).map_or(0.0, |p99| p99.seconds), 0.0],
                Self::Errors => [operation.statuses.server_errors, operation.statuses.client_errors],
                Self::Name => [0.0, 0.0],
            }
        };
        let ([a1, a2], [b1, b2]) = (key(a.1), key(b.1));
        b1.total_cmp(&a1).then(b2.total_cmp(&a2)).then_with(|| a.0.cmp(b.0))
    }
}

/// One row for each operation.
pub(super) fn table(figures: &Figures, sort: Sort) -> Table {
    let mut table = Table::new([
        words("Operation", 0),
        number("/s", 0),
        number("p50", 3),
        number("p95", 4),
        number("p99", 1),
        number("load", 2),
        number("4xx/s", 5),
        number("499/s", 6),
        number("5xx/s", 1),
    ]);
    table.sorted_by = Some(sort.column());
    let mut operations: Vec<_> = figures.operations.iter().collect();
    operations.sort_by(|a, b| sort.compare(a, b));
    table.rows = operations.into_iter().map(|(name, operation)| row(name, operation)).collect();
    table
}

fn row(name: &str, operation: &Operation) -> Vec<Text> {
    let latency = operation.latency.as_ref();
    let [p50, p95, p99] = quantiles(latency);
    let statuses = &operation.statuses;
    vec![
        name.into(),
        format::rate(statuses.all).into(),
        p50,
        p95,
        p99,
        super::value(latency.map(|latency| latency.load), load),
        warn_rate(Some(statuses.client_errors)),
        warn_rate(Some(statuses.closed)),
        bad_rate(Some(statuses.server_errors)),
    ]
}

fn load(load: f64) -> String {
    format!("{load:.2}")
}
