//! Uploads through this server, and direct uploads to storage, which are validated on completion.

use std::{
    fs,
    io::{self, Read, Seek},
    sync::Arc,
    time::Instant,
};

use blegram_cpu_pool::{CpuPool, Work};
use blegram_domain::{
    self as domain, AltText, MediaId, MediaKey, UploadId, User, UserId,
    media::{ImageType, Upload},
};
use blegram_limits::{Demand, Policy, Subject};
use blegram_persistence::{Tx, media, media_usage, uploads, users};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future::try_join_all, pin_mut};
use object_store::GetOptions;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::{
    Error, ImageRejection, Media, Result,
    image::{self, Picture},
    metrics::UploadOutcome,
    random,
};

/// An uploaded file, stored in an unnamed temporary file that is deleted on drop.
#[derive(Debug)]
pub struct Source {
    file: fs::File,
    byte_size: u64,
    sha256: [u8; 32],
    announced: Option<ImageType>,
}

impl Source {
    /// Reads a file of at most `max` bytes from a stream. `announced` is the type that it must have.
    ///
    /// # Errors
    /// [`ImageRejection::TooLarge`] as soon as the limit is exceeded; [`Error::Interrupted`].
    pub async fn read<E>(
        pieces: impl Stream<Item = Result<Bytes, E>> + Send,
        max: u64,
        announced: Option<ImageType>,
    ) -> Result<Self>
    where
        E: Into<io::Error>,
    {
        let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(|error| internal(&error))?;
        let file = tokio::fs::File::from_std(file.map_err(|error| temporary(&error))?);
        // A piece is the size of a packet, and each write is a switch to another thread.
        let mut writer = BufWriter::with_capacity(256 * 1024, file);
        let (mut hash, mut byte_size) = (Sha256::new(), 0);
        pin_mut!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Error::Interrupted(error.into()))?;
            byte_size += piece.len() as u64;
            if byte_size > max {
                return Err(ImageRejection::TooLarge(max).into());
            }
            hash.update(&piece);
            writer.write_all(&piece).await.map_err(|error| temporary(&error))?;
        }
        writer.flush().await.map_err(|error| temporary(&error))?;
        let file = writer.into_inner().into_std().await;
        Ok(Self { file, byte_size, sha256: hash.finalize().into(), announced })
    }

    /// The SHA-256 hash of the bytes.
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Finds out whether the file is cheap to process; blocking.
    fn weigh(mut self) -> Result<(Self, bool)> {
        let is_light = self.byte_size <= image::LIGHT_BYTES && image::is_light(&self.read_whole()?);
        Ok((self, is_light))
    }

    fn read_whole(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.byte_size).unwrap_or(0));
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut bytes));
        read.map_err(|error| temporary(&error))?;
        Ok(bytes)
    }

    /// Decodes the file and encodes its variants; blocking, for a worker thread.
    fn render(mut self, until: Instant) -> Result<Picture> {
        if self.byte_size == 0 {
            return Err(ImageRejection::Empty.into());
        }
        if Instant::now() >= until {
            // It waited in the queue until its deadline: not the file's fault.
            return Err(Error::Overloaded);
        }
        let bytes = self.read_whole()?;
        let is = image::sniff(&bytes)?;
        self.check_type(is)?;
        Ok(image::render(&bytes, until)?)
    }

    /// The bytes decide the type of a file. A declared type is binding only for a direct upload.
    fn check_type(&self, is: ImageType) -> Result<(), ImageRejection> {
        match self.announced {
            Some(declared) if declared != is => {
                Err(ImageRejection::WrongType { is, declared: declared.as_str() })
            }
            _ => Ok(()),
        }
    }
}

fn temporary(error: &io::Error) -> Error {
    Error::Unavailable(format!("temporary folder: {error}").into())
}

fn internal(error: &tokio::task::JoinError) -> Error {
    Error::Internal(error.to_string())
}

