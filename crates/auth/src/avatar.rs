//! The import of profile pictures from login providers, for new accounts.

use std::time::Duration;

use blegram_domain::UserId;
use blegram_persistence::avatar_imports;

use crate::{Auth, Result, provider::ProviderError};

/// How long an import is retried while the provider does not respond.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A picture to import.
#[derive(Debug)]
pub enum AvatarDownload {
    /// The file.
    File(Vec<u8>),
    /// There is no picture, or it cannot be had.
    Nothing,
    /// The provider does not respond: try again later.
    Later(ProviderError),
}

impl Auth {
    /// Downloads the profile picture that the account of `user` is to get.
    pub async fn download_avatar(&self, user: UserId) -> Result<AvatarDownload> {
        let Some(import) = avatar_imports::find(&self.db, user).await? else {
            return Ok(AvatarDownload::Nothing);
        };
        let Some(provider) = self.providers.find(&import.provider) else {
            return Ok(AvatarDownload::Nothing);
        };
        Ok(match provider.picture(&import.url).await {
            Ok(file) => AvatarDownload::File(file),
            Err(error @ ProviderError::Unavailable(_))
                if self.clock.now().since(import.created_at) < PATIENCE =>
            {
                AvatarDownload::Later(error)
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::info!(%user, error, "the profile picture is not imported");
                AvatarDownload::Nothing
            }
        })
    }

    /// Ends the import for `user`.
    pub async fn finish_avatar_import(&self, user: UserId) -> Result<()> {
        let tx = self.db.write().await?;
        avatar_imports::delete(&tx, user).await?;
        Ok(tx.commit().await?)
    }
}
