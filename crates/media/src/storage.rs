//! File storage: a folder, an S3 bucket, or memory.

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

/// Where to store files.
#[derive(Debug, Clone)]
pub enum Location {
    /// A folder on this machine; created if missing.
    Folder(PathBuf),
    /// An S3 bucket.
    #[cfg(feature = "s3")]
    S3(Box<crate::S3>),
    /// The memory of this process: for tests.
    Memory,
    /// Any other `object_store` backend; clients reach its files through this server.
    Other(Arc<dyn ObjectStore>),
}

/// Stores files by name; cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The folder, if files are stored in one.
    folder: Option<PathBuf>,
    /// Whether files are stored in this process's memory.
    is_memory: bool,
}

impl Storage {
    /// Opens the storage, or creates it.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn open(location: &Location) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = match location {
            Location::Folder(folder) => {
                let folder_error = |error: &dyn std::fmt::Display| {
                    Error::Configuration(format!(
                        "image folder {}: {error}; the server's user must be able to write to it",
                        folder.display()
                    ))
                };
                make_private(folder).map_err(|error| folder_error(&error))?;
                let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| folder_error(&error))?;
                // Files survive a power failure once the client has received a success response.
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

    /// Checks that the storage responds.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        self.read_marker().await.map(drop)
    }

    pub(crate) const fn outlives_process(&self) -> bool {
        !self.is_memory
    }

    /// The text of the storage's marker file, if it has one.
    pub(crate) async fn read_marker(&self) -> Result<Option<String>> {
        // More than enough for any valid marker.
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
        // For clients that fetch the file from a bucket, or from a cache in front of it. Names are never reused.
        attributes.insert(Attribute::CacheControl, "public, max-age=31536000, immutable".into());
        let path = Path::from(name);
        let options = PutOptions { attributes, ..PutOptions::default() };
        match self.store.put_opts(&path, bytes.clone().into(), options).await {
            // A folder does not support attributes.
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

    /// The size of a file in bytes.
    pub(crate) async fn size(&self, name: &str) -> Result<u64> {
        Ok(self.store.head(&Path::from(name)).await?.size)
    }

    /// Deletes a file; returns whether it existed, as far as the storage reports it.
    pub(crate) async fn delete(&self, name: &str) -> Result<bool> {
        match self.store.delete(&Path::from(name)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes all files of a key; returns whether all existed.
    pub(crate) async fn delete_all(&self, key: MediaKey) -> Result<bool> {
        let names: Vec<String> = VariantName::ALL.iter().map(|name| key.file(*name)).collect();
        let deletions: Vec<_> = names.iter().map(|name| self.delete(name)).collect();
        let existed = try_join_all(deletions).await?;
        Ok(existed.into_iter().all(|existed| existed))
    }

    /// Whether any file of a key exists.
    pub(crate) async fn has_any(&self, key: MediaKey) -> Result<bool> {
        for name in VariantName::ALL {
            if self.exists(&key.file(*name)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a file exists, as far as the storage reports it.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool> {
        match self.size(name).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the existing files of a key, each independently; returns those that are missing.
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

    /// Lists the files below the folder `prefix`, or all files.
    pub(crate) fn list(&self, prefix: Option<&str>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map(Path::from);
        self.store.list(prefix.as_ref()).map_err(Error::from).boxed()
    }

    /// Deletes up to `max` files below the folder `prefix`; returns whether there may be more.
    pub(crate) async fn delete_below(&self, prefix: &str, max: usize) -> Result<bool> {
        let found: Vec<ObjectMeta> = self.list(Some(prefix)).take(max).try_collect().await?;
        for file in &found {
            self.delete(file.location.as_ref()).await?;
        }
        Ok(found.len() == max)
    }

    /// Stores a file that arrives in pieces; it does not exist before it is complete. At most one part is held in
    /// memory, which is small for a folder however slowly the pieces arrive.
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
                        "a failed upload was not cleaned up"
                    );
                }
                Err(error)
            }
        }
    }

    /// Finds unfinished files below `prefix` that a killed process left in the folder and that were last modified
    /// before `before`; removes them if `remove` is set. The store writes under a temporary name and does not list such
    /// files.
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
                ignore_not_found(std::fs::remove_file(file))?;
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
                // The file was completed or aborted in this moment.
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

/// The temporary names of [`LocalFileSystem`]: the name, `#`, and a number.
fn is_partial(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn ignore_not_found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The smallest part that S3 accepts, except for the last one.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// A folder accepts any part size; each part is a switch to another thread.
const FOLDER_PART_BYTES: usize = 128 * 1024;

/// Accessible to this user only: read access to the folder bypasses the links.
fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
