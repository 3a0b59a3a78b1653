//! The SQL of blegram, the same on SQLite and PostgreSQL.
//!
//! Every function that touches the database can fail with it. A section `# Errors` names only what a caller handles
//! beyond that.
//!
//! Rows become domain types here and nowhere else. Reads take any [`Conn`]; writes demand a [`Tx`],
//! and the only way to one is [`Db::write`]. A row that breaks a rule of the domain is
//! [`Error::Corrupt`], never a panic.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`users`] | accounts, profiles, credentials |
//! | [`sessions`] | logins |
//! | [`refresh_tokens`] | what prolongs the logins of native apps |
//! | [`signing_keys`] | what access tokens are signed with |
//! | [`gateway_tickets`] | what opens live connections once |
//! | [`idempotency_keys`] | requests that may be sent again |
//! | [`posts`] | posts |
//! | [`comments`] | comments, replies and tombstones |
//! | [`revisions`] | the texts that posts and comments had |
//! | [`post_hashtags`], [`hashtags`] | the hashtags that posts are found by, and how often each is used |
//! | [`likes`], [`bookmarks`] | what people keep of it |
//! | [`follows`], [`follow_requests`], [`blocks`], [`mutes`] | how people stand to each other; [`relations`]: all at once |
//! | [`timelines`] | the posts of those whom somebody follows |
//! | [`search`], [`recent_searches`] | what is found by words, and what people looked for |
//! | [`trends`], [`suggestions`] | what many write about; whom to follow |
//! | [`conversations`], [`messages`] | conversations, their members and what happened in them |
//! | [`changes`] | the order in which transactions changed rows |
//! | [`media`], [`uploads`] | images, and files that are on their way |
//! | [`storage_marker`] | what marks the storage of images as this site's |
//! | [`notifications`] | what people are told |
//! | [`reports`] | what people told moderators |
//! | [`recount`] | the counts that rows keep of others |
//! | [`reserved_usernames`] | names that accounts had |
//! | [`jobs`] | work that must not be lost |
//! | [`clock_state`], [`newest`] | whether the clock is trusted, and where ids begin |
//!
//! To add a query: a function in the module of its aggregate, named `find_*` (→ `Option`), `list_*`,
//! `insert`, `update_*` or `delete*`; an index for it in a migration; in `tests/it` its edges on both
//! databases and its plan on 20,000 rows. Whatever adds to a list that clients follow towards newer items takes its id
//! from a `next_id`, which locks the list (`order`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_persistence::{testing::{Backend, TestDatabase}, users};
//! use blegram_domain::Username;
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let nobody = users::find_by_username(database.db(), &Username::parse("nobody")?).await?;
//! assert!(nobody.is_none());
//! # Ok(())
//! # }
//! ```

pub mod blocks;
pub mod bookmarks;
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
mod patience;
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

pub use db::{Conn, Db, Executed, Searching, Settings, Tx};
pub use error::{Error, Result};
pub use keyset::Listed;
pub use patience::{unhurried, with_patience};

/// What an insert that may meet an existing row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The row is there now.
    New,
    /// A row with the same key was there before; nothing changed.
    Existing,
}
