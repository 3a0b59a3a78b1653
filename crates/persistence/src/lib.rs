//! The database layer of blegram: the same queries on SQLite and PostgreSQL.
//!
//! Only this crate converts between rows and domain types. Reads take any [`Conn`]; writes require a [`Tx`], which only
//! [`Db::write`] creates. A row that violates a domain rule is an [`Error::Corrupt`], never a panic.
//!
//! Every function that accesses the database can fail with [`Error`]. A section `# Errors` lists only what a caller
//! handles beyond that.
//!
//! | Folder | Modules, which callers use as `blegram_persistence::users` and so on |
//! |---|---|
//! | `accounts` | [`users`], [`reserved_usernames`], [`sessions`], [`refresh_tokens`], [`signing_keys`], [`gateway_tickets`], [`identities`], [`login_transactions`], [`pending_sign_ups`], [`login_codes`], [`avatar_imports`], [`provider_unlinks`], [`emails`], [`mails`], [`email_tokens`], [`factors`], [`recovery_codes`], [`login_challenges`], [`passkey_ceremonies`] |
//! | `people` | [`follows`], [`follow_requests`], [`blocks`], [`mutes`], [`relations`], [`suggestions`] |
//! | `content` | [`posts`], [`hydration`], [`comments`], [`revisions`], [`hashtags`], [`post_hashtags`], [`likes`], [`bookmarks`], [`timelines`], [`trends`], [`search`], [`recent_searches`], [`notifications`], [`reports`] |
//! | `chat` | [`conversations`], [`messages`] |
//! | `images` | [`media`], [`media_usage`], [`uploads`], [`storage_marker`] |
//! | `system` | [`jobs`], [`idempotency_keys`], [`audit_events`], [`clock_state`], [`database_size`], [`newest`], [`nodes`], [`recount`], [`remnants`] |
//! | `entity` | the tables as SeaORM entities, and the conversion of their rows to domain types |
//!
//! The files beside the folders are shared: `db` connects and begins transactions, on `sqlite` or `postgres` (both use
//! `connection`), with the waits of `budget`, the state of `health` and the counters of `metrics`; `keyset` pages through lists, `order` and
//! [`changes`] keep them in commit order, and `search_index` writes what [`search`] reads; `rows` inserts and deletes,
//! and `sql` runs statements that are written as SQL. Each folder's file says what its modules are for. Modules do not
//! import each other in circles.
//!
//! To add a query: write a function in the module of its noun, in the folder of its area, named `find_*` (→ `Option`),
//! `list_*`, `insert`, `update_*` or `delete*`; add an index for it in a migration; test its edge cases on both
//! databases and its query plan on 20,000 rows in `tests/it`. An insert into a list that clients page towards newer
//! items takes its id from a `next_id`, which locks the list (see `order`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_domain::Username;
//! use blegram_persistence::{Db, Settings, users};
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let user = users::find_by_username(&db, &Username::parse("absent")?).await?;
//! assert!(user.is_none());
//! db.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Features
//!
//! - `migrations`: `Db::open`, which applies the migrations before it connects.
//! - `testing`: databases for tests (the module `testing`).
//! - `planted-bugs`: only for the feature of the same name of the package `blegram`.

mod accounts;
mod budget;
pub mod changes;
mod chat;
mod connection;
mod content;
mod db;
mod entity;
mod error;
mod health;
mod images;
mod keyset;
mod metrics;
mod order;
mod people;
pub mod pooling;
mod postgres;
mod rows;
mod search_index;
mod sql;
mod sqlite;
mod system;
#[cfg(feature = "testing")]
pub mod testing;

pub use accounts::{
    avatar_imports, email_tokens, emails, factors, gateway_tickets, identities, login_challenges,
    login_codes, login_transactions, mails, passkey_ceremonies, pending_sign_ups, provider_unlinks,
    recovery_codes, refresh_tokens, reserved_usernames, sessions, signing_keys, users,
};
pub use budget::{as_background_work, with_wait_budget};
pub use chat::{conversations, messages};
pub use connection::{Executed, Settings};
pub use content::{
    bookmarks, comments, hashtags, hydration, likes, notifications, post_hashtags, posts, recent_searches,
    reports, revisions, search, timelines, trends,
};
pub use db::{Conn, Db, Notice, Searching, Tx};
pub use error::{Error, Result};
pub use images::{media, media_usage, storage_marker, uploads};
pub use keyset::Listed;
pub use metrics::{DbSnapshot, PoolSnapshot, Use, UseSnapshot};
pub use people::{blocks, follow_requests, follows, mutes, relations, suggestions};
pub use postgres::may_be_unencrypted;
/// The source of an [`Error`].
pub use sea_orm::DbErr;
pub use system::{
    audit_events, clock_state, database_size, idempotency_keys, jobs, newest, nodes, recount, remnants,
};

/// The outcome of an insert that may conflict with an existing row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The row was inserted.
    New,
    /// A row with the same key existed already; nothing changed.
    Existing,
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
