//! Why a value was refused, in words that tell what would be accepted.

/// A rule that a value broke. Its text is for the person who sent the value; its
/// [`code`](Violation::code) is for their program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Fewer characters than the rule demands.
    #[error("must have at least {min} characters")]
    TooShort {
        /// The smallest accepted number of characters.
        min: usize,
    },
    /// More characters than the rule allows.
    #[error("must have at most {max} {unit}")]
    TooLong {
        /// The largest accepted number.
        max: usize,
        /// What is counted: `characters` as a reader sees them, or `bytes`.
        unit: &'static str,
    },
    /// Nothing in it that a reader could see.
    #[error("must not be blank")]
    Blank,
    /// Characters that the rule does not allow.
    #[error("{0}")]
    InvalidCharacters(&'static str),
    /// A number or choice outside the allowed ones.
    #[error("{0}")]
    OutOfRange(&'static str),
    /// More items than the rule allows.
    #[error("must have at most {max} {what}")]
    TooMany {
        /// The largest accepted number of items.
        max: usize,
        /// What is counted, in the plural.
        what: &'static str,
    },
    /// A password that a guesser would find soon.
    #[error("{0}")]
    WeakPassword(&'static str),
    /// The same thing twice in a list.
    #[error("{0}")]
    Repeated(&'static str),
    /// A reference to something that does not exist, or not for this user.
    #[error("{0}")]
    NotFound(&'static str),
}

impl Violation {
    /// The stable code of the rule, in kebab-case, as the API sends it.
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
