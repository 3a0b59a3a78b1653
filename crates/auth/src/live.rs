//! Logins behind connections that stay open: no request comes that would be asked who it is from.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use blegram_domain::{SessionId, Timestamp, UserId, user::Status};
use blegram_persistence::sessions;

use crate::{Auth, Result};

/// Why a login counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// It was ended, is over, or its account was deleted.
    Revoked,
    /// Its account is suspended.
    Suspended,
}

/// How long a check waits to write down what is in use; the next one tries again, and days are left for it.
const TOUCH_PATIENCE: Duration = Duration::from_secs(1);

impl Auth {
    /// Which of `sessions` have ended, as the database has it, thousands at once. The others count as used: a login
    /// does not idle out while it is checked.
    ///
    /// A suspension takes the logins away, so those that it ended are [`Ended::Revoked`] here once it is done;
    /// [`crate::Event::Suspended`] tells more.
    pub async fn check_sessions(&self, sessions: &[SessionId]) -> Result<Vec<(SessionId, Ended)>> {
        let now = self.clock.now();
        let found = sessions::list(&self.db, sessions).await?;
        let (live, over): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| self.is_live(found, now));
        let suspended = over.iter().filter(|found| found.status == Status::Suspended);
        let suspended: HashSet<_> = suspended.map(|found| found.session.id).collect();
        let due = live.iter().filter(|found| found.session.needs_touch(now));
        let due: Vec<_> = due.map(|found| found.session.id).collect();
        let live: HashSet<_> = live.iter().map(|found| found.session.id).collect();
        if !due.is_empty() {
            self.touch(TOUCH_PATIENCE, self.write_down_all(&due, now)).await;
        }
        let ended = sessions.iter().filter(|id| !live.contains(id));
        let why = |id| if suspended.contains(id) { Ended::Suspended } else { Ended::Revoked };
        Ok(ended.map(|id| (*id, why(id))).collect())
    }

    /// When each of `users` was last seen, to the minute, by the logins that they still have; nobody without one is
    /// there.
    pub async fn list_last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, Timestamp>> {
        Ok(sessions::list_last_seen(&self.db, users).await?)
    }

    async fn write_down_all(&self, due: &[SessionId], now: Timestamp) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::update_all_last_seen(&tx, due, now).await?;
        Ok(tx.commit().await?)
    }
}
