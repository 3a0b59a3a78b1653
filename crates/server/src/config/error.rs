//! Problems of a configuration, reported all at once.

use std::fmt;

/// An invalid configuration, with all its problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one problem. Those of known settings are in the order of the reference.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

/// One problem of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as in `server.listen`, or the name of what is wrong.
    pub key: String,
    /// The invalid value. `None` for secrets, and if there is none.
    pub found: Option<String>,
    /// The source: a variable, a line of a file, the default.
    pub origin: String,
    /// What is wrong and how to fix it.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.key)?;
        if let Some(found) = &self.found {
            write!(f, " = {found:?}")?;
        }
        write!(f, "   ({})\n      {}", self.origin, self.advice)
    }
}
