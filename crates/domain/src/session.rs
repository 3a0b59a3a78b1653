//! Login sessions of browsers and devices.

use std::time::Duration;

use crate::{ProviderId, SessionId, Timestamp, UserId, stored::stored_enum};

stored_enum! {
    /// The type of client that holds a session's secret.
    Kind {
        /// A browser, with a cookie that scripts cannot read.
        Browser = "browser",
        /// A native app, with an access token and a refresh token.
        Native = "native",
    }
}

/// A login session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The public id of the session, not its secret.
    pub id: SessionId,
    /// The account that is logged in.
    pub user: UserId,
    /// The type of client.
    pub kind: Kind,
    /// The owner's name for the device.
    pub device_name: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The network of the login, shortened to /24 or /48, such as `192.0.2.0/24`.
    pub address: Option<String>,
    /// The provider with which the user logged in; `None` for a password or a passkey.
    pub provider: Option<ProviderId>,
    /// When the session started.
    pub created_at: Timestamp,
    /// When the session was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When the session ends, regardless of use.
    pub expires_at: Timestamp,
}

/// The lifetimes of a session (ASVS 7.3.1, 7.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetime {
    /// The longest time without use.
    pub idle: Duration,
    /// The longest time in total.
    pub absolute: Duration,
}

/// The session lifetimes for each kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// For browsers.
    pub browser: SessionLifetime,
    /// For native apps, which run on personal devices.
    pub native: SessionLifetime,
}

impl SessionLifetimes {
    /// The lifetimes of sessions of `kind`.
    pub const fn of(&self, kind: Kind) -> SessionLifetime {
        match kind {
            Kind::Browser => self.browser,
            Kind::Native => self.native,
        }
    }
}

impl Session {
    /// The age of `last_seen_at` from which a use is stored again: a write per request would cost more than the
    /// request.
    pub const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

    /// Whether the session is valid at `now`.
    pub fn is_active(&self, now: Timestamp, lifetimes: &SessionLifetimes) -> bool {
        now < self.expires_at && now.since(self.last_seen_at) < lifetimes.of(self.kind).idle
    }

    /// Whether to store this use. Never replaces a later time: it is unknown whether that one came from a clock that
    /// was ahead or this one comes from a clock that is behind, and an earlier time would end the session.
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now.since(self.last_seen_at) >= Self::TOUCH_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ends_by_idleness_and_by_age() {
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
            address: None,
            provider: None,
            created_at: start,
            last_seen_at,
            expires_at: start + lifetime.absolute,
        };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(session(start).is_active(at(99), &lifetimes));
        assert!(!session(start).is_active(at(100), &lifetimes));
        assert!(session(at(950)).is_active(at(999), &lifetimes));
        assert!(!session(at(950)).is_active(at(1000), &lifetimes));
        assert!(!session(start).needs_touch(at(59)) && session(start).needs_touch(at(60)));
        assert!(!session(at(60)).needs_touch(start) && !session(at(950)).needs_touch(start));
    }
}
