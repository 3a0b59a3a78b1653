//! The address of an account: changing it, and verifying it with the token from a mail.

use blegram_domain::{
    Account, EmailAddress, Language, SessionId, UserId,
    mail::{MailKind, TokenPurpose},
    user::Status,
};
use blegram_persistence::{Tx, email_tokens, emails, mails, users};

use crate::{
    Auth, EmailToken, EnteredPassword, Error, Result, audit,
    mail::{NewMail, Notice},
};

/// A change of the address of an account.
#[derive(Debug, Clone)]
pub struct ChangeEmail {
    /// The new address.
    pub address: EmailAddress,
    /// The current password; `None` for an account without one.
    pub password: Option<EnteredPassword>,
    /// The language of the mail, if it is known.
    pub language: Option<Language>,
}

impl Auth {
    /// Sends a verification mail to a new address of `actor`. A verified address stays until the new one is verified; one
    /// that is not verified is replaced at once. Changing to the address that the account already has verified cancels a
    /// change that is waiting for its verification.
    ///
    /// Does not tell whether another account has the address: that is up to the verification.
    ///
    /// # Errors
    /// [`Error::MailDisabled`]; [`Error::WrongPassword`]; [`Error::ReauthenticationRequired`] if the account has no
    /// password and the login is not recent; [`Error::RateLimited`] per account and per address; [`Error::Overloaded`];
    /// [`Error::SessionEnded`] if the account was deleted concurrently.
    pub async fn change_email(&self, actor: UserId, session: SessionId, change: ChangeEmail) -> Result<()> {
        if !self.sends_mail {
            return Err(Error::MailDisabled);
        }
        let ChangeEmail { address, password, language } = change;
        let confirmed = self.confirm(actor, session, password).await?;
        self.limit_mails(&address).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.filter(|account| account.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        if users::find_password_hash(&tx, actor).await? != confirmed {
            // The password was changed while this request ran, perhaps to lock out its sender.
            return Err(Error::WrongPassword);
        }
        cancel(&tx, actor, TokenPurpose::VerifyEmail).await?;
        let verified = account.verified_email();
        if verified.as_ref().is_none_or(|verified| *verified != address) {
            if verified.is_none() {
                emails::update_unverified(&tx, actor, &address).await?;
            }
            let mail = NewMail { kind: MailKind::VerifyEmail, user: Some(actor), to: address, language };
            self.queue_mail(&tx, mail, now).await?;
        }
        let recorded = audit::record(&tx, audit::Kind::EmailChangeRequested, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(())
    }

    /// Verifies the address to which `token` was sent, and makes it the address of the account. The previous verified
    /// address gets a notice.
    ///
    /// # Errors
    /// [`Error::EmailTokenInvalid`] if the token is unknown, used, replaced by a newer one or expired;
    /// [`Error::EmailTaken`] if another account has verified an address of the same mailbox.
    pub async fn verify_email(&self, token: &str) -> Result<()> {
        let found = self.find_email_token(token, TokenPurpose::VerifyEmail).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = lock_owner(&tx, &found).await?;
        let (user, address) = (found.user, found.address);
        mails::delete_kinds(&tx, user, &[MailKind::VerifyEmail]).await?;
        let previous = account.verified_email().filter(|previous| previous.key() != address.key());
        if let Some(previous) = previous {
            // The owner of the previous address must not get into the account any more.
            cancel(&tx, user, TokenPurpose::ResetPassword).await?;
            self.notify_at(&tx, &account, previous, Notice::new(MailKind::EmailChanged), now).await?;
        }
        if !emails::update_verified(&tx, user, &address, now).await? {
            return Err(Error::EmailTaken);
        }
        let recorded = audit::record(&tx, audit::Kind::EmailVerified, user, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(())
    }

    /// Finds a token that can be used.
    pub(crate) async fn find_email_token(
        &self,
        token: &str,
        purpose: TokenPurpose,
    ) -> Result<email_tokens::EmailToken> {
        let now = self.clock.now();
        let token = EmailToken::parse(token).ok_or(Error::EmailTokenInvalid)?;
        let found = email_tokens::find_by_hash(&self.db, &token.hash()).await?;
        let is_usable = |found: &email_tokens::EmailToken| found.purpose == purpose && now < found.expires_at;
        found.filter(is_usable).ok_or(Error::EmailTokenInvalid)
    }
}

/// Locks the account of a token and consumes the token.
pub(crate) async fn lock_owner(tx: &Tx, token: &email_tokens::EmailToken) -> Result<Account> {
    let account = users::lock(tx, token.user).await?;
    let account = account.filter(|account| account.user.summary.status != Status::Deleted);
    let account = account.ok_or(Error::EmailTokenInvalid)?;
    if email_tokens::delete(tx, token.id).await? { Ok(account) } else { Err(Error::EmailTokenInvalid) }
}

/// Invalidates the token of a locked account for `purpose`, also one that is not sent yet.
pub(crate) async fn cancel(tx: &Tx, user: UserId, purpose: TokenPurpose) -> Result<()> {
    mails::delete_kinds(tx, user, &[purpose.mail()]).await?;
    Ok(email_tokens::delete_of_purpose(tx, user, purpose).await?)
}
