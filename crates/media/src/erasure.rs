//! Deletes unneeded files and rows. Files are deleted before their rows, so that a repeated run completes one that
//! crashed.

use blegram_domain::{
    self as domain, Job, MediaId, MediaKey, PostId, Timestamp, UploadId, UserId, media::Upload,
};
use blegram_persistence::{
    jobs,
    media::{self, MediaFilter},
    uploads,
};
use futures_util::future::try_join_all;

use crate::{Media, Result, sweep::GRACE as PARTIAL_AFTER};

/// The largest number of images or uploads that one step deletes.
const BATCH: usize = 50;

impl Media {
    /// Deletes an image that is marked as deleted.
    pub async fn purge_media(&self, id: MediaId) -> Result<bool> {
        self.purge_all(MediaFilter::One(id)).await
    }

    /// Deletes files that no image uses any longer.
    pub async fn delete_files(&self, key: MediaKey) -> Result<()> {
        self.delete_all_files(&[key]).await
    }

    /// Deletes a batch of the images of a deleted post; returns whether there may be more.
    pub async fn purge_post(&self, post: PostId) -> Result<bool> {
        self.purge_all(MediaFilter::Post(post)).await
    }

    /// Deletes a batch of the images and uploads of `user`, whose account is deleted, and finally all their files;
    /// returns whether there may be more.
    pub async fn purge_user(&self, user: UserId) -> Result<bool> {
        if self.purge_all(MediaFilter::Owner(user)).await?
            || self.purge_uploads(uploads::UploadFilter::Owner(user)).await?
        {
            return Ok(true);
        }
        // An empty list proves that nothing is left only if the storage is the right one.
        self.check_storage().await?;
        for is_public in [true, false] {
            if self.storage.delete_below(&MediaKey::prefix(is_public, user), BATCH).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes, at `now`, a checked time: a batch of images that were unused for too long, expired uploads, and
    /// unfinished files left by a crash. Returns whether there may be more.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<bool> {
        let unused = media::list_unused(&self.db, now - domain::Media::UNUSED_FOR, BATCH as u64).await?;
        if !unused.is_empty() {
            let tx = self.db.write().await?;
            let locked = media::lock_all(&tx, &unused).await?;
            // Some may have been used since.
            let ids: Vec<MediaId> =
                locked.values().filter(|media| media.used.is_none()).map(|media| media.id).collect();
            media::update_deleted(&tx, &ids, now).await?;
            for id in &ids {
                jobs::insert(&tx, Job::PurgeMedia(*id), now, now).await?;
            }
            tx.commit().await?;
        }
        let abandoned = uploads::UploadFilter::PendingBefore(now - Upload::ABANDONED_AFTER);
        let has_more = self.purge_uploads(abandoned).await?
            || self.purge_uploads(uploads::UploadFilter::Before(now - Upload::RETENTION)).await?;
        self.storage.remove_partial(Some(Upload::PREFIX), now - PARTIAL_AFTER, true).await?;
        Ok(has_more || unused.len() == BATCH)
    }

    async fn purge_all(&self, filter: MediaFilter) -> Result<bool> {
        let found = media::list_of(&self.db, filter, BATCH as u64).await?;
        if found.is_empty() {
            return Ok(false);
        }
        // Also the files under the previous keys: links to those may stay valid for hours.
        let keys: Vec<MediaKey> =
            found.iter().flat_map(|media| [Some(media.key), media.previous_key]).flatten().collect();
        self.delete_all_files(&keys).await?;
        let ids: Vec<MediaId> = found.iter().map(|media| media.id).collect();
        let tx = self.db.write().await?;
        for key in found.iter().filter_map(|media| media.previous_key) {
            jobs::cancel(&tx, Job::DeleteFiles(key)).await?;
        }
        media::delete(&tx, &ids).await?;
        tx.commit().await?;
        Ok(found.len() == BATCH)
    }

    /// Deletes the files of `keys`. A file that is not found counts as deleted only if the storage is the right one.
    async fn delete_all_files(&self, keys: &[MediaKey]) -> Result<()> {
        self.check_storage().await?;
        let deletions: Vec<_> = keys.iter().map(|key| self.storage.delete_all(*key)).collect();
        let existed = try_join_all(deletions).await?;
        self.confirm(existed).await
    }

    /// Checks the storage again, because it may have become unavailable during the deletion.
    async fn confirm(&self, existed: Vec<bool>) -> Result<()> {
        if existed.into_iter().all(|existed| existed) { Ok(()) } else { self.check_storage().await }
    }

    async fn purge_uploads(&self, filter: uploads::UploadFilter) -> Result<bool> {
        let ids: Vec<UploadId> = uploads::list_of(&self.db, filter, BATCH as u64).await?;
        if ids.is_empty() {
            return Ok(false);
        }
        self.check_storage().await?;
        let names: Vec<String> = ids.iter().map(|id| Upload::file(*id)).collect();
        let deletions: Vec<_> = names.iter().map(|name| self.storage.delete(name)).collect();
        let existed = try_join_all(deletions).await?;
        self.confirm(existed).await?;
        let tx = self.db.write().await?;
        uploads::delete(&tx, &ids).await?;
        tx.commit().await?;
        Ok(ids.len() == BATCH)
    }
}
