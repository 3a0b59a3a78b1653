//! Logins of browsers and devices.

use std::{str::FromStr, time::Duration};

use crate::{SessionId, Timestamp, UserId, user::stored_enum};

stored_enum! {
    /// What keeps a session's secret.
    Kind {
        /// A browser, in a cookie that scripts cannot read.
        Browser = "browser",
        /// An app, as an access token and a refresh token.
        Native = "native",
    }
}

/// A login that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The login, not its secret.
    pub id: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// What keeps its secret.
    pub kind: Kind,
    /// What its owner calls the device.
    pub device_name: Option<String>,
    /// What the device calls itself.
    pub user_agent: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
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

/// How long sessions of each kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Those of browsers.
    pub browser: SessionLifetime,
    /// Those of native apps, whose device is its owner's.
    pub native: SessionLifetime,
}

impl SessionLifetimes {
    /// That of sessions of `kind`.
    pub const fn of(&self, kind: Kind) -> SessionLifetime {
        match kind {
            Kind::Browser => self.browser,
            Kind::Native => self.native,
        }
    }
}

impl Session {
    /// How stale `last_seen_at` may get before a use is written down: a write per request would cost
    /// more than the request.
    pub const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

    /// Whether the session still stands for its user.
    pub fn is_live(&self, now: Timestamp, lifetimes: &SessionLifetimes) -> bool {
        now < self.expires_at && now.since(self.last_seen_at) < lifetimes.of(self.kind).idle
    }

    /// Whether this use should be written down. Never over a later one: whether that was by a clock that was ahead, or this
    /// is by one that is behind, cannot be told, and an earlier time would end the session.
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
        let lifetimes = SessionLifetimes { browser: lifetime, native: lifetime };
        let session = |last_seen_at| Session {
            id: SessionId::generate(start),
            user: UserId::generate(start),
            kind: Kind::Browser,
            device_name: None,
            user_agent: None,
            created_at: start,
            last_seen_at,
            expires_at: start + lifetime.absolute,
        };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(session(start).is_live(at(99), &lifetimes));
        assert!(!session(start).is_live(at(100), &lifetimes));
        assert!(session(at(950)).is_live(at(999), &lifetimes));
        assert!(!session(at(950)).is_live(at(1000), &lifetimes));
        assert!(!session(start).needs_touch(at(59)) && session(start).needs_touch(at(60)));
        assert!(!session(at(60)).needs_touch(start) && !session(at(950)).needs_touch(start));
    }
}
