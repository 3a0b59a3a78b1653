//! What connections to both databases share: their settings and limits, and the observation of their statements.

use std::{fmt, path::Path, sync::Arc, time::Duration};

/// How to connect to a database.
///
/// ```
/// use blegram_persistence::Settings;
///
/// let embedded = Settings { max_connections: 4, ..Settings::sqlite("data/blegram.db") };
/// assert_eq!(embedded.url, "sqlite://data/blegram.db?mode=rwc");
/// ```
#[derive(Clone)]
pub struct Settings {
    /// `sqlite:<path>` or `postgres://…`.
    pub url: String,
    /// The maximum number of connections to PostgreSQL, or of readers on SQLite (which has one writer).
    pub max_connections: u32,
    /// The statement timeout.
    pub statement_timeout: Duration,
}

impl Settings {
    /// The database at `url`, with 8 connections and a statement timeout of 5 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 8, statement_timeout: Duration::from_secs(5) }
    }

    /// The embedded database in the file `path`, which is created if it is missing; its directory must exist.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        // The driver percent-decodes the path, which ends at the first `?` or `#`.
        let path = path.as_ref().display().to_string();
        let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        Self::new(format!("sqlite://{path}?mode=rwc"))
    }
}

/// Omits the URL, which may contain a password, except for its scheme.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.split_once(':').map_or("", |(scheme, _)| scheme);
        f.debug_struct("Settings")
            .field("url", &format_args!("{scheme}:…"))
            .field("max_connections", &self.max_connections)
            .field("statement_timeout", &self.statement_timeout)
            .finish()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_debug_output_hides_the_password() {
        let text = format!("{:?}", Settings::new("postgres://ann:hunter2@localhost/blegram"));
        assert!(text.contains("postgres:…") && text.contains("max_connections: 8"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("ann"), "{text}");
    }
}
