//! A live terminal view of the metrics of blegram nodes, for operators: `blegram top`.
//!
//! ```no_run
//! use blegram_top::{Options, watch};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let nodes = vec!["10.0.0.11:9464".parse()?, "10.0.0.12:9464".parse()?];
//! watch(&Options { nodes, token: None, interval: std::time::Duration::from_secs(2) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A node reports counters since its start. The view scrapes it at an interval and displays the difference: rates, and
//! quantiles from the buckets of histograms. Several nodes are added up. Everything but [`watch`], [`snapshot`] and [`Scraper`] is
//! pure.
//!
//! | Module | |
//! |---|---|
//! | `scrape` | [`Scraper`]: fetches the text of a node, within bounds |
//! | `samples` | [`Samples`]: the text, parsed |
//! | `readings` | [`Readings`]: two scrapes of a node become rates; several nodes are added up |
//! | `histogram` | [`Histogram`]: quantiles |
//! | `figures` | [`Figures`]: all numbers that are displayed; `figures::metrics` makes them from the metrics |
//! | `pages` | figures become rows and tables |
//! | `text` | rows and tables become lines that fit a width |
//! | `app` | the state: nodes, history, page, keys |
//! | `view`, `heading` | the state on a terminal, by ratatui |
//! | `report` | the state as plain text and as JSON |
//! | `run`, `terminal` | [`watch`] and [`snapshot`]: I/O, signals, raw mode |
//!
//! To display another metric, add a field to [`Figures`] and a column or a part of a row to the page.
//!
//! ## Features
//!
//! - `testing`: a metrics text that changes with time, a server for it, and a pseudoterminal, for tests.

mod app;
mod figures;
mod format;
mod heading;
mod histogram;
mod pages;
mod readings;
mod report;
mod run;
mod samples;
mod scrape;
mod terminal;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod view;

pub use self::{
    figures::{
        Bus, Command, CpuPool, Database, Figures, Gateway, Identity, Jobs, Latency, Media, Operation, Pool,
        Process, Requests, Statuses, Switch,
    },
    histogram::{Histogram, Quantile},
    readings::{Readings, Scrape},
    run::{Error, Options, Snapshot, snapshot, watch},
    samples::{Labels, ParseError, Samples, Series},
    scrape::{Address, DEADLINE, Error as ScrapeError, InvalidAddress, MAX_BYTES, Scraper, Token},
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
