//! Writes mails to files, for development: any mail program opens them.

use std::{io, path::PathBuf, pin::Pin};

use blegram_auth::{Mailer, OutgoingMail, SendError};
use lettre::message::Mailbox;

use super::message;

/// Writes each mail to a file `<id>.eml` in a directory, and logs the name of the file.
#[derive(Debug)]
pub struct FolderMailer {
    folder: PathBuf,
    from: Mailbox,
}

impl FolderMailer {
    /// Writes mails from `from` to `folder`, which is created with the first mail.
    pub const fn new(folder: PathBuf, from: Mailbox) -> Self {
        Self { folder, from }
    }

    async fn write(&self, mail: &OutgoingMail) -> Result<PathBuf, SendError> {
        let bytes = message(mail, &self.from)?.formatted();
        let temporary = |error: io::Error| {
            SendError::Temporary(format!("cannot write to {}: {error}", self.folder.display()))
        };
        create_private(&self.folder).await.map_err(temporary)?;
        let file = self.folder.join(format!("{}.eml", mail.id));
        let part = file.with_extension("part");
        tokio::fs::write(&part, bytes).await.map_err(temporary)?;
        tokio::fs::rename(&part, &file).await.map_err(temporary)?;
        Ok(file)
    }
}

/// Creates a directory that only this user can read: mails contain tokens.
async fn create_private(folder: &std::path::Path) -> io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).await
}

impl Mailer for FolderMailer {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        Box::pin(async move {
            let file = self.write(mail).await?;
            tracing::info!(file = %file.display(), "mail written to a file; set mail.host to send mails");
            Ok(())
        })
    }
}
