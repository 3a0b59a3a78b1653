//! Where files are: a folder, an S3 bucket, or memory.

use std::{path::PathBuf, sync::Arc};

use blegram_domain::{MediaKey, media::VariantName};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream::BoxStream};
use object_store::{
    Attribute, Attributes, GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions,
    local::LocalFileSystem, memory::InMemory, path::Path,
};

use crate::{Error, Result};

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
pub struct Storage(Arc<dyn ObjectStore>);

impl Storage {
    /// Opens what is there, or makes it.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn open(location: &Location) -> Result<Self> {
        Ok(Self(match location {
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
        }))
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        match self.0.head(&Path::from("incoming/none")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn put(&self, name: &str, bytes: Bytes, content_type: &'static str) -> Result<()> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, content_type.into());
        // For whoever fetches it from a bucket or a cache in front of it. Names are never used again.
        attributes.insert(Attribute::CacheControl, "public, max-age=31536000, immutable".into());
        let path = Path::from(name);
        let options = PutOptions { attributes, ..PutOptions::default() };
        match self.0.put_opts(&path, bytes.clone().into(), options).await {
            // A folder keeps no attributes.
            Err(object_store::Error::NotImplemented { .. }) => {
                self.0.put(&path, bytes.into()).await?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    pub(crate) async fn get(&self, name: &str, options: GetOptions) -> Result<GetResult> {
        Ok(self.0.get_opts(&Path::from(name), options).await?)
    }

    /// How many bytes a file has.
    pub(crate) async fn size(&self, name: &str) -> Result<u64> {
        Ok(self.0.head(&Path::from(name)).await?.size)
    }

    /// Removes a file; one that is not there is removed, too.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.0.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes all files of a key.
    pub(crate) async fn delete_all(&self, key: MediaKey) -> Result<()> {
        try_join_all(VariantName::ALL.iter().map(|name| async move { self.delete(&key.file(*name)).await }))
            .await?;
        Ok(())
    }

    /// Copies all files of a key.
    pub(crate) async fn copy_all(&self, from: MediaKey, to: MediaKey) -> Result<()> {
        let copy = |name: &VariantName| {
            let (from, to) = (Path::from(from.file(*name)), Path::from(to.file(*name)));
            async move { self.0.copy(&from, &to).await }
        };
        try_join_all(VariantName::ALL.iter().map(copy)).await?;
        Ok(())
    }

    /// Files whose names begin with the folder `prefix`, or all.
    pub(crate) fn list(&self, prefix: Option<&str>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map(Path::from);
        self.0.list(prefix.as_ref()).map_err(Error::from).boxed()
    }

    /// Removes up to `max` files whose names begin with the folder `prefix`; says whether there may be more.
    pub(crate) async fn delete_below(&self, prefix: &str, max: usize) -> Result<bool> {
        let found: Vec<ObjectMeta> = self.list(Some(prefix)).take(max).try_collect().await?;
        for file in &found {
            self.delete(file.location.as_ref()).await?;
        }
        Ok(found.len() == max)
    }

    /// Takes a file that comes in pieces; nothing is there before all of it is.
    pub(crate) async fn put_stream(
        &self,
        name: &str,
        mut pieces: BoxStream<'_, Result<Bytes>>,
    ) -> Result<()> {
        let mut writer = self.0.put_multipart(&Path::from(name)).await?;
        let mut part = Vec::with_capacity(PART_BYTES);
        let written = async {
            while let Some(piece) = pieces.try_next().await? {
                part.extend_from_slice(&piece);
                if part.len() >= PART_BYTES {
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
}

/// The smallest part that S3 takes but for the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// For this user only: whoever reads the folder needs no links.
fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
