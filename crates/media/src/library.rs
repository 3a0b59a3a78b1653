//! Use-cases of an image's owner.

use blegram_domain::{self as domain, Job, MediaId, UserId, media::UpdateMedia, version::Precondition};
use blegram_persistence::{Tx, jobs, media};

use crate::{Error, Media, Result};

impl Media {
    /// Returns an image of `actor`.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for another account's image.
    pub async fn get_media(&self, actor: UserId, id: MediaId) -> Result<domain::Media> {
        let media = media::find(&self.db, id).await?.filter(|media| media.owner == actor);
        media.ok_or(Error::NotFound)
    }

    /// Updates an image of `actor`. Of concurrent updates with the same precondition, only one succeeds; an update
    /// without any change does not increment the version.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PreconditionFailed`].
    pub async fn update_media(
        &self,
        actor: UserId,
        id: MediaId,
        input: UpdateMedia,
        precondition: &Precondition,
    ) -> Result<domain::Media> {
        let tx = self.db.write().await?;
        let media = lock_own(&tx, actor, id, precondition).await?;
        let mut updated = media.clone();
        if let Some(alt) = input.alt {
            updated.alt = alt.map(String::from);
        }
        if updated != media {
            updated.version += 1;
            media::update(&tx, &updated).await?;
        }
        tx.commit().await?;
        Ok(updated)
    }

    /// Deletes an unused image of `actor`. A job deletes its files shortly afterwards.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`]; [`Error::PreconditionFailed`].
    pub async fn delete_media(&self, actor: UserId, id: MediaId, precondition: &Precondition) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let media = lock_own(&tx, actor, id, precondition).await?;
        if media.used.is_some() {
            return Err(Error::InUse);
        }
        media::update_deleted(&tx, &[id], now).await?;
        jobs::insert(&tx, Job::PurgeMedia(id), now, now).await?;
        Ok(tx.commit().await?)
    }
}

async fn lock_own(tx: &Tx, actor: UserId, id: MediaId, precondition: &Precondition) -> Result<domain::Media> {
    let media = media::lock(tx, id).await?.filter(|media| media.owner == actor).ok_or(Error::NotFound)?;
    if !precondition.is_met(media.version) {
        return Err(Error::PreconditionFailed);
    }
    Ok(media)
}
