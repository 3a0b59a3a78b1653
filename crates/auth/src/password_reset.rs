//! A new password for an owner who forgot the old one, by a mail to the verified address.

use blegram_cpu_pool::Work;
use blegram_domain::{
    EmailAddress, Language,
    mail::{MailKind, TokenPurpose},
};
use blegram_limits::Subject;
use blegram_persistence::{login_challenges, sessions, users};

use crate::{
    Auth, Error, Event, NewPassword, Result, audit,
    credentials::validate,
    email::{cancel, lock_owner},
    mail::{NewMail, Notice},
};

impl Auth {
    /// Requests a mail with a link to choose a new password. Does the same work whether an account has the address or
    /// not: a job looks for the account later, and sends nothing if there is none. Does nothing if the site sends no mail.
    ///
    /// # Errors
    /// [`Error::RateLimited`] per address, whether an account has it or not.
    pub async fn request_password_reset(
        &self,
        address: EmailAddress,
        language: Option<Language>,
    ) -> Result<()> {
        self.limit_mails(&address).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let mail = NewMail { kind: MailKind::ResetPassword, user: None, to: address, language };
        self.queue_mail(&tx, mail, now).await?;
        Ok(tx.commit().await?)
    }

    /// Replaces the password of the account for which `token` was sent, and ends all its sessions. Does not log in.
    ///
    /// # Errors
    /// [`Error::EmailTokenInvalid`] if the token is unknown, used, replaced by a newer one or expired;
    /// [`Error::WeakPassword`] if the password is easy to guess from the account's data; [`Error::Overloaded`]. After the
    /// last two, the token can be used again.
    pub async fn complete_password_reset(&self, token: &str, password: NewPassword) -> Result<()> {
        let found = self.find_email_token(token, TokenPurpose::ResetPassword).await?;
        let user = found.user;
        let account = self.account(user).await?.ok_or(Error::EmailTokenInvalid)?;
        validate(&password, &account)?;
        let hash = self.hasher.hash(password, Work::of(Subject::User(user))).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = lock_owner(&tx, &found).await?;
        let outdated = users::find_password_hash(&tx, user).await?;
        users::replace_password_hash(&tx, user, outdated.as_deref(), &hash).await?;
        sessions::delete_others(&tx, user, None).await?;
        // Logins that began with the old password must not end.
        login_challenges::delete_of_user(&tx, user).await?;
        // An attacker who was in the account may have started to change its address.
        cancel(&tx, user, TokenPurpose::VerifyEmail).await?;
        cancel(&tx, user, TokenPurpose::ResetPassword).await?;
        self.notify(&tx, &account, Notice::new(MailKind::PasswordReset), now).await?;
        let recorded = audit::record(&tx, audit::Kind::PasswordReset, user, now).await?;
        tx.commit().await?;
        self.publish([Event::SessionsEnded { user, except: None }]);
        recorded.log();
        Ok(())
    }
}
