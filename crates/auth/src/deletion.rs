//! Deleting accounts: at once for everybody who looks, then row by row.

use std::time::Duration;

use blegram_domain::{Job, SessionId, UserId, UserSummary, user::Status};
use blegram_persistence::{
    hashtags, idempotency_keys, jobs, refresh_tokens, reserved_usernames, sessions, users,
};

use crate::{Auth, Error, Event, GivenPassword, Result, audit, retention::BATCH};

/// How long the name of an account is nobody else's after its owner gave it up.
pub const NAME_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Auth {
    /// Deletes the account of `actor`: nobody sees it any more and nothing opens it, from now on; jobs remove what is
    /// left. There is no way back.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::ReauthenticationRequired`] without a password and with an old login;
    /// [`Error::RateLimited`] by the account; [`Error::Overloaded`]; [`Error::SessionEnded`] when it was deleted
    /// meanwhile.
    pub async fn delete_account(
        &self,
        actor: UserId,
        session: SessionId,
        password: Option<GivenPassword>,
    ) -> Result<()> {
        let confirmed = self.confirm(actor, session, password).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::hold(&tx, actor).await?.filter(|it| it.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        if users::find_password_hash(&tx, actor).await? != confirmed {
            // The password was changed while this request ran, perhaps against whoever sent it.
            return Err(Error::WrongPassword);
        }
        users::update_deleted(&tx, actor).await?;
        let summary = &account.user.summary;
        let deleted = UserSummary { status: Status::Deleted, ..summary.clone() };
        hashtags::update_of_author(&tx, summary, &deleted).await?;
        reserved_usernames::update_disowned(&tx, actor).await?;
        let name = summary.username.skeleton();
        reserved_usernames::insert(&tx, &name, None, now + NAME_KEPT).await?;
        jobs::insert(&tx, Job::EraseAccount(actor), now, now).await?;
        tx.commit().await?;
        self.announce([Event::SessionsEnded { user: actor, except: None }]);
        audit::record("user_deleted", actor);
        Ok(())
    }

    /// Removes some of what belongs to the deleted account of `user`, the account itself last; says whether there is
    /// more. What the account wrote is to be removed before.
    pub async fn erase_account(&self, user: UserId) -> Result<bool> {
        let tx = self.db.write().await?;
        let mut removed = refresh_tokens::delete_of_user(&tx, user, BATCH).await?;
        if removed < BATCH {
            removed += sessions::delete_some(&tx, user, BATCH - removed).await?;
        }
        if removed < BATCH {
            removed += idempotency_keys::delete_of_user(&tx, user, BATCH - removed).await?;
        }
        let is_more = removed == BATCH;
        if !is_more {
            users::delete(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(is_more)
    }
}
