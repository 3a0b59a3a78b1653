//! Password changes, and confirmation of the account's owner.

use std::time::Duration;

use blegram_cpu_pool::Work;
use blegram_domain::{Account, SessionId, Timestamp, UserId, Violation, mail::MailKind, session::Kind};
use blegram_limits::{Policy, Subject};
use blegram_persistence::{sessions, users};

use crate::{
    Auth, EnteredPassword, Error, Event, NewPassword, Result, SessionToken, audit, mail::Notice,
    password::Verdict,
};

/// A password change.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// The current password; `None` for an account without one.
    pub current: Option<EnteredPassword>,
    /// The new password.
    pub new: NewPassword,
}

/// How recent a login must be to confirm the owner of an account without a password (ASVS 7.5.1).
pub const FRESH_LOGIN: Duration = Duration::from_secs(10 * 60);

impl Auth {
    /// Replaces the password of `actor` and ends their other sessions. A browser gets a new token for `session` (ASVS
    /// 7.2.4); an app keeps its tokens.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::ReauthenticationRequired`] if the account has no password and the login is
    /// not recent; [`Error::WeakPassword`] if the new password is easy to guess from the account's data;
    /// [`Error::RateLimited`] per account; [`Error::Overloaded`].
    pub async fn change_password(
        &self,
        actor: UserId,
        session: SessionId,
        change: ChangePassword,
    ) -> Result<Option<SessionToken>> {
        let account = self.account(actor).await?.ok_or(Error::SessionEnded)?;
        validate(&change.new, &account)?;
        let outdated = self.confirm(actor, session, change.current).await?;
        let renewed = self.hasher.hash(change.new, Work::of(Subject::User(actor))).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let found = sessions::find(&tx, session).await?.ok_or(Error::SessionEnded)?;
        if !users::replace_password_hash(&tx, actor, outdated.as_deref(), &renewed).await? {
            // A concurrent change was faster, so the given password is no longer the current one.
            return Err(Error::WrongPassword);
        }
        let token = (found.session.kind == Kind::Browser).then(SessionToken::generate);
        if let Some(token) = &token {
            sessions::update_token_hash(&tx, session, token.hash()).await?;
        }
        sessions::delete_others(&tx, actor, Some(session)).await?;
        self.notify(&tx, &account, Notice::new(MailKind::PasswordChanged), now).await?;
        let recorded = audit::record(&tx, audit::Kind::PasswordChange, actor, now).await?;
        tx.commit().await?;
        self.publish([Event::SessionsEnded { user: actor, except: Some(session) }]);
        recorded.log();
        Ok(token)
    }

    /// Confirms that the client of `session` is the owner of the account: by its password, or by a recent login if it
    /// has none. Returns the hash that the password was compared with.
    pub(crate) async fn confirm(
        &self,
        actor: UserId,
        session: SessionId,
        password: Option<EnteredPassword>,
    ) -> Result<Option<String>> {
        self.limiter.check_user(Policy::Password, actor)?;
        let stored = users::find_password_hash(&self.db, actor).await?;
        let (Some(stored), Some(password)) = (stored.clone(), password) else {
            return match stored {
                Some(_) => Err(Error::WrongPassword),
                None => self.confirm_by_login(session, self.clock.now()).await.map(|()| None),
            };
        };
        match self.hasher.verify(password, Some(stored.clone()), Work::of(Subject::User(actor))).await? {
            Verdict::Wrong => Err(Error::WrongPassword),
            Verdict::Right | Verdict::RightButOutdated(_) => Ok(Some(stored)),
        }
    }

    async fn confirm_by_login(&self, session: SessionId, now: Timestamp) -> Result<()> {
        let found = sessions::find(&self.db, session).await?.ok_or(Error::SessionEnded)?;
        let is_fresh = now.is_near(found.session.created_at, FRESH_LOGIN);
        if is_fresh { Ok(()) } else { Err(Error::ReauthenticationRequired) }
    }
}

/// Rejects a password that is easy to guess from the account's public data and address.
pub(crate) fn validate(password: &NewPassword, account: &Account) -> Result<(), Violation> {
    let summary = &account.user.summary;
    let known =
        [summary.username.as_str(), &summary.display_name, account.email.as_deref().unwrap_or_default()];
    password.validate(&known)
}
