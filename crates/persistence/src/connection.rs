//! What connections to both databases share: their settings and limits, and the observation of their statements.

use std::{sync::Arc, time::Duration};

/// How to connect to a database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:<path>` or `postgres://…`.
    pub url: String,
    /// The maximum number of connections to PostgreSQL, or of readers on SQLite (which has one writer).
    pub max_connections: u32,
    /// The statement timeout.
    pub statement_timeout: Duration,
}

/// An executed statement, for logs and metrics. Never contains the bound values.
#[derive(Debug, Clone, Copy)]
pub struct Executed<'a> {
    /// The SQL, with placeholders.
    pub sql: &'a str,
    /// The execution time.
    pub elapsed: Duration,
    /// Whether it failed.
    pub failed: bool,
}

/// A callback that receives every executed statement.
pub(crate) type Observer = Arc<dyn Fn(Executed<'_>) + Send + Sync>;

/// The number of cached prepared statements. Large, because the text of some statements varies with the number of ids
/// in a page.
pub(crate) const STATEMENT_CACHE: usize = 512;

/// How long after its deadline a statement is abandoned that cannot be interrupted, as on a disk that hangs.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
