//! Validity of the sessions behind open connections, which send no further requests to authenticate.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use blegram_domain::{SessionId, Timestamp, UserId, user::Status};
use blegram_persistence::sessions;

use crate::{Auth, Result};

/// Why a session is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The session was ended or has expired, or its account was deleted.
    Revoked,
    /// The account is suspended.
    Suspended,
}

/// How long a check waits to store the last use; a later check tries again, long before a session idles out.
const TOUCH_TIMEOUT: Duration = Duration::from_secs(1);

impl Auth {
    /// Returns which of `sessions` have ended, with one query for thousands of them. Counts the others as used, so that
    /// a checked session does not idle out.
    ///
    /// A suspension deletes the sessions, so those that it ended are [`Ended::Revoked`] here afterwards;
    /// [`crate::Event::Suspended`] reports the reason.
    pub async fn check_sessions(&self, sessions: &[SessionId]) -> Result<Vec<(SessionId, Ended)>> {
        let now = self.clock.now();
        let found = sessions::list(&self.db, sessions).await?;
        let (active, inactive): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| self.is_active(found, now));
        let suspended = inactive.iter().filter(|found| found.status == Status::Suspended);
        let suspended: HashSet<_> = suspended.map(|found| found.session.id).collect();
        let due = active.iter().filter(|found| found.session.needs_touch(now));
        let due: Vec<_> = due.map(|found| found.session.id).collect();
        let active: HashSet<_> = active.iter().map(|found| found.session.id).collect();
        if !due.is_empty() {
            self.touch(TOUCH_TIMEOUT, self.store_uses(&due, now)).await;
        }
        let ended = sessions.iter().filter(|id| !active.contains(id));
        let reason = |id| if suspended.contains(id) { Ended::Suspended } else { Ended::Revoked };
        Ok(ended.map(|id| (*id, reason(id))).collect())
    }

    /// When each of `users` was last seen, to the minute, according to their existing sessions; users without a session
    /// are omitted.
    pub async fn list_last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, Timestamp>> {
        Ok(sessions::list_last_seen(&self.db, users).await?)
    }

    async fn store_uses(&self, due: &[SessionId], now: Timestamp) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::update_all_last_seen(&tx, due, now).await?;
        Ok(tx.commit().await?)
    }
}
