//! What owners do with their images.

use blegram_domain::{self as domain, Job, MediaId, UserId, media::UpdateMedia, version::Precondition};
use blegram_persistence::{Tx, jobs, media};

use crate::{Error, Media, Result};

impl Media {
    /// An image of `actor`.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for somebody else's.
    pub async fn get_media(&self, actor: UserId, id: MediaId) -> Result<domain::Media> {
        let media = media::find(&self.db, id).await?.filter(|media| media.owner == actor);
        media.ok_or(Error::NotFound)
    }

    /// Changes what an image of `actor` says of itself. Of simultaneous changes with one precondition, one happens; a
    /// change that changes nothing is none.
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
        let media = hold_own(&tx, actor, id, precondition).await?;
        let mut updated = media.clone();
        if let Some(alt) = input.alt {
            updated.alt = alt.map(String::from);
        }
        if updated != media {
            updated.version += 1;
            media::update(&tx, &updated).await?;
            tx.commit().await?;
        }
        Ok(updated)
    }

    /// Removes an image of `actor` that is used for nothing. Its files go in a moment.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`]; [`Error::PreconditionFailed`].
    pub async fn delete_media(&self, actor: UserId, id: MediaId, precondition: &Precondition) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let media = hold_own(&tx, actor, id, precondition).await?;
        if media.used.is_some() {
            return Err(Error::InUse);
        }
        media::update_deleted(&tx, &[id], now).await?;
        jobs::insert(&tx, Job::EraseMedia(id), now, now).await?;
        Ok(tx.commit().await?)
    }
}

async fn hold_own(tx: &Tx, actor: UserId, id: MediaId, precondition: &Precondition) -> Result<domain::Media> {
    let media = media::hold(tx, id).await?.filter(|media| media.owner == actor).ok_or(Error::NotFound)?;
    if !precondition.holds(media.version) {
        return Err(Error::PreconditionFailed);
    }
    Ok(media)
}
