//! Checks that the storage is the one that this site wrote to. An unmounted volume looks like an empty folder, and an
//! ingress without its backend answers 404: "not found" means that a file is gone only if the marker is found.
//!
//! The marker is a file with an id that the database also stores. It is written at the site's first access to its
//! storage: if the site has no images yet, or, for a site of an earlier version, if the storage contains one of its
//! newest images.

use blegram_domain::UploadId;
use blegram_persistence::{media, storage_marker};

use crate::{Error, Media, Result};

/// The number of newest images that identify the storage of a site of an earlier version.
const SAMPLE: u64 = 50;

/// The name of the marker file.
pub const NAME: &str = "blegram-storage";

impl Media {
    /// Checks that the storage responds and is the one that this site wrote to; marks it if it is new.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::ForeignStorage`]; database failures.
    pub async fn check_storage(&self) -> Result<()> {
        if !self.storage.outlives_process() {
            return Ok(());
        }
        let marker = match self.marker.get() {
            Some(marker) => marker.clone(),
            None => match self.written_marker().await? {
                Some(marker) => marker,
                None => return self.mark_storage().await,
            },
        };
        self.compare(&marker).await
    }

    /// Whether this process has found the right storage before.
    pub fn has_found_storage(&self) -> bool {
        self.marker.get().is_some()
    }

    /// Like [`Media::check_storage`], but read-only.
    ///
    /// # Errors
    /// Like [`Media::check_storage`].
    pub async fn inspect_storage(&self) -> Result<()> {
        match self.written_marker().await? {
            Some(marker) => self.compare(&marker).await,
            None => self.find_marker_or_evidence().await.map(drop),
        }
    }

    async fn compare(&self, marker: &str) -> Result<()> {
        match self.storage.read_marker().await? {
            Some(found) if found == marker => {
                let _ = self.marker.set(found);
                Ok(())
            }
            found => {
                let problem = if found.is_none() { "is missing" } else { "belongs to another site" };
                Err(Error::ForeignStorage(format!(
                    "its file {NAME} {problem}; connect the right storage or, if this one has all images, write {marker} into that file"
                )))
            }
        }
    }

    async fn written_marker(&self) -> Result<Option<String>> {
        let found = storage_marker::find(&self.db).await?;
        Ok(found.filter(|found| found.is_written).map(|found| found.marker))
    }

    /// Marks the storage. Nodes that do so concurrently write the same marker.
    async fn mark_storage(&self) -> Result<()> {
        let found = self.find_marker_or_evidence().await?;
        let tx = self.db.write().await?;
        let new = UploadId::generate(self.clock.now()).to_string();
        storage_marker::insert(&tx, found.as_deref().unwrap_or(&new)).await?;
        tx.commit().await?;
        let marker = match found {
            Some(found) => found,
            None => {
                let chosen = storage_marker::find(&self.db).await?.map_or(new, |chosen| chosen.marker);
                self.storage.write_marker(&chosen).await?;
                chosen
            }
        };
        let tx = self.db.write().await?;
        storage_marker::update_written(&tx, &marker).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The marker of a storage that the database does not know yet; `None` if the storage may be marked.
    async fn find_marker_or_evidence(&self) -> Result<Option<String>> {
        if let Some(found) = self.storage.read_marker().await? {
            return Ok(Some(found));
        }
        let newest = media::list_newest(&self.db, SAMPLE).await?;
        for media in &newest {
            for key in [Some(media.key), media.previous_key].into_iter().flatten() {
                if self.storage.has_any(key).await? {
                    return Ok(None);
                }
            }
        }
        if newest.is_empty() {
            return Ok(None);
        }
        Err(Error::ForeignStorage(format!(
            "it has none of the newest images; connect the right storage or, if the images are lost, create a file \
             {NAME} with any text in it"
        )))
    }
}
