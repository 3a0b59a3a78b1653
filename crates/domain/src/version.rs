//! Whether a thing is still the one that somebody read (RFC 9110, 13).

/// Which versions of a thing a change is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Whatever it is now.
    #[default]
    Any,
    /// One of these; none means that the change can never be meant.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// Whether the change is meant for `version`.
    pub fn holds(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_meant_for_what_it_names() {
        assert!(Precondition::Any.holds(7));
        assert!(Precondition::OneOf(vec![3, 7]).holds(7));
        assert!(!Precondition::OneOf(vec![3]).holds(7));
        assert!(!Precondition::OneOf(Vec::new()).holds(0));
    }
}
