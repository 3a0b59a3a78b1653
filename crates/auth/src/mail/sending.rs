//! The job that sends a mail.

use blegram_domain::{Account, MailId, Timestamp, UserId, mail::TokenPurpose, user::Status};
use blegram_persistence::{
    email_tokens::{self, EmailToken as StoredToken},
    emails,
    mails::{self, Mail},
    users,
};

use super::{SendError, render::render};
use crate::{Auth, EmailToken, Error, Result};

pub(crate) const PURPOSE: &str = "blegram mail token key v1";

impl Auth {
    /// Sends a queued mail. Does nothing if it was sent, if something newer replaces it, or if the recipient has no
    /// account.
    ///
    /// # Errors
    /// [`Error::Mail`] if it may be sent later.
    pub async fn send_mail(&self, id: MailId) -> Result<()> {
        let now = self.clock.now();
        let Some(mail) = mails::find(&self.db, id).await? else { return Ok(()) };
        if now.since(mail.created_at) > mail.kind.given_up_after() {
            tracing::warn!(mail = %id, kind = mail.kind.as_str(), "a mail was given up: it could not be sent in time");
            return self.discard(id).await;
        }
        let Some(mailer) = self.mailer.clone() else {
            return Err(Error::Mail("no mail server is configured".to_owned()));
        };
        let Some((account, token)) = self.prepare(&mail, now).await? else { return self.discard(id).await };
        let outgoing = render(&mail, &account, token.as_ref(), &self.pages_url);
        match mailer.send(&outgoing).await {
            Ok(()) => {
                tracing::debug!(mail = %id, kind = mail.kind.as_str(), "mail sent");
                self.discard(id).await
            }
            Err(SendError::Rejected(reason)) => {
                tracing::warn!(mail = %id, kind = mail.kind.as_str(), reason, "the mail server rejected a mail for good");
                self.discard(id).await
            }
            Err(SendError::Temporary(reason)) => Err(Error::Mail(reason)),
        }
    }

    /// Finds the account of a mail, and stores the hash of the token for it. `None` if the mail must not be sent.
    async fn prepare(&self, mail: &Mail, now: Timestamp) -> Result<Option<(Account, Option<EmailToken>)>> {
        let Some(account) = self.recipient(mail).await? else { return Ok(None) };
        let Some(purpose) = mail.kind.purpose() else { return Ok(Some((account, None))) };
        let token = EmailToken::derive(mail.id, &self.mail_key);
        Ok(self
            .store_token(mail, account.user.summary.id, purpose, &token, now)
            .await?
            .map(|account| (account, Some(token))))
    }

    /// The account of a mail. A request for a new password only has the address: this looks the account up, so that the
    /// request itself takes the same time whether there is one or not.
    async fn recipient(&self, mail: &Mail) -> Result<Option<Account>> {
        let account = match mail.user {
            Some(user) => users::find_account(&self.db, user).await?,
            None => emails::find_account(&self.db, &mail.address.key()).await?,
        };
        Ok(account.filter(|account| account.user.summary.status != Status::Deleted))
    }

    async fn store_token(
        &self,
        mail: &Mail,
        user: UserId,
        purpose: TokenPurpose,
        token: &EmailToken,
        now: Timestamp,
    ) -> Result<Option<Account>> {
        let tx = self.db.write().await?;
        let Some(account) = users::lock(&tx, user).await? else { return Ok(None) };
        let address = match purpose {
            TokenPurpose::VerifyEmail => Some(mail.address.clone()),
            // To the address as its owner verified it, not as the request spelled it.
            TokenPurpose::ResetPassword => account
                .verified_email()
                .filter(|own| own.key() == mail.address.key() && account.user.is_visible()),
        };
        let Some(address) = address else { return Ok(None) };
        // A consumed token deletes the mail, so that a repetition of a mail that did arrive does not revive the token.
        if !mails::update_user(&tx, mail.id, user).await? {
            return Ok(None);
        }
        let is_replaced =
            email_tokens::find_mail(&tx, user, purpose).await?.is_some_and(|newer| newer > mail.id);
        if is_replaced {
            return Ok(None);
        }
        let expires_at = now + purpose.lifetime();
        let stored = StoredToken { id: mail.id, user, purpose, address, expires_at };
        email_tokens::replace(&tx, stored, &token.hash()).await?;
        tx.commit().await?;
        Ok(Some(account))
    }

    async fn discard(&self, id: MailId) -> Result<()> {
        let tx = self.db.write().await?;
        mails::delete(&tx, id).await?;
        Ok(tx.commit().await?)
    }
}
