//! Account deletion: the account is hidden at once, and a job deletes its rows in batches.

use std::time::Duration;

use blegram_domain::{Job, SessionId, UserId, UserSummary, mail::MailKind, user::Status};
use blegram_persistence::{
    audit_events, email_tokens, factors, hashtags, idempotency_keys, identities, jobs, login_challenges,
    mails, passkey_ceremonies, recovery_codes, refresh_tokens, reserved_usernames, sessions, users,
};

use crate::{Auth, EnteredPassword, Error, Event, Result, audit, retention::BATCH};

/// How long the username of an account stays reserved after its owner gave it up.
pub const NAME_RESERVED_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Auth {
    /// Deletes the account of `actor`: from now on it is hidden and cannot log in; a job removes its data. This cannot
    /// be undone.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::ReauthenticationRequired`] if the account has no password and the login is
    /// not recent; [`Error::RateLimited`] per account; [`Error::Overloaded`]; [`Error::SessionEnded`] if the account
    /// was deleted concurrently.
    pub async fn delete_account(
        &self,
        actor: UserId,
        session: SessionId,
        password: Option<EnteredPassword>,
    ) -> Result<()> {
        let confirmed = self.confirm(actor, session, password).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.filter(|account| account.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        if users::find_password_hash(&tx, actor).await? != confirmed {
            // The password was changed while this request ran, perhaps to lock out its sender.
            return Err(Error::WrongPassword);
        }
        users::update_deleted(&tx, actor).await?;
        email_tokens::delete_of_user(&tx, actor).await?;
        mails::delete_kinds(&tx, actor, MailKind::ALL).await?;
        factors::delete_all(&tx, actor).await?;
        recovery_codes::delete_all(&tx, actor).await?;
        login_challenges::delete_of_user(&tx, actor).await?;
        passkey_ceremonies::delete_of_user(&tx, actor).await?;
        let summary = &account.user.summary;
        let deleted = UserSummary { status: Status::Deleted, ..summary.clone() };
        hashtags::update_of_author(&tx, summary, &deleted).await?;
        reserved_usernames::update_anonymized(&tx, actor).await?;
        self.queue_unlinks(&tx, actor, now).await?;
        // A later login with the same identity creates a new account.
        identities::delete_of_user(&tx, actor).await?;
        let name = summary.username.skeleton();
        reserved_usernames::insert(&tx, &name, None, now + NAME_RESERVED_FOR).await?;
        jobs::insert(&tx, Job::PurgeAccount(actor), now, now).await?;
        let recorded = audit::record(&tx, audit::Kind::UserDeleted, actor, now).await?;
        tx.commit().await?;
        self.publish([Event::SessionsEnded { user: actor, except: None }]);
        recorded.log();
        Ok(())
    }

    /// Removes a batch of the rows of the deleted account `user`, the account itself last; returns whether there is
    /// more. The account's content must be removed first.
    pub async fn purge_account(&self, user: UserId) -> Result<bool> {
        let tx = self.db.write().await?;
        let mut removed = refresh_tokens::delete_of_user(&tx, user, BATCH).await?;
        if removed < BATCH {
            removed += sessions::delete_some(&tx, user, BATCH - removed).await?;
        }
        if removed < BATCH {
            removed += idempotency_keys::delete_of_user(&tx, user, BATCH - removed).await?;
        }
        if removed < BATCH {
            removed += audit_events::update_anonymized(&tx, user, BATCH - removed).await?;
        }
        let has_more = removed == BATCH;
        if !has_more {
            users::delete(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(has_more)
    }
}
