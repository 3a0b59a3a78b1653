//! Changing the name of an account.

use blegram_domain::{Account, Timestamp, UserId, Username, username::Skeleton, version::Precondition};
use blegram_persistence::{Tx, reserved_usernames, users};

use crate::{Auth, Error, Policy, Result, audit, deletion::NAME_KEPT};

impl Auth {
    /// Gives the account of `actor` another name. The one before is kept for its owner for [`NAME_KEPT`]; taking the
    /// present one changes nothing.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`], also for a name that looks like another's or was one not long ago;
    /// [`Error::RateLimited`] by the account; [`Error::SessionEnded`] when it was deleted meanwhile;
    /// [`Error::PreconditionFailed`].
    pub async fn change_username(
        &self,
        actor: UserId,
        username: Username,
        precondition: &Precondition,
    ) -> Result<Account> {
        self.limiter.check_user(Policy::Username, actor)?;
        if username.is_reserved() {
            return Err(Error::UsernameTaken);
        }
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::hold(&tx, actor).await?.filter(|it| it.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        if !precondition.holds(account.user.version) {
            return Err(Error::PreconditionFailed);
        }
        if account.user.summary.username == username {
            return Ok(account);
        }
        if !users::update_username(&tx, actor, &username).await? {
            return Err(Error::UsernameTaken);
        }
        move_reservation(&tx, actor, &account.user.summary.username, &username, now).await?;
        let renamed = users::find_account(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        tx.commit().await?;
        audit::record("user_updated", actor);
        Ok(renamed)
    }
}

/// Keeps the name that was given up, and lets go of the one that is taken.
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
    refuse_kept(tx, &to, Some(actor), now).await?;
    reserved_usernames::delete(tx, &to).await?;
    Ok(reserved_usernames::insert(tx, &from, Some(actor), now + NAME_KEPT).await?)
}

/// Refuses a name that an account had not long ago. To be asked after the name was written, in the same transaction: a
/// rename that gives it up at the same time has either not happened then, and holds the name, or keeps it by now.
pub(crate) async fn refuse_kept(tx: &Tx, name: &Skeleton, who: Option<UserId>, now: Timestamp) -> Result<()> {
    let is_kept = reserved_usernames::is_kept_from(tx, name, who, now).await?;
    if is_kept { Err(Error::UsernameTaken) } else { Ok(()) }
}
