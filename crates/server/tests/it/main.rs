//! Integration tests of the server: configuration, commands, jobs, clock and listener as parts, and the real binary as
//! a process.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod client;
mod clock;
mod command;
mod config;
mod deleted_text;
mod demo;
mod embed;
mod hosts;
mod jobs;
mod listener;
mod mail;
mod process;
mod smtp_server;

use rstest_reuse::template;

/// Runs a test on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}
