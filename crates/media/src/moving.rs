//! Files change their area when what shows them changes who sees it: a post, or its author's whole account. They get a
//! new key, so that no link to the old one leads anywhere.
//!
//! In the public area is only what everybody may see. What leaves it, leaves it at once, with everything that was there
//! before; what enters it stays in the private area as well for as long as signed links to it may be out.

use blegram_domain::{self as domain, Job, MediaId, MediaKey, UserId};
use blegram_persistence::{Tx, jobs, media, users};

use crate::{Error, Media, Result, links::LIFETIME, random};

/// How many images a step moves at most.
const BATCH: u64 = 20;

impl Media {
    /// Moves some of the images of `user` that are not in the area where they belong; says whether there may be more.
    ///
    /// # Errors
    /// Failures of storage and database only. What was begun is done again.
    pub async fn move_media(&self, user: UserId) -> Result<bool> {
        let misplaced = media::list_misplaced(&self.db, user, BATCH).await?;
        let mut all_moved = true;
        for media in &misplaced {
            all_moved &= self.move_one(media).await?;
        }
        // What somebody else changed meanwhile is looked at again.
        Ok(misplaced.len() as u64 == BATCH || !all_moved)
    }

    /// Moves an image if it is not in the area where it belongs; says whether to look again.
    ///
    /// # Errors
    /// As [`Media::move_media`].
    pub async fn move_image(&self, id: MediaId) -> Result<bool> {
        let Some(media) = media::find(&self.db, id).await? else { return Ok(false) };
        if !media::is_misplaced(&self.db, &media).await? {
            return Ok(false);
        }
        Ok(!self.move_one(&media).await?)
    }

    async fn move_one(&self, media: &domain::Media) -> Result<bool> {
        let to = MediaKey::new(!media.key.is_public(), media.owner, u128::from_be_bytes(random()));
        // First, so that trying again for hours writes nothing down.
        self.check_storage().await?;
        self.expect(to).await?;
        self.copy(media, to).await?;
        let moved = self.rename(media, to).await?;
        if !moved {
            self.storage.delete_all(to).await?;
        }
        Ok(moved)
    }

    /// Copies the files of an image. What is not there is left out only when it is gone: its old key is erased afterwards.
    async fn copy(&self, media: &domain::Media, to: MediaKey) -> Result<()> {
        let missing = self.storage.copy_all(media.key, to).await?;
        if missing.is_empty() {
            return Ok(());
        }
        self.check_storage().await?;
        for name in &missing {
            // The storage may have been away only while it was copied.
            if self.storage.exists(&media.key.file(*name)).await? {
                return Err(Error::Unavailable("a file was not found that is there".into()));
            }
        }
        // Moving the others, or just its name, is all that can be done for it.
        tracing::error!(media = %media.id, ?missing, "an image has lost files; `blegram sweep` lists such");
        Ok(())
    }

    /// Writes down that files are about to come that are nobody's yet: if this ends before they are, they go; and nobody
    /// takes them for left behind.
    async fn expect(&self, key: MediaKey) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        jobs::insert(&tx, Job::EraseFiles(key), now + LIFETIME, now).await?;
        Ok(tx.commit().await?)
    }

    /// Writes down the new key, if the image still wants it.
    async fn rename(&self, media: &domain::Media, to: MediaKey) -> Result<bool> {
        let tx = self.db.write().await?;
        // The account before the image, as everybody does.
        users::hold(&tx, media.owner).await?;
        let locked = media::hold(&tx, media.id).await?;
        let Some(locked) = locked.filter(|locked| locked.key == media.key) else { return Ok(false) };
        if !media::is_misplaced(&tx, &locked).await? {
            return Ok(false);
        }
        jobs::delete_wanted(&tx, Job::EraseFiles(to)).await?;
        self.leave(&tx, &locked, to).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an image that is locked the key `to`, and removes the files under the keys that it had: those of before at
    /// once, so that they do not pile up.
    async fn leave(&self, tx: &Tx, media: &domain::Media, to: MediaKey) -> Result<()> {
        let now = self.clock.now();
        // Signed links to it are good for a while, and everybody may see the image.
        let stays = to.is_public();
        media::update_key(tx, media, to, stays.then_some(media.key)).await?;
        let gone = if stays { now + 2 * LIFETIME } else { now };
        jobs::insert(tx, Job::EraseFiles(media.key), gone, now).await?;
        if let Some(before) = media.previous_key {
            jobs::bring_forward(tx, Job::EraseFiles(before), now).await?;
        }
        Ok(())
    }
}
