//! Password changes, and confirmation of the account's owner.

use std::time::Duration;

use blegram_cpu_pool::Work;
use blegram_domain::{Account, SessionId, Timestamp, UserId, Violation, mail::MailKind, session::Kind};
use blegram_limits::{Policy, Subject};
use blegram_persistence::{Conn, login_challenges, sessions, users};

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

/// How recent a login or reauthentication must be to confirm the owner of an account without a password, and to change
/// its second factors (ASVS 7.5.1).
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
        // Logins that began with the old password must not end.
        login_challenges::delete_of_user(&tx, actor).await?;
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
        self.limiter.check_user(Policy::Password, actor).await?;
        match users::find_password_hash(&self.db, actor).await? {
            Some(stored) => self.compare_password(actor, password, stored).await.map(Some),
            None => self.require_recent(&self.db, session, self.clock.now()).await.map(|()| None),
        }
    }

    /// Compares a password with `stored`, the hash of `actor`'s password, and returns that.
    pub(crate) async fn compare_password(
        &self,
        actor: UserId,
        password: Option<EnteredPassword>,
        stored: String,
    ) -> Result<String> {
        let password = password.ok_or(Error::WrongPassword)?;
        match self.hasher.verify(password, Some(stored.clone()), Work::of(Subject::User(actor))).await? {
            Verdict::Wrong => Err(Error::WrongPassword),
            Verdict::Right | Verdict::RightButOutdated(_) => Ok(stored),
        }
    }

    /// Demands that the user of `session` has logged in or reauthenticated recently.
    pub(crate) async fn require_recent(
        &self,
        conn: &impl Conn,
        session: SessionId,
        now: Timestamp,
    ) -> Result<()> {
        let found = sessions::find(conn, session).await?.ok_or(Error::SessionEnded)?;
        let is_recent = now.is_near(found.authenticated_at, FRESH_LOGIN);
        if is_recent { Ok(()) } else { Err(Error::ReauthenticationRequired) }
    }
}

/// Rejects a password that is easy to guess from the account's public data and address.
pub(crate) fn validate(password: &NewPassword, account: &Account) -> Result<(), Violation> {
    let summary = &account.user.summary;
    let known =
        [summary.username.as_str(), &summary.display_name, account.email.as_deref().unwrap_or_default()];
    password.validate(&known)
}