/// A direct upload to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateUpload {
    /// The type of the file.
    pub content_type: ImageType,
    /// The size in bytes: 1 to [`domain::Media::MAX_BYTES`].
    pub byte_size: u64,
    /// The SHA-256 hash; `None` skips the check.
    pub sha256: Option<[u8; 32]>,
}

/// How to send the file of a direct upload to storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The announced upload.
    pub upload: Upload,
    /// The URL for the PUT request.
    pub url: String,
    /// The headers that the request must contain, unchanged.
    pub headers: Vec<(&'static str, String)>,
}

/// The result of inserting the row of an image.
enum Written {
    /// Inserted; to be committed.
    Inserted(Tx),
    /// A concurrent request completed the upload before.
    Existing(domain::Media),
}

impl Media {
    /// Stores an uploaded file as an image of `actor`.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::QuotaExceeded`]; [`Error::AccountNotFound`]; [`Error::Overloaded`];
    /// [`Error::Unavailable`], in which case nothing was stored.
    pub async fn upload(&self, actor: UserId, source: Source, alt: Option<AltText>) -> Result<domain::Media> {
        let upload = async {
            self.check_room(actor).await?;
            let picture = self.render(actor, source).await?;
            self.store_image(actor, picture, alt, None).await
        };
        let result = upload.await;
        self.metrics.record_upload(UploadOutcome::of(&result));
        result
    }

    /// Announces a direct upload by `actor`.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`]; [`Error::QuotaExceeded`].
    pub async fn create_upload(&self, actor: UserId, input: CreateUpload) -> Result<Announced> {
        let now = self.clock.now();
        let upload = Upload {
            id: UploadId::generate(now),
            owner: actor,
            content_type: input.content_type,
            byte_size: input.byte_size,
            sha256: input.sha256,
            created_at: now,
            media: None,
        };
        let tx = self.db.write().await?;
        users::lock_shared(&tx, actor).await?.filter(User::is_visible).ok_or(Error::AccountNotFound)?;
        // Before the upload is inserted, so that two concurrent requests cannot both take the last place.
        media_usage::lock(&tx, actor).await?;
        uploads::insert(&tx, &upload).await?;
        self.check_quota(&tx, actor, upload.amount()).await?;
        tx.commit().await?;
        let (url, headers) = self.signer.put(&upload);
        Ok(Announced { upload, url, headers })
    }

    /// Stores a file that `actor` uploaded directly as an image. Repeated calls return the same image.
    ///
    /// # Errors
    /// [`Error::NotFound`], also if the image was deleted since; [`Error::NotArrived`], [`Error::Expired`];
    /// [`Error::TooManyAtOnce`]; [`Error::QuotaExceeded`], after which the client may try again when there is room;
    /// [`Error::Refused`], after which the client may send the file again; otherwise like
    /// [`Media::upload`].
    pub async fn complete_upload(&self, actor: UserId, id: UploadId) -> Result<domain::Media> {
        let upload = uploads::find(&self.db, id).await?.filter(|upload| upload.owner == actor);
        let upload = upload.ok_or(Error::NotFound)?;
        if let Some(media) = upload.media {
            return media::find(&self.db, media).await?.ok_or(Error::NotFound);
        }
        // Each completion copies its file to the temporary folder.
        let _permit = self.completions.take_for_user(actor)?;
        let rendered = match self.fetch(&upload).await {
            Ok(source) => self.render(actor, source).await,
            Err(Error::NotFound) => return self.handle_missing_file(&upload).await,
            Err(error) => Err(error),
        };
        let result = match rendered {
            Ok(picture) => self.store_image(actor, picture, None, Some(id)).await,
            Err(error) => Err(error),
        };
        self.metrics.record_upload(UploadOutcome::of(&result));
        // A rejected file would be rejected again; the client sends a corrected one instead.
        if matches!(&result, Ok(_) | Err(Error::Refused(_)))
            && let Err(error) = self.storage.delete(&Upload::file(id)).await
        {
            // It is deleted with the row later.
            tracing::warn!(error = &error as &dyn std::error::Error, upload = %id, "an uploaded file was not deleted");
        }
        result
    }

