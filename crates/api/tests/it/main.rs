//! Integration tests of the API. Actors send requests through the router, without a network, on SQLite and PostgreSQL.
//! Every response is validated against the OpenAPI document, gateway events and replies against the AsyncAPI document.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod accounts;
mod audit;
#[path = "../../../auth/tests/it/authenticator.rs"]
mod authenticator;
mod authorization;
mod bad_input;
mod comments;
mod compression;
mod conditional;
mod contract;
mod conversations;
mod cors;
mod csrf;
mod deletion;
mod document;
mod emails;
mod examples;
mod frozen;
mod gateway;
mod hashtags;
mod headers;
mod idempotency;
mod likes;
mod limits;
mod media;
mod native;
mod nodes;
mod notifications;
mod pages;
mod passwords;
mod posts;
mod previews;
mod profiles;
mod providers;
mod relations;
mod revisions;
mod search;
mod second_factor;
mod sessions;
mod socket;
mod timelines;
mod usage;
mod usernames;
mod users;
mod visibility;
mod web_app;
mod web_pages;
mod world;

use rstest_reuse::template;

/// Runs a test on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}
