//! The SQL of blegram, the same on SQLite and PostgreSQL.
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
//! | [`idempotency_keys`] | requests that may be sent again |
//! | [`posts`] | posts |
//! | [`post_revisions`] | the texts that they had |
//! | [`post_hashtags`] | the hashtags that they are found by |
//! | [`reserved_usernames`] | names that accounts had |
//! | [`jobs`] | work that must not be lost |
//!
//! To add a query: a function in the module of its aggregate, named `find_*` (→ `Option`), `list_*`,
//! `insert`, `update_*` or `delete*`; an index for it in a migration; in `tests/it` its edges on both
//! databases and its plan on 20,000 rows.
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

mod db;
mod entity;
mod error;
pub mod idempotency_keys;
pub mod jobs;
mod keyset;
pub mod post_hashtags;
pub mod post_revisions;
pub mod posts;
pub mod refresh_tokens;
pub mod reserved_usernames;
pub mod sessions;
pub mod signing_keys;
#[cfg(feature = "testing")]
pub mod testing;
pub mod users;

pub use db::{Conn, Db, Executed, Settings, Tx};
pub use error::{Error, Result};

/// What an insert that may meet an existing row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The row is there now.
    New,
    /// A row with the same key was there before; nothing changed.
    Existing,
}
