//! Jobs that need several features, in an order that none of them knows.

use blegram_domain::{PostId, UserId, job::SiteJob};
use blegram_persistence::remnants;

use super::handlers::Handlers;

impl Handlers {
    pub(super) async fn site(&self, job: SiteJob) -> anyhow::Result<bool> {
        match job {
            SiteJob::PurgeAccount(user) => self.purge_account(user).await,
            SiteJob::PurgePost(post) => self.purge_post(post).await,
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
