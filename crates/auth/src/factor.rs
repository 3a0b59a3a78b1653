//! The second factors of an account.
//!
//! Changes demand a recent login or reauthentication, so that a stolen session cannot remove the protection, or add a
//! factor of the thief, and the owner gets a notice. They end no session: clients offer [`Auth::revoke_other_sessions`] (ASVS 7.4.3).

use blegram_domain::{Factor, FactorId, SessionId, UserId, mail::MailKind};
use blegram_persistence::{factors, recovery_codes, users};

use crate::{Auth, Error, Result, audit, mail::Notice};

/// The second factors of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// The confirmed factors, the newest first.
    pub factors: Vec<Factor>,
    /// The number of unused recovery codes.
    pub recovery_codes: u64,
}

impl Auth {
    /// Lists the confirmed second factors of `actor`.
    pub async fn list_factors(&self, actor: UserId) -> Result<Factors> {
        let factors = factors::list(&self.db, actor).await?;
        let recovery_codes = recovery_codes::count_unused(&self.db, actor).await?;
        Ok(Factors { factors, recovery_codes })
    }

    /// Removes a second factor of `actor`; with the last one, also the recovery codes.
    ///
    /// # Errors
    /// [`Error::FactorNotFound`]; [`Error::ReauthenticationRequired`] if the last login or reauthentication is not recent;
    /// [`Error::SessionEnded`].
    pub async fn delete_factor(&self, actor: UserId, session: SessionId, id: FactorId) -> Result<()> {
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        let factor = factors::find(&tx, actor, id).await?.ok_or(Error::FactorNotFound)?;
        let now = self.clock.now();
        self.require_recent(&tx, session, now).await?;
        factors::delete(&tx, actor, id).await?;
        if factors::list_kinds(&tx, actor).await?.is_empty() {
            recovery_codes::delete_all(&tx, actor).await?;
        }
        let notice = Notice::of_factor(MailKind::FactorRemoved, factor.kind);
        self.notify(&tx, &account, notice, now).await?;
        let recorded = audit::record(&tx, audit::Kind::FactorRemoved, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(())
    }
}
