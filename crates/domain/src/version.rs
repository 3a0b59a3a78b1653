//! Preconditions of conditional requests (RFC 9110, 13): apply a change only to the version that the client has read.

/// The versions of a resource that a change may be applied to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Any version.
    #[default]
    Any,
    /// One of these versions; if the list is empty, the change is never applied.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// Whether the change may be applied to `version`.
    pub fn is_met(&self, version: u64) -> bool {
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
    fn precondition_is_met_by_listed_versions_only() {
        assert!(Precondition::Any.is_met(7));
        assert!(Precondition::OneOf(vec![3, 7]).is_met(7));
        assert!(!Precondition::OneOf(vec![3]).is_met(7));
        assert!(!Precondition::OneOf(Vec::new()).is_met(0));
    }
}
