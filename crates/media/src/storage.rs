//! Where files are: a folder, an S3 bucket, or memory.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use blegram_domain::{MediaKey, Timestamp, media::VariantName};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    future::{join_all, try_join_all},
    stream::BoxStream,
};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutOptions, local::LocalFileSystem, memory::InMemory, path::Path,
};

use crate::{Error, Result, marker};

/// Where to keep files.
#[derive(Debug, Clone)]
pub enum Location {
    /// In a folder of this machine; made when missing.
    Folder(PathBuf),
    /// In an S3 bucket.
    #[cfg(feature = "s3")]
    S3(Box<crate::S3>),
    /// In this process, as long as it lives: for tests.
    Memory,
    /// Wherever `object_store` reaches; links to it lead through this server.
    Other(Arc<dyn ObjectStore>),
}

/// Files by name; cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// Where files are, if in a folder.
    folder: Option<PathBuf>,
    /// Whether it is in this process.
    is_memory: bool,
}

impl Storage {
    /// Opens what is there, or makes it.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn open(location: &Location) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = match location {
            Location::Folder(folder) => {
                let refused = |error: &dyn std::fmt::Display| {
                    Error::Configuration(format!(
                        "the folder of images {}: {error}; it must be one that this user can write to",
                        folder.display()
                    ))
                };
                make_private(folder).map_err(|error| refused(&error))?;
                let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| refused(&error))?;
                // What a client was told to be there is there after a power cut.
                Arc::new(files.with_fsync(true).with_automatic_cleanup(true))
            }
            #[cfg(feature = "s3")]
            Location::S3(s3) => s3.store()?,
            Location::Memory => Arc::new(InMemory::new()),
            Location::Other(store) => Arc::clone(store),
        };
        let folder = match location {
            Location::Folder(folder) => Some(folder.clone()),
            _ => None,
        };
        Ok(Self { store, folder, is_memory: matches!(location, Location::Memory) })
    }

    /// Asks for a sign of life, whichever storage it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        self.read_marker().await.map(drop)
    }

    pub(crate) const fn outlives_process(&self) -> bool {
        !self.is_memory
    }

    /// What the storage says of itself, if it does.
    pub(crate) async fn read_marker(&self) -> Result<Option<String>> {
        // Enough for every marker that is one.
        let options = GetOptions { range: Some(GetRange::Bounded(0..256)), ..GetOptions::default() };
        let bytes = match self.store.get_opts(&Path::from(marker::NAME), options).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok((!text.is_empty()).then_some(text))
    }

    pub(crate) async fn write_marker(&self, text: &str) -> Result<()> {
        let line = format!("{text}\n");
        self.store.put(&Path::from(marker::NAME), line.into_bytes().into()).await?;
        Ok(())
    }

    pub(crate) async fn put(&self, name: &str, bytes: Bytes, content_type: &'static str) -> Result<()> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type.into());
        // For whoever fetches it from a bucket or a cache in front of it. Names are never used again.
        attributes.insert(Attribute::CacheControl, "public, max-age=31536000, immutable".into());
        let path = Path::from(name);
        let options = PutOptions { attributes, ..PutOptions::default() };
        match self.store.put_opts(&path, bytes.clone().into(), options).await {
            // A folder keeps no attributes.
            Err(object_store::Error::NotImplemented { .. }) => {
                self.store.put(&path, bytes.into()).await?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    pub(crate) async fn get(&self, name: &str, options: GetOptions) -> Result<GetResult> {
        Ok(self.store.get_opts(&Path::from(name), options).await?)
    }

    /// How many bytes a file has.
    pub(crate) async fn size(&self, name: &str) -> Result<u64> {
        Ok(self.store.head(&Path::from(name)).await?.size)
    }

    /// Removes a file; says whether it was there, as far as the storage says.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool> {
        match self.store.delete(&Path::from(name)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes all files of a key; says whether all were there.
    pub(crate) async fn delete_all(&self, key: MediaKey) -> Result<bool> {
        let names: Vec<String> = VariantName::ALL.iter().map(|name| key.file(*name)).collect();
        let deletions: Vec<_> = names.iter().map(|name| self.delete(name)).collect();
        let were_there = try_join_all(deletions).await?;
        Ok(were_there.into_iter().all(|was_there| was_there))
    }

    /// Whether any file of a key is there.
    pub(crate) async fn has_any(&self, key: MediaKey) -> Result<bool> {
        for name in VariantName::ALL {
            if self.exists(&key.file(*name)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a file is there, as far as the storage says.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool> {
        match self.size(name).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the files of a key that are there, each for itself; says which are not.
    pub(crate) async fn copy_all(&self, from: MediaKey, to: MediaKey) -> Result<Vec<VariantName>> {
        let copy = |name: VariantName| {
            let (from, to) = (Path::from(from.file(name)), Path::from(to.file(name)));
            async move {
                match self.store.copy(&from, &to).await {
                    Ok(()) => Ok(None),
                    Err(object_store::Error::NotFound { .. }) => Ok(Some(name)),
                    Err(error) => Err(Error::from(error)),
                }
            }
        };
        let missing: Result<Vec<_>> =
            join_all(VariantName::ALL.iter().copied().map(copy)).await.into_iter().collect();
        Ok(missing?.into_iter().flatten().collect())
    }

    /// Files whose names begin with the folder `prefix`, or all.
    pub(crate) fn list(&self, prefix: Option<&str>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map(Path::from);
        self.store.list(prefix.as_ref()).map_err(Error::from).boxed()
    }

    /// Removes up to `max` files whose names begin with the folder `prefix`; says whether there may be more.
    pub(crate) async fn delete_below(&self, prefix: &str, max: usize) -> Result<bool> {
        let found: Vec<ObjectMeta> = self.list(Some(prefix)).take(max).try_collect().await?;
        for file in &found {
            self.delete(file.location.as_ref()).await?;
        }
        Ok(found.len() == max)
    }

    /// Takes a file that comes in pieces; nothing is there before all of it is. What it holds in memory is one part, which
    /// for a folder is small however slowly the pieces come.
    pub(crate) async fn put_stream(
        &self,
        name: &str,
        mut pieces: BoxStream<'_, Result<Bytes>>,
    ) -> Result<()> {
        let part_bytes = if self.folder.is_some() { FOLDER_PART_BYTES } else { PART_BYTES };
        let mut writer = self.store.put_multipart(&Path::from(name)).await?;
        let mut part = Vec::new();
        let written = async {
            while let Some(piece) = pieces.try_next().await? {
                part.extend_from_slice(&piece);
                if part.len() >= part_bytes {
                    writer.put_part(std::mem::take(&mut part).into()).await?;
                }
            }
            writer.put_part(std::mem::take(&mut part).into()).await?;
            Ok(())
        }
        .await;
        match written {
            Ok(()) => {
                writer.complete().await?;
                Ok(())
            }
            Err(error) => {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a broken upload was not cleared away"
                    );
                }
                Err(error)
            }
        }
    }

    /// Finds files in the folder below `prefix` that were being written when the process was killed, and were last written
    /// to before `before`; removes them, if `remove`. The store writes under a name of its own and hides such files.
    pub(crate) async fn remove_partial(
        &self,
        prefix: Option<&str>,
        before: Timestamp,
        remove: bool,
    ) -> Result<Vec<String>> {
        let Some(root) = self.folder.clone() else { return Ok(Vec::new()) };
        let top = prefix.map_or_else(|| root.clone(), |prefix| root.join(prefix));
        let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before.as_micros()).unwrap_or(0));
        let find = move || {
            let mut found = Vec::new();
            find_partial(&top, before, &mut found)?;
            for file in found.iter().filter(|_| remove) {
                gone_is_fine(std::fs::remove_file(file))?;
            }
            let name = |file: PathBuf| file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            Ok(found.into_iter().map(name).collect())
        };
        let found = tokio::task::spawn_blocking(find).await;
        found
            .map_err(|error| Error::Internal(error.to_string()))?
            .map_err(|error: io::Error| Error::Unavailable(error.into()))
    }
}

fn find_partial(folder: &std::path::Path, before: SystemTime, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_partial(&entry.path(), before, found)?;
        } else if is_partial(&entry.file_name().to_string_lossy()) {
            let is_old = match entry.metadata().and_then(|metadata| metadata.modified()) {
                Ok(modified) => modified < before,
                // It was completed, or given up, in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if is_old {
                found.push(entry.path());
            }
        }
    }
    Ok(())
}

/// As [`LocalFileSystem`] calls what it has not finished: the name, `#`, and a number.
fn is_partial(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The smallest part that S3 takes but for the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// A folder takes any; each is a trip to another thread.
const FOLDER_PART_BYTES: usize = 128 * 1024;

/// For this user only: whoever reads the folder needs no links.
fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
