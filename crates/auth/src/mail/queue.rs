//! Queues mails.

use blegram_domain::{
    Account, EmailAddress, Job, Language, MailId, Timestamp, UserId, factor::FactorKind, mail::MailKind,
};
use blegram_limits::{Demand, Policy, Subject};
use blegram_persistence::{Tx, jobs, mails};

use crate::{Auth, Result};

/// A mail to queue.
#[derive(Debug, Clone)]
pub(crate) struct NewMail {
    pub(crate) kind: MailKind,
    /// `None` if it is not known yet whether an account has the address.
    pub(crate) user: Option<UserId>,
    pub(crate) to: EmailAddress,
    /// The recipient's language; `None` if the recipient did not make the request.
    pub(crate) language: Option<Language>,
}

/// A notice to the owner of an account.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) kind: MailKind,
    /// What the text needs, as stored with the mail.
    pub(crate) details: Option<String>,
    pub(crate) language: Option<Language>,
}

impl Notice {
    pub(crate) const fn new(kind: MailKind) -> Self {
        Self { kind, details: None, language: None }
    }

    /// A notice about a second factor.
    pub(crate) fn of_factor(kind: MailKind, factor: FactorKind) -> Self {
        Self { details: Some(factor.as_str().to_owned()), ..Self::new(kind) }
    }
}

impl Auth {
    /// Whether this site sends mail.
    pub const fn sends_mail(&self) -> bool {
        self.sends_mail
    }

    /// Counts a mail to `recipient` that a request causes, whether an account has the address or not.
    ///
    /// # Errors
    /// [`crate::Error::RateLimited`].
    pub(crate) async fn limit_mails(&self, recipient: &EmailAddress) -> Result<()> {
        let demand = Demand::new(Policy::Mail, Subject::Recipient(recipient.key()));
        Ok(self.limiter.take(&demand, []).await.map(drop)?)
    }

    /// Queues a mail with a token. Does nothing if the site sends no mail.
    pub(crate) async fn queue_mail(&self, tx: &Tx, mail: NewMail, now: Timestamp) -> Result<()> {
        self.insert_mail(tx, mail, None, now).await
    }

    /// Queues a notice to the verified address of `account`, if it has one.
    pub(crate) async fn notify(
        &self,
        tx: &Tx,
        account: &Account,
        notice: Notice,
        now: Timestamp,
    ) -> Result<()> {
        match account.verified_email() {
            Some(to) => self.notify_at(tx, account, to, notice, now).await,
            None => Ok(()),
        }
    }

    /// Queues a notice about `account` to `to`, its previous address.
    pub(crate) async fn notify_at(
        &self,
        tx: &Tx,
        account: &Account,
        to: EmailAddress,
        notice: Notice,
        now: Timestamp,
    ) -> Result<()> {
        if !self.sends_mail {
            return Ok(());
        }
        let user = account.user.summary.id;
        let demand = Demand::new(Policy::MailNotice, Subject::Recipient(to.key()));
        if self.limiter.take_here(&demand).is_err() {
            tracing::warn!(%user, kind = notice.kind.as_str(), "too many notices to one account; one is not sent");
            return Ok(());
        }
        let Notice { kind, details, language } = notice;
        self.insert_mail(tx, NewMail { kind, user: Some(user), to, language }, details, now).await
    }

    async fn insert_mail(
        &self,
        tx: &Tx,
        mail: NewMail,
        details: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        if !self.sends_mail {
            return Ok(());
        }
        let NewMail { kind, user, to: address, language } = mail;
        let id = MailId::generate(now);
        mails::insert(tx, mails::Mail { id, user, kind, address, language, details, created_at: now })
            .await?;
        jobs::insert(tx, Job::SendMail(id), now, now).await?;
        Ok(())
    }
}
