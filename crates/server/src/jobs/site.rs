//! Jobs that need several features, in an order that none of them knows.

use std::io;

use blegram_auth::avatar::AvatarDownload;
use blegram_domain::{Media, PostId, UserId, job::SiteJob, version::Precondition};
use blegram_media::Source;
use blegram_persistence::remnants;
use blegram_social::UpdateProfile;
use bytes::Bytes;
use futures_util::stream;

use super::handlers::Handlers;

impl Handlers {
    pub(super) async fn site(&self, job: SiteJob) -> anyhow::Result<bool> {
        match job {
            SiteJob::PurgeAccount(user) => self.purge_account(user).await,
            SiteJob::PurgePost(post) => self.purge_post(post).await,
            SiteJob::ImportAvatar(user) => self.import_avatar(user).await,
            SiteJob::Retention => self.delete_old().await,
        }
    }

    // Images first: deleting their rows with the content would orphan the files.
    async fn purge_account(&self, user: UserId) -> anyhow::Result<bool> {
        Ok(self.media.purge_user(user).await?
            || self.chat.purge_user(user).await?
            || self.social.purge_user(user).await?
            || self.auth.purge_account(user).await?)
    }

    async fn purge_post(&self, post: PostId) -> anyhow::Result<bool> {
        Ok(self.media.purge_post(post).await? || self.social.purge_post(post).await?)
    }

    /// Makes the profile picture at a login provider the avatar of a new account. What cannot be downloaded or is no image
    /// is left out: the user can upload another.
    async fn import_avatar(&self, user: UserId) -> anyhow::Result<bool> {
        match self.auth.download_avatar(user).await? {
            AvatarDownload::File(file) => self.set_avatar(user, file).await?,
            AvatarDownload::Nothing => {}
            AvatarDownload::Later(error) => return Err(error.into()),
        }
        self.auth.finish_avatar_import(user).await?;
        Ok(false)
    }

    async fn set_avatar(&self, user: UserId, file: Vec<u8>) -> anyhow::Result<()> {
        let account = self.auth.account(user).await?.filter(|account| account.user.is_visible());
        // The user may have chosen another picture meanwhile.
        if account.is_none_or(|account| account.user.summary.avatar.is_some()) {
            return Ok(());
        }
        let pieces = stream::iter([Ok::<_, io::Error>(Bytes::from(file))]);
        let source = Source::read(pieces, Media::MAX_BYTES, None).await?;
        let image = match self.media.upload(user, source, None).await {
            Ok(image) => image,
            Err(blegram_media::Error::Refused(rejection)) => {
                tracing::info!(%user, error = %rejection, "the profile picture is not imported");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let avatar = UpdateProfile { avatar: Some(Some(image.id)), ..UpdateProfile::default() };
        self.social.update_profile(user, avatar, &Precondition::default()).await?;
        Ok(())
    }

    /// Deletes what has expired or is unused, and at last what is left of it in the files of SQLite.
    async fn delete_old(&self) -> anyhow::Result<bool> {
        let has_more = self.social.delete_unused_hashtags().await? || self.delete_expired().await?;
        if !has_more && !remnants::delete(&self.db).await? {
            tracing::debug!("the files of SQLite still contain deleted rows; continues in an hour");
        }
        Ok(has_more)
    }

    /// Runs every deletion that depends on age alone, by a checked clock. Does nothing while retention is paused.
    async fn delete_expired(&self) -> anyhow::Result<bool> {
        let Some(now) = self.retention.check().await? else { return Ok(false) };
        Ok(self.auth.delete_expired(now).await?
            || self.social.delete_expired(now).await?
            || self.chat.delete_expired(now).await?
            || self.media.delete_expired(now).await?)
    }
}
