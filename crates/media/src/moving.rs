//! Files change their area when what shows them changes who sees it: a post, or its author's whole account. They get a
//! new key, so that no link to the old one leads anywhere.

use blegram_domain::{self as domain, Job, MediaKey, UserId};
use blegram_persistence::{jobs, media, users};

use crate::{Media, Result, links::LIFETIME, random};

/// How many images a step moves at most.
const BATCH: u64 = 20;

impl Media {
    /// Moves some of the images of `user` that are not in the area where they belong; says whether there may be more.
    ///
    /// # Errors
    /// Failures of storage and database only. What was begun is done again.
    pub async fn move_media(&self, user: UserId) -> Result<bool> {
        let misplaced = media::list_misplaced(&self.db, user, BATCH).await?;
        let mut moved = 0;
        for media in &misplaced {
            moved += u64::from(self.move_one(media).await?);
        }
        Ok(moved == BATCH)
    }

    async fn move_one(&self, media: &domain::Media) -> Result<bool> {
        let to = MediaKey::new(!media.key.is_public(), media.owner, u128::from_be_bytes(random()));
        let copied = match self.storage.copy_all(media.key, to).await {
            Err(crate::Error::NotFound) => {
                tracing::error!(media = %media.id, "an image has no files; `blegram sweep` lists such");
                false
            }
            other => other.map(|()| true)?,
        };
        let moved = copied && self.rename(media, to).await?;
        if !moved {
            self.storage.delete_all(to).await?;
        }
        Ok(moved)
    }

    /// Writes down the new key, if the image still wants it.
    async fn rename(&self, media: &domain::Media, to: MediaKey) -> Result<bool> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        // The account before the image, as everybody does.
        users::hold(&tx, media.owner).await?;
        let held = media::hold(&tx, media.id).await?;
        if held.is_none_or(|held| held.key != media.key) || !media::is_misplaced(&tx, media).await? {
            return Ok(false);
        }
        media::update_key(&tx, media, to).await?;
        // Signed links to the private area may be out; what leaves the public one leaves it at once.
        let gone = if to.is_public() { now + 2 * LIFETIME } else { now };
        jobs::insert(&tx, Job::EraseFiles(media.key), gone, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