    /// Handles an upload without a file: it has not arrived, or was completed in this moment.
    async fn handle_missing_file(&self, upload: &Upload) -> Result<domain::Media> {
        self.check_storage().await?;
        let now = self.clock.now();
        let again = uploads::find(&self.db, upload.id).await?.ok_or(Error::NotFound)?;
        match again.media {
            Some(media) => media::find(&self.db, media).await?.ok_or(Error::NotFound),
            None if now < upload.expires_at() => Err(Error::NotArrived),
            None => Err(Error::Expired),
        }
    }

    /// Reads the file of an upload, and checks it against the announcement.
    async fn fetch(&self, upload: &Upload) -> Result<Source> {
        let name = Upload::file(upload.id);
        let size = self.storage.size(&name).await?;
        if size != upload.byte_size {
            let is_over = size > upload.byte_size;
            return Err(if is_over {
                ImageRejection::TooLarge(upload.byte_size)
            } else {
                ImageRejection::WrongSize
            }
            .into());
        }
        let pieces = self.storage.get(&name, GetOptions::default()).await?.into_stream();
        let pieces = pieces.map_err(io::Error::other);
        let source = match Source::read(pieces, upload.byte_size, Some(upload.content_type)).await {
            // The connection to our own storage broke, not the client's.
            Err(Error::Interrupted(error)) => return Err(Error::Unavailable(error.into())),
            other => other?,
        };
        match upload.sha256 {
            Some(announced) if announced != source.sha256 => Err(ImageRejection::WrongHash.into()),
            _ => Ok(source),
        }
    }

    /// Decodes and encodes an image of `owner`.
    async fn render(&self, owner: UserId, source: Source) -> Result<Picture> {
        self.limiter.peek(&Demand::new(Policy::ImageWork, Subject::User(owner))).await?;
        let (source, is_light) =
            tokio::task::spawn_blocking(move || source.weigh()).await.map_err(|error| internal(&error))??;
        let pool = if is_light { &self.light_pool } else { &self.cpu_pool };
        self.render_on(pool, owner, source).await
    }

    /// Decodes and encodes an image of `owner` on a thread of `pool`, within the deadline.
    async fn render_on(&self, pool: &CpuPool<UserId>, owner: UserId, source: Source) -> Result<Picture> {
        let demand = Demand::new(Policy::ImageWork, Subject::User(owner));
        let (until, limiter) = (Instant::now() + self.deadline, Arc::clone(&self.limiter));
        // The work is charged by the thread that did it, also if the client has hung up meanwhile.
        let run = move || {
            let started = Instant::now();
            let picture = source.render(until);
            let millis = started.elapsed().as_micros().div_ceil(1_000);
            limiter.charge(&demand.costing(u32::try_from(millis).unwrap_or(u32::MAX)));
            picture
        };
        let picture = pool.run(Work::of(owner), run).await??;
        self.metrics.decoding.record(picture.decoding);
        self.metrics.encoding.record(picture.encoding);
        Ok(picture)
    }

