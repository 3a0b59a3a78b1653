//! Username changes.

use blegram_domain::{Account, Timestamp, UserId, Username, username::Skeleton, version::Precondition};
use blegram_limits::Policy;
use blegram_persistence::{Tx, reserved_usernames, users};

use crate::{Auth, Error, Result, audit, deletion::NAME_RESERVED_FOR};

impl Auth {
    /// Changes the username of the account of `actor`. The old username stays reserved for the owner for
    /// [`NAME_RESERVED_FOR`]; setting the current username changes nothing.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`], also for a username that looks like another account's or belonged to one recently;
    /// [`Error::RateLimited`] per account; [`Error::SessionEnded`] if the account was deleted concurrently;
    /// [`Error::PreconditionFailed`].
    pub async fn change_username(
        &self,
        actor: UserId,
        username: Username,
        precondition: &Precondition,
    ) -> Result<Account> {
        self.limiter.check_user(Policy::Username, actor).await?;
        if username.is_reserved() {
            return Err(Error::UsernameTaken);
        }
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.filter(|account| account.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        if !precondition.is_met(account.user.version) {
            return Err(Error::PreconditionFailed);
        }
        if account.user.summary.username == username {
            tx.commit().await?;
            return Ok(account);
        }
        if !users::update_username(&tx, actor, &username).await? {
            return Err(Error::UsernameTaken);
        }
        move_reservation(&tx, actor, &account.user.summary.username, &username, now).await?;
        let renamed = users::find_account(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        let recorded = audit::record(&tx, audit::Kind::UserUpdated, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(renamed)
    }
}

/// Reserves the old username, and releases the reservation of the new one.
async fn move_reservation(
    tx: &Tx,
    actor: UserId,
    from: &Username,
    to: &Username,
    now: Timestamp,
) -> Result<()> {
    let (from, to) = (from.skeleton(), to.skeleton());
    if from == to {
        return Ok(());
    }
    reject_reserved(tx, &to, Some(actor), now).await?;
    reserved_usernames::delete(tx, &to).await?;
    Ok(reserved_usernames::insert(tx, &from, Some(actor), now + NAME_RESERVED_FOR).await?)
}

/// Rejects a username that is reserved after another account gave it up. Call it after writing the username, in the
/// same transaction: then a concurrent rename that gives it up either has not committed, and still has the username, or
/// has already reserved it.
pub(crate) async fn reject_reserved(
    tx: &Tx,
    name: &Skeleton,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<()> {
    let is_reserved = reserved_usernames::is_reserved_for_other(tx, name, user, now).await?;
    if is_reserved { Err(Error::UsernameTaken) } else { Ok(()) }
}
