//! Moves files between the public and the private area when the visibility of their post or account changes. They get a
//! new key, so that links to the old one stop working.
//!
//! The public area contains only images that everyone may see. An image that leaves it is removed from there at once,
//! under all its earlier keys. An image that enters it also stays in the private area for as long as signed links to it
//! may exist.

use blegram_domain::{self as domain, Job, MediaId, MediaKey, UserId};
use blegram_persistence::{Tx, jobs, media, users};

use crate::{Error, Media, Result, links::LIFETIME, random};

/// The largest number of images that one step moves.
const BATCH: u64 = 20;

impl Media {
    /// Moves a batch of the images of `user` that are not in the area where they belong; returns whether there may be
    /// more. A step that failed can be repeated.
    pub async fn move_media(&self, user: UserId) -> Result<bool> {
        let misplaced = media::list_misplaced(&self.db, user, BATCH).await?;
        let mut all_moved = true;
        for media in &misplaced {
            all_moved &= self.move_one(media).await?;
        }
        // Images that were changed concurrently are checked again.
        Ok(misplaced.len() as u64 == BATCH || !all_moved)
    }

    /// Moves an image if it is not in the area where it belongs; returns whether to check it again.
    pub async fn move_image(&self, id: MediaId) -> Result<bool> {
        let Some(media) = media::find(&self.db, id).await? else { return Ok(false) };
        if !media::is_misplaced(&self.db, &media).await? {
            return Ok(false);
        }
        Ok(!self.move_one(&media).await?)
    }

    async fn move_one(&self, media: &domain::Media) -> Result<bool> {
        let to = MediaKey::new(!media.key.is_public(), media.owner, u128::from_be_bytes(random()));
        // First, so that hours of retries write no rows.
        self.check_storage().await?;
        self.schedule_cleanup(to).await?;
        self.copy(media, to).await?;
        let moved = self.rename(media, to).await?;
        if !moved {
            self.storage.delete_all(to).await?;
        }
        Ok(moved)
    }

    /// Copies the files of an image. Omits a file only if it is certainly lost, because the old key is deleted
    /// afterwards.
    async fn copy(&self, media: &domain::Media, to: MediaKey) -> Result<()> {
        let missing = self.storage.copy_all(media.key, to).await?;
        if missing.is_empty() {
            return Ok(());
        }
        self.check_storage().await?;
        for name in &missing {
            // The storage may have been unavailable only during the copy.
            if self.storage.exists(&media.key.file(*name)).await? {
                return Err(Error::Unavailable("an existing file was reported as not found".into()));
            }
        }
        // Moving the other files, or only the key, is all that can be done.
        tracing::error!(media = %media.id, ?missing, "image files are missing; `blegram sweep` lists them");
        Ok(())
    }

    /// Schedules the deletion of the copies before they exist: if this process stops before the image uses them, a job
    /// deletes them, and a sweep does not take them for orphans.
    async fn schedule_cleanup(&self, key: MediaKey) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        jobs::insert(&tx, Job::DeleteFiles(key), now + LIFETIME, now).await?;
        Ok(tx.commit().await?)
    }

    /// Stores the new key, if the image still needs to move.
    async fn rename(&self, media: &domain::Media, to: MediaKey) -> Result<bool> {
        let tx = self.db.write().await?;
        // Locks the account before the image, the order that all code follows.
        users::lock(&tx, media.owner).await?;
        let locked = media::lock(&tx, media.id).await?;
        let Some(locked) = locked.filter(|locked| locked.key == media.key) else { return Ok(false) };
        if !media::is_misplaced(&tx, &locked).await? {
            return Ok(false);
        }
        jobs::cancel(&tx, Job::DeleteFiles(to)).await?;
        self.replace_key(&tx, &locked, to).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a locked image the key `to`, and schedules the deletion of the files under its old keys: the earlier of
    /// two at once, so that copies do not accumulate.
    async fn replace_key(&self, tx: &Tx, media: &domain::Media, to: MediaKey) -> Result<()> {
        let now = self.clock.now();
        // Signed links to the old key stay valid for a while, and everyone may see the image.
        let old_key_stays_valid = to.is_public();
        media::update_key(tx, media, to, old_key_stays_valid.then_some(media.key)).await?;
        let delete_at = if old_key_stays_valid { now + 2 * LIFETIME } else { now };
        jobs::insert(tx, Job::DeleteFiles(media.key), delete_at, now).await?;
        if let Some(previous) = media.previous_key {
            jobs::expedite(tx, Job::DeleteFiles(previous), now).await?;
        }
        Ok(())
    }
}
