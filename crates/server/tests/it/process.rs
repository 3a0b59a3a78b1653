//! Stories about the real binary, as an operator and a client meet it: processes, sockets, signals and files.

mod bodies;
mod commands;
mod crash;
mod home;
mod logs;
mod people;
mod postgres;
mod shutdown;
mod start;

use rstest_reuse::template;

/// Runs a story on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}
