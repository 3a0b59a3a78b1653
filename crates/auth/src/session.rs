//! Who a request comes from.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use blegram_domain::{
    Session, SessionId, UserId,
    user::{Role, Status},
};
use blegram_persistence::sessions;

use crate::{Auth, Result, SessionToken};

/// What a login comes from, for its owner's list of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// Where it is. `None` counts with all others whose address is unknown.
    pub address: Option<IpAddr>,
    /// The session that it had until now, which ends with the login (ASVS 7.2.4).
    pub replaces: Option<SessionId>,
}

impl Device {
    pub(crate) fn address(&self) -> IpAddr {
        self.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// Who a live session stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// The user.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// What the user may do, as of now.
    pub role: Role,
}

/// How long a request waits to write its session's use down; the next one tries again.
const TOUCH_PATIENCE: Duration = Duration::from_millis(100);

impl Auth {
    /// Whom `token` stands for; `None` when it is no token, or its session or account has ended.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Authenticated>> {
        let Some(token) = SessionToken::parse(token) else { return Ok(None) };
        let Some(found) = sessions::find_by_token_hash(&self.db, &token.hash()).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        if found.status != Status::Active || !found.session.is_live(now, self.lifetime) {
            return Ok(None);
        }
        if found.session.needs_touch(now) {
            self.touch(&found.session).await;
        }
        Ok(Some(Authenticated { user: found.session.user, session: found.session.id, role: found.role }))
    }

    /// Ends `session`; ending it again changes nothing.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn log_out(&self, session: SessionId) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::delete(&tx, session).await?;
        Ok(tx.commit().await?)
    }

    // A read must neither fail nor wait because its session's use could not be written down.
    async fn touch(&self, session: &Session) {
        match tokio::time::timeout(TOUCH_PATIENCE, self.write_last_seen(session)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a session's use was not written down"
                );
            }
            Err(_) => tracing::debug!("a session's use was not written down: the database is busy"),
        }
    }

    async fn write_last_seen(&self, session: &Session) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::update_last_seen(&tx, session.id, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }
}
