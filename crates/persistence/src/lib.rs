//! The database layer of blegram: the same queries on SQLite and PostgreSQL.
//!
//! Only this crate converts between rows and domain types. Reads take any [`Conn`]; writes require a [`Tx`], which only
//! [`Db::write`] creates. A row that violates a domain rule is an [`Error::Corrupt`], never a panic.
//!
//! Every function that accesses the database can fail with [`Error`]. A section `# Errors` lists only what a caller
//! handles beyond that.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`users`] | accounts, profiles, credentials |
//! | [`sessions`] | sessions of browsers and native apps |
//! | [`refresh_tokens`] | refresh tokens of native apps |
//! | [`signing_keys`] | keys that sign access tokens |
//! | [`gateway_tickets`] | single-use tickets that open realtime connections |
//! | [`idempotency_keys`] | idempotency keys and stored responses |
//! | [`posts`] | posts |
//! | [`comments`] | comments, replies and tombstones |
//! | [`revisions`] | earlier texts of posts and comments |
//! | [`post_hashtags`], [`hashtags`] | which posts have a hashtag, and how many |
//! | [`likes`], [`bookmarks`] | likes and bookmarks |
//! | [`follows`], [`follow_requests`], [`blocks`], [`mutes`] | relationships between accounts; [`relations`] reads all of them at once |
//! | [`timelines`] | the home timeline |
//! | [`search`], [`recent_searches`] | the search index, and each user's recent searches |
//! | [`trends`], [`suggestions`] | trending hashtags, and suggested accounts |
//! | [`conversations`], [`messages`] | conversations, their members, events and messages |
//! | [`changes`] | the order in which transactions changed rows |
//! | [`media`], [`uploads`] | images, and pending uploads |
//! | [`storage_marker`] | the marker that identifies this site's image storage |
//! | [`notifications`] | notifications and read marks |
//! | [`reports`] | reports to moderators |
//! | [`recount`] | checks and repairs denormalised counts |
//! | [`reserved_usernames`] | former usernames, reserved for a while |
//! | [`jobs`] | the durable job queue |
//! | [`clock_state`], [`newest`] | whether the clock is trusted, and where new ids start |
//!
//! To add a query: write a function in the module of its aggregate, named `find_*` (→ `Option`), `list_*`, `insert`,
//! `update_*` or `delete*`; add an index for it in a migration; test its edge cases on both databases and its query
//! plan on 20,000 rows in `tests/it`. An insert into a list that clients page towards newer items takes its id from a
//! `next_id`, which locks the list (see `order`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_persistence::{testing::{Backend, TestDatabase}, users};
//! use blegram_domain::Username;
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let user = users::find_by_username(database.db(), &Username::parse("absent")?).await?;
//! assert!(user.is_none());
//! # Ok(())
//! # }
//! ```

pub mod blocks;
pub mod bookmarks;
mod budget;
pub mod changes;
pub mod clock_state;
pub mod comments;
pub mod conversations;
mod db;
mod entity;
mod error;
pub mod follow_requests;
pub mod follows;
pub mod gateway_tickets;
pub mod hashtags;
mod health;
pub mod idempotency_keys;
pub mod jobs;
mod keyset;
pub mod likes;
pub mod media;
pub mod messages;
pub mod mutes;
pub mod newest;
pub mod notifications;
mod order;
pub mod pooling;
pub mod post_hashtags;
mod postgres;
pub mod posts;
pub mod recent_searches;
pub mod recount;
pub mod refresh_tokens;
pub mod relations;
pub mod reports;
pub mod reserved_usernames;
pub mod revisions;
mod rows;
pub mod search;
pub mod sessions;
pub mod signing_keys;
mod sqlite;
pub mod storage_marker;
pub mod suggestions;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timelines;
pub mod trends;
pub mod uploads;
pub mod users;

pub use budget::{as_background_work, with_wait_budget};
pub use db::{Conn, Db, Executed, Searching, Settings, Tx};
pub use error::{Error, Result};
pub use keyset::Listed;

/// The outcome of an insert that may conflict with an existing row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The row was inserted.
    New,
    /// A row with the same key existed already; nothing changed.
    Existing,
}
