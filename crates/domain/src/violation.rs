//! Validation errors of single values. Their texts say what is accepted.

/// A rule that a value breaks. Its text is for people; its [`code`](Violation::code) is for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Fewer characters than required.
    #[error("must have at least {min} characters")]
    TooShort {
        /// The minimum number of characters.
        min: usize,
    },
    /// More characters or bytes than allowed.
    #[error("must have at most {max} {unit}")]
    TooLong {
        /// The maximum number of units.
        max: usize,
        /// The unit: `characters` as a reader sees them (grapheme clusters), or `bytes`.
        unit: &'static str,
    },
    /// No visible characters.
    #[error("must not be blank")]
    Blank,
    /// Characters or a syntax that are not allowed.
    #[error("{0}")]
    InvalidCharacters(&'static str),
    /// A number outside the range, or an unknown choice.
    #[error("{0}")]
    OutOfRange(&'static str),
    /// More items than allowed.
    #[error("must have at most {max} {what}")]
    TooMany {
        /// The maximum number of items.
        max: usize,
        /// The name of the items, in the plural.
        what: &'static str,
    },
    /// A password that is easy to guess.
    #[error("{0}")]
    WeakPassword(&'static str),
    /// A duplicate in a list.
    #[error("{0}")]
    Repeated(&'static str),
    /// A reference to something that does not exist, or that the user may not use.
    #[error("{0}")]
    NotFound(&'static str),
}

impl Violation {
    /// The stable code of the rule, in kebab-case, as sent by the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too-short",
            Self::TooLong { .. } => "too-long",
            Self::Blank => "blank",
            Self::InvalidCharacters(_) => "invalid-characters",
            Self::OutOfRange(_) => "out-of-range",
            Self::TooMany { .. } => "too-many",
            Self::WeakPassword(_) => "weak-password",
            Self::Repeated(_) => "repeated",
            Self::NotFound(_) => "not-found",
        }
    }
}
