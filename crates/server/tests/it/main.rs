//! The server's parts, driven from outside.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails, helpers included")]

mod client;
mod clock;
mod command;
mod config;
mod demo;
mod jobs;
mod listener;
mod process;

use rstest_reuse::template;

/// Runs a story on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}
