//! Planted bugs: mistakes that a system for chat can make, to prove that `cargo xtask torture` would find them.
//!
//! They exist only with the feature `planted-bugs` of the package `blegram`, and then only the one named by the
//! environment variable `BLEGRAM_PLANTED_BUG`. Without the feature [`planted`] is a constant, and the compiler removes the
//! code behind it. The profile `dist` rejects the feature (`build.rs`).
//!
//! To plant a bug, add a [`Bug`], and one short `if planted(Bug::…)` where it would be made.
//!
//! ```
//! use blegram_planted::{Bug, planted};
//!
//! assert!(!planted(Bug::AckBeforeCommit));
//! assert_eq!("silent-overflow".parse(), Ok(Bug::SilentOverflow));
//! ```
//!
//! ## Features
//!
//! - `planted-bugs`: compiles the bugs. The profile `dist` rejects it.

use std::{fmt, str::FromStr};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A message is acknowledged before its transaction is committed.
    AckBeforeCommit,
    /// The numbers of messages are taken in a transaction of their own, so that a message which is then not stored leaves a
    /// hole.
    SequenceOutsideLock,
    /// Events are published before the commit, which sometimes does not happen.
    PublishBeforeCommit,
    /// After a reconnect to Redis, a node believes that its subscriptions still exist. Nothing checks what it missed.
    NoResubscription,
    /// A full queue of a connection drops events without sending the number of the last one.
    SilentOverflow,
    /// Repeated messages are recognised by a cache in the process, and not by a unique key in the database.
    CacheOnlyDeduplication,
    /// A connection is ready, and reads what it missed, before its subscription is confirmed. Nothing checks for events in
    /// between.
    HeadsBeforeSubscription,
}

impl Bug {
    /// All bugs.
    pub const ALL: [Self; 7] = [
        Self::AckBeforeCommit,
        Self::SequenceOutsideLock,
        Self::PublishBeforeCommit,
        Self::NoResubscription,
        Self::SilentOverflow,
        Self::CacheOnlyDeduplication,
        Self::HeadsBeforeSubscription,
    ];

    /// The name, as in `BLEGRAM_PLANTED_BUG`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack-before-commit",
            Self::SequenceOutsideLock => "sequence-outside-lock",
            Self::PublishBeforeCommit => "publish-before-commit",
            Self::NoResubscription => "no-resubscription",
            Self::SilentOverflow => "silent-overflow",
            Self::CacheOnlyDeduplication => "cache-only-deduplication",
            Self::HeadsBeforeSubscription => "heads-before-subscription",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name of no [`Bug`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such bug; the names are ack-before-commit, sequence-outside-lock, publish-before-commit, no-resubscription, \
     silent-overflow, cache-only-deduplication and heads-before-subscription"
)]
pub struct UnknownBug;

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        Self::ALL.into_iter().find(|bug| bug.as_str() == name).ok_or(UnknownBug)
    }
}

/// Whether this process has the bug.
#[cfg(not(feature = "planted-bugs"))]
pub const fn planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Whether this process has the bug.
#[cfg(feature = "planted-bugs")]
pub fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Plants a bug in this process, unless it has one.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Bug) {
    let _ = PLANTED.set(bug);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No package may have the feature by default.
    #[test]
    #[expect(clippy::assertions_on_constants, reason = "it depends on the packages of the build")]
    fn tests_run_without_bugs() {
        assert!(!cfg!(feature = "planted-bugs"));
    }

    /// Does not compile if a bug could be switched on.
    #[cfg(not(feature = "planted-bugs"))]
    const _: () = {
        let mut at = 0;
        while at < Bug::ALL.len() {
            assert!(!planted(Bug::ALL[at]));
            at += 1;
        }
    };

    #[test]
    fn names_round_trip_and_others_are_rejected() {
        for bug in Bug::ALL {
            assert_eq!(bug.to_string().parse(), Ok(bug));
            assert!(UnknownBug.to_string().contains(bug.as_str()), "{bug}");
        }
        for name in ["", "Ack-Before-Commit", "ack_before_commit", "none"] {
            assert_eq!(name.parse::<Bug>(), Err(UnknownBug));
        }
    }
}