    /// Stores an image: its files, then its row.
    async fn store_image(
        &self,
        actor: UserId,
        picture: Picture,
        alt: Option<AltText>,
        upload: Option<UploadId>,
    ) -> Result<domain::Media> {
        let now = self.clock.now();
        users::find(&self.db, actor).await?.filter(User::is_visible).ok_or(Error::AccountNotFound)?;
        let media = domain::Media {
            id: MediaId::generate(now),
            owner: actor,
            // Only the owner sees an unused image. If it becomes public, its files move.
            key: MediaKey::new(false, actor, u128::from_be_bytes(random())),
            previous_key: None,
            blurhash: picture.blurhash.clone(),
            alt: alt.map(String::from),
            variants: picture.renditions.iter().map(|rendition| rendition.variant).collect(),
            used: None,
            created_at: now,
            version: 0,
        };
        // Files written into the mount point of an unmounted volume disappear when it is mounted.
        self.check_storage().await?;
        let written = match self.write_files(&media, picture).await {
            Ok(()) => self.write_row(&media, upload).await,
            Err(error) => Err(error),
        };
        match written {
            // The outcome of a failed commit is unknown: the files stay, and a sweep decides.
            Ok(Written::Inserted(tx)) => tx.commit().await.map(|()| media).map_err(Error::from),
            Ok(Written::Existing(existing)) => {
                self.discard(media.key).await;
                Ok(existing)
            }
            Err(error) => {
                self.discard(media.key).await;
                Err(error)
            }
        }
    }

    async fn discard(&self, key: MediaKey) {
        if let Err(error) = self.storage.delete_all(key).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                %key,
                "orphaned files remain; `blegram sweep` finds them"
            );
        }
    }

    async fn write_files(&self, media: &domain::Media, picture: Picture) -> Result<()> {
        let started = Instant::now();
        let written = try_join_all(picture.renditions.into_iter().map(|rendition| async move {
            let name = media.key.file(rendition.variant.name);
            self.storage.put(&name, rendition.bytes.into(), domain::Media::CONTENT_TYPE).await
        }))
        .await;
        self.metrics.storing.record(started.elapsed());
        written.map(drop)
    }

    async fn write_row(&self, media: &domain::Media, upload: Option<UploadId>) -> Result<Written> {
        let tx = self.db.write().await?;
        // A shared lock on the account, so that its deletion either finds this image or comes first.
        users::lock_shared(&tx, media.owner).await?.filter(User::is_visible).ok_or(Error::AccountNotFound)?;
        if let Some(id) = upload {
            let upload = uploads::lock(&tx, id).await?.ok_or(Error::NotFound)?;
            if let Some(existing) = upload.media {
                let existing = media::find(&tx, existing).await?.ok_or(Error::NotFound)?;
                tx.commit().await?;
                return Ok(Written::Existing(existing));
            }
            uploads::update_media(&tx, id, media.id).await?;
        }
        media::insert(&tx, media).await?;
        self.check_quota(&tx, media.owner, media.amount()).await?;
        Ok(Written::Inserted(tx))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use blegram_domain::{Clock, FixedClock, Timestamp};
    use blegram_limits::{Limiter, Quota, Quotas};
    use blegram_persistence::testing::{Backend, TestDatabase};
    use futures_util::FutureExt;

    use super::*;
    use crate::{Config, testing::photo};

    /// Otherwise hanging up would make the work free.
    #[tokio::test]
    async fn work_is_charged_if_the_client_hangs_up() {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let quotas = Quotas { image_work_per_user: Quota::new(1, 3_600), ..Quotas::default() };
        let limiter = Arc::new(Limiter::new(quotas, Arc::clone(&clock) as Arc<dyn Clock>));
        let media = Media::new(database.db().clone(), Arc::clone(&clock) as _, Config::default())
            .unwrap()
            .with_limiter(Arc::clone(&limiter));
        let owner = UserId::generate(clock.now());
        let file = Bytes::from(photo(64, 48));
        let pieces = futures_util::stream::iter([Ok::<_, io::Error>(file)]);
        let source = Source::read(pieces, domain::Media::MAX_BYTES, None).await.unwrap();
        // The first poll puts the work into the queue; the dropped future is a client that hangs up.
        let _ = media.render_on(&media.light_pool, owner, source).now_or_never();
        let demand = Demand::new(Policy::ImageWork, Subject::User(owner));
        let charged = async {
            while limiter.peek(&demand).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), charged).await.unwrap();
    }
}
