//! Mails to account owners: queued in the transaction that causes them, sent by a job.
//!
//! A mail is a row with its kind and its recipient, and a job. [`Auth::send_mail`](crate::Auth::send_mail) runs the job: it makes
//! the text, and hands it to the [`Mailer`]. A mail that cannot be sent now is retried, one that the mail server rejects for good is
//! not. Mails are only queued if the site sends any ([`crate::Config::sends_mail`]).
//!
//! The token in a mail is an HMAC over the id of the mail, so that neither the queue nor its backups contain it. Its hash
//! is stored when the mail is about to be sent, and its lifetime begins then. Decision 40 says why.
//!
//! | Module | Contents |
//! |---|---|
//! | `queue` | how to queue mails and notices |
//! | `sending` | the job |
//! | `texts` | what the mails say |
//! | `render` | the texts as plain text and as HTML |
//!
//! To add a notice: a `MailKind` in `crates/domain/src/mail.rs`, its text in `texts`, and `Auth::notify` in the transaction of
//! the change.

mod queue;
mod render;
mod sending;
mod texts;

use std::pin::Pin;

use blegram_domain::{EmailAddress, MailId, Timestamp};

pub(crate) use self::{
    queue::{NewMail, Notice},
    render::LoginDetails,
    sending::PURPOSE,
};

/// Sends mails.
pub trait Mailer: Send + Sync + 'static {
    /// Sends one mail, and waits until the next server has taken responsibility for it. Sending the same mail twice should
    /// give it the same `Message-ID`.
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;
}

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The mail cannot be delivered: do not try again.
    #[error("{0}")]
    Rejected(String),
    /// The mail may be delivered later.
    #[error("{0}")]
    Temporary(String),
}

/// A mail as its recipient reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The id, for `Message-ID`.
    pub id: MailId,
    /// The recipient.
    pub to: EmailAddress,
    /// The recipient's name. Only in mails to a verified address: others could be used to send a text to strangers.
    pub to_name: Option<String>,
    /// The subject, one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same text as an HTML document.
    pub html: String,
    /// When the mail was caused.
    pub created_at: Timestamp,
}
