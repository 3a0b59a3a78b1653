//! How mails leave the server: by SMTP, or as files in a directory for development. Both implement
//! [`Mailer`].

mod folder;
mod message;
mod smtp;

use std::sync::Arc;

use anyhow::Context;
use blegram_auth::Mailer;

pub use self::{
    folder::FolderMailer,
    message::message,
    smtp::{SmtpMailer, SmtpSettings},
};
use crate::config::{Config, MailTransport};

/// Builds the configured mailer; `None` if the site sends no mail.
///
/// # Errors
/// When the certificate file cannot be read.
pub fn mailer(config: &Config) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    let from = config.mail_sender();
    Ok(match config.mail_transport() {
        Some(MailTransport::Smtp(host)) => {
            let ca = config.mail.ca_file.as_ref().map(|file| {
                std::fs::read(file)
                    .with_context(|| format!("cannot read {}, the file of mail.ca_file", file.display()))
            });
            let settings = SmtpSettings {
                host: host.as_str().to_owned(),
                port: config.mail.port.get().try_into().unwrap_or(u16::MAX),
                tls: config.mail.tls,
                credentials: config.mail_credentials(),
                timeout: std::time::Duration::from_secs(config.mail.timeout_seconds.get().into()),
                ca: ca.transpose()?,
            };
            Some(Arc::new(SmtpMailer::new(settings, from).context("mail.host, mail.ca_file")?))
        }
        Some(MailTransport::Folder(folder)) => Some(Arc::new(FolderMailer::new(folder, from))),
        None => None,
    })
}
