//! Tests of images, on SQLite with a folder and on PostgreSQL with a bucket.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test, in helpers, too")]

mod absence;
mod bad_input;
mod direct;
mod endings;
mod failures;
mod life;
mod moving;
mod pictures;
mod quota;
mod receiving;
mod sweep;
mod world;

use rstest_reuse::template;

/// Runs a test on SQLite with a folder, and on PostgreSQL with a bucket.
#[template]
#[rstest::rstest]
#[case::sqlite_and_a_folder(crate::world::StorageKind::Folder)]
#[case::postgres_and_a_bucket(crate::world::StorageKind::Bucket)]
fn both_storages(#[case] storage: crate::world::StorageKind) {}
