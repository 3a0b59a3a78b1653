//! Logins of browsers and devices.

use std::time::Duration;

use crate::{SessionId, Timestamp, UserId};

/// A login that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The login, not its secret.
    pub id: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
}

/// How long sessions live (ASVS 7.3.1, 7.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetime {
    /// Without use.
    pub idle: Duration,
    /// With use.
    pub absolute: Duration,
}

impl Session {
    /// How stale `last_seen_at` may get before a use is written down: a write per request would cost
    /// more than the request.
    pub const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

    /// Whether the session still stands for its user.
    pub fn is_live(&self, now: Timestamp, lifetime: SessionLifetime) -> bool {
        now < self.expires_at && now.since(self.last_seen_at) < lifetime.idle
    }

    /// Whether this use should be written down.
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now.since(self.last_seen_at) >= Self::TOUCH_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_idleness_and_by_age() {
        let start = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let lifetime =
            SessionLifetime { idle: Duration::from_secs(100), absolute: Duration::from_secs(1000) };
        let session = |last_seen_at| Session {
            id: SessionId::generate(start),
            user: UserId::generate(start),
            last_seen_at,
            expires_at: start + lifetime.absolute,
        };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(session(start).is_live(at(99), lifetime));
        assert!(!session(start).is_live(at(100), lifetime));
        assert!(session(at(950)).is_live(at(999), lifetime));
        assert!(!session(at(950)).is_live(at(1000), lifetime));
        assert!(!session(start).needs_touch(at(59)) && session(start).needs_touch(at(60)));
    }
}
