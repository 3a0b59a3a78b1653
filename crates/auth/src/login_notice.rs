//! Notices to owners about logins: from a new device, and that logins are limited.

use std::time::Duration;

use blegram_domain::{Account, Timestamp, UserId, mail::MailKind, user_agent};
use blegram_limits::Network;
use blegram_persistence::{Tx, emails, users};

use crate::{
    Auth, Device, Result,
    device::Origin,
    mail::{LoginDetails, Notice},
};

/// How often an owner is notified that logins are limited.
const LIMIT_NOTICE_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

impl Auth {
    /// Notifies the owner about a login if it is from a device and a network that are new to the account, unless they do
    /// not want such notices. Call it before the session of the login is inserted, or the previous one deleted.
    pub(crate) async fn notify_login(
        &self,
        tx: &Tx,
        account: &Account,
        device: &Device,
        now: Timestamp,
    ) -> Result<()> {
        if !account.login_notices || !self.sends_mail {
            return Ok(());
        }
        let user = account.user.summary.id;
        let origin = self.find_origin(tx, Some(user), device.token.as_deref(), device.address()).await?;
        if origin != Origin::New {
            return Ok(());
        }
        let details = LoginDetails {
            at: now.as_micros(),
            network: device.address.map(|address| Network::around(address).to_string()),
            device: device.user_agent.as_deref().and_then(user_agent::describe_known),
        };
        let details = serde_json::to_string(&details).ok();
        let notice = Notice { details, ..Notice::new(MailKind::NewLogin) };
        self.notify(tx, account, notice, now).await
    }

    /// Notifies the owner of `user` that logins from new devices are limited, at most once a day.
    pub(crate) async fn notify_limited(&self, user: Option<UserId>) -> Result<()> {
        let Some(user) = user.filter(|_| self.sends_mail) else { return Ok(()) };
        let now = self.clock.now();
        let is_recent = |at: Timestamp| now.since(at) < LIMIT_NOTICE_PERIOD;
        // A rejected attempt must stay cheap.
        if self.limit_notices.get(&user).is_some_and(is_recent) {
            return Ok(());
        }
        let tx = self.db.write().await?;
        let account = users::lock(&tx, user).await?.filter(|account| account.user.is_visible());
        if let Some(account) = account
            && emails::update_logins_limited(&tx, user, now, now - LIMIT_NOTICE_PERIOD).await?
        {
            self.notify(&tx, &account, Notice::new(MailKind::LoginsLimited), now).await?;
        }
        tx.commit().await?;
        self.limit_notices.insert(user, now);
        Ok(())
    }
}
