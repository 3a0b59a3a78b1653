//! Finds orphaned files and images without files. Jobs leave neither; crashes at the wrong moment, restored backups and
//! people with access to the storage do.

use std::{collections::HashSet, time::Duration};

use blegram_domain::{
    self as domain, MediaId, MediaKey, Timestamp, UploadId,
    media::{Upload, VariantName},
};
use blegram_persistence::{media, uploads};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;

use crate::{Error, Media, Result, marker};

/// The result of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Number of files checked.
    pub files: u64,
    /// Files without an image or upload, and unfinished files left by a crash.
    pub orphans: Vec<String>,
    /// Files with foreign names; never removed.
    pub foreign: Vec<String>,
    /// Number of images checked.
    pub images: u64,
    /// Images with at least one missing file.
    pub missing: Vec<MediaId>,
}

/// The age from which a file can be an orphan: the row of a newer file may not be written yet.
pub(crate) const GRACE: Duration = Duration::from_secs(60 * 60);

/// The number of items checked at a time.
const BATCH: usize = 500;

/// The number of concurrent storage requests.
const AT_ONCE: usize = 8;

impl Media {
    /// Checks all files and all images. Removes orphaned files if `remove` is set; only reports everything else, which
    /// needs a human decision.
    pub async fn sweep(&self, remove: bool) -> Result<Swept> {
        self.check_storage().await?;
        let mut swept = Swept::default();
        let mut files = self.storage.list(None).try_chunks(BATCH);
        while let Some(chunk) = files.next().await {
            let mut chunk = chunk.map_err(|error| error.1)?;
            chunk.retain(|file| file.location.as_ref() != marker::NAME);
            self.sweep_files(chunk, remove, &mut swept).await?;
        }
        let partial = self.storage.remove_partial(None, self.clock.now() - GRACE, remove).await?;
        swept.files += partial.len() as u64;
        swept.orphans.extend(partial);
        let mut after = None;
        loop {
            let images = media::list_after(&self.db, after, BATCH as u64).await?;
            let Some(last) = images.last() else { break };
            after = Some(last.id);
            swept.images += images.len() as u64;
            swept.missing.extend(self.without_files(&images).await?);
        }
        Ok(swept)
    }

    async fn sweep_files(&self, files: Vec<ObjectMeta>, remove: bool, swept: &mut Swept) -> Result<()> {
        swept.files += files.len() as u64;
        let settled = self.clock.now() - GRACE;
        let old = files.into_iter().filter(|file| modified(file).is_none_or(|at| at < settled));
        let names: Vec<String> = old.map(|file| file.location.to_string()).collect();
        let keys: Vec<MediaKey> =
            names.iter().filter_map(|name| key(name)).collect::<HashSet<_>>().into_iter().collect();
        let known = media::list_known(&self.db, &keys).await?;
        let ids: Vec<UploadId> = names.iter().filter_map(|name| upload(name)).collect();
        let expected: HashSet<UploadId> = uploads::list_known(&self.db, &ids).await?.into_iter().collect();
        for name in names {
            let is_orphan = match (key(&name), upload(&name)) {
                (Some(key), _) => !known.contains(&key),
                (_, Some(id)) => !expected.contains(&id),
                (None, None) => {
                    swept.foreign.push(name);
                    continue;
                }
            };
            if is_orphan {
                if remove {
                    self.storage.delete(&name).await?;
                }
                swept.orphans.push(name);
            }
        }
        Ok(())
    }

    async fn without_files(&self, images: &[domain::Media]) -> Result<Vec<MediaId>> {
        let check = |media: domain::Media| async move {
            for name in VariantName::ALL {
                match self.storage.size(&media.key.file(*name)).await {
                    Ok(_) => {}
                    Err(Error::NotFound) => return Ok(Some(media.id)),
                    Err(error) => return Err(error),
                }
            }
            Ok(None)
        };
        // The image may have moved, or been deleted, since its row was read.
        let missing: Vec<Option<MediaId>> =
            stream::iter(images.to_vec()).map(check).buffered(AT_ONCE).try_collect().await?;
        let missing: Vec<MediaId> = missing.into_iter().flatten().collect();
        if !missing.is_empty() {
            self.check_storage().await?;
        }
        let now = media::list_by_ids(&self.db, &missing).await?;
        let is_same = |id: &MediaId| {
            let before = images.iter().find(|media| media.id == *id);
            now.get(id).is_some_and(|now| before.is_some_and(|before| before.key == now.key))
        };
        Ok(missing.into_iter().filter(is_same).collect())
    }
}

fn key(name: &str) -> Option<MediaKey> {
    MediaKey::parse_file(name).map(|(key, _)| key)
}

fn upload(name: &str) -> Option<UploadId> {
    name.strip_prefix(Upload::PREFIX)?.parse().ok()
}

fn modified(file: &ObjectMeta) -> Option<Timestamp> {
    Timestamp::from_micros(file.last_modified.timestamp_micros())
}
