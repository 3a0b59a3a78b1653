//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// Every problem found, so that one round of mending is enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one; in the order of the reference where there is one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as in `server.listen`, or what stands in its place.
    pub key: String,
    /// What was found. `None` for secrets, and when nothing was.
    pub found: Option<String>,
    /// Where it came from: a variable, a line of a file, the default.
    pub origin: String,
    /// What is wrong and how to mend it.
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
