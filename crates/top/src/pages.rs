//! What each page displays, as rows and tables: pure functions of the figures.

mod jobs;
mod nodes;
mod operations;
mod overview;
mod realtime;
mod resources;

pub(crate) use self::{
    nodes::{NodeRow, nodes, process_row},
    operations::Sort,
    overview::overview,
};
use crate::{
    figures::{Figures, Latency},
    format::{self, NONE},
    text::{Row, Table, Text, Tone},
};

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Overview,
    Operations,
    Resources,
    Realtime,
    Jobs,
    Nodes,
}

impl Page {
    pub(crate) const ALL: [Self; 6] =
        [Self::Overview, Self::Operations, Self::Resources, Self::Realtime, Self::Jobs, Self::Nodes];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Operations => "Operations",
            Self::Resources => "Resources",
            Self::Realtime => "Realtime",
            Self::Jobs => "Jobs",
            Self::Nodes => "Nodes",
        }
    }

    /// The page `steps` further, around the ends.
    pub(crate) fn step(self, steps: isize) -> Self {
        let count = Self::ALL.len().cast_signed();
        let index = Self::ALL.iter().position(|page| *page == self).unwrap_or_default().cast_signed();
        Self::ALL[(index + steps).rem_euclid(count).unsigned_abs()]
    }
}

/// A part of a page with a title of its own.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) table: Option<Table>,
}

impl Section {
    fn rows(title: &'static str, rows: Vec<Row>) -> Self {
        Self { title, rows, table: None }
    }

    fn table(title: &'static str, table: Table) -> Self {
        Self { title, rows: Vec::new(), table: Some(table) }
    }
}

/// The sections of a page other than the overview and the nodes.
pub(crate) fn sections(page: Page, figures: &Figures, sort: Sort) -> Vec<Section> {
    match page {
        Page::Operations => vec![Section::table("", operations::table(figures, sort))],
        Page::Resources => resources::sections(figures),
        Page::Realtime => realtime::sections(figures),
        Page::Jobs => vec![Section::table("", jobs::table(figures))],
        Page::Overview | Page::Nodes => Vec::new(),
    }
}

/// A value that may be unknown.
fn value(value: Option<f64>, text: fn(f64) -> String) -> Text {
    match value {
        Some(value) => text(value).into(),
        None => unknown(),
    }
}

fn unknown() -> Text {
    Text::new(Tone::Label, NONE)
}

/// A rate that should be 0.
fn bad_rate(rate: Option<f64>) -> Text {
    unusual(rate, format::rate, Tone::Bad)
}

/// A rate that is unusual above 0.
fn warn_rate(rate: Option<f64>) -> Text {
    unusual(rate, format::rate, Tone::Warn)
}

/// A number that is unusual above 0.
fn warn_count(count: Option<f64>) -> Text {
    unusual(count, format::count, Tone::Warn)
}

/// A value that stands out above 0, and recedes at 0.
fn unusual(number: Option<f64>, text: fn(f64) -> String, tone: Tone) -> Text {
    let tone = if number.is_some_and(|number| number > 0.0) { tone } else { Tone::Label };
    Text { tone, ..value(number, text) }
}

fn quantiles(latency: Option<&Latency>) -> [Text; 3] {
    let of = |quantile| Text::from(format::quantile(quantile));
    latency.map_or_else(
        || [(); 3].map(|()| unknown()),
        |latency| [latency.p50, latency.p95, latency.p99].map(of),
    )
}

fn p99(latency: Option<&Latency>) -> Text {
    let [_, _, p99] = quantiles(latency);
    p99
}

/// The sum of several rates, `None` if there is none.
fn total<'a>(rates: impl IntoIterator<Item = &'a f64>) -> Option<f64> {
    rates.into_iter().copied().reduce(|a, b| a + b)
}
