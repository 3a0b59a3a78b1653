//! Files that come through this server, and files that go into storage directly and are looked at afterwards.

use std::{
    fs,
    io::{self, Read, Seek},
    time::Instant,
};

use blegram_domain::{
    self as domain, AltText, MediaId, MediaKey, UploadId, User, UserId,
    media::{ImageType, Upload},
};
use blegram_persistence::{Tx, media, uploads, users};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future::try_join_all, pin_mut};
use object_store::GetOptions;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::{
    Error, Media, Refusal, Result,
    image::{self, Picture},
    random,
};

/// A file as somebody sent it, in a temporary file without a name, which goes with it.
#[derive(Debug)]
pub struct Source {
    file: fs::File,
    byte_size: u64,
    sha256: [u8; 32],
    announced: Option<ImageType>,
}

impl Source {
    /// Takes a file that comes in pieces and has `max` bytes at most. `announced` is the type that it must have.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] as soon as it is; [`Error::BrokeOff`].
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
        // A piece is as large as a packet; each write is a trip to another thread.
        let mut writer = BufWriter::with_capacity(256 * 1024, file);
        let (mut hash, mut byte_size) = (Sha256::new(), 0);
        pin_mut!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Error::BrokeOff(error.into()))?;
            byte_size += piece.len() as u64;
            if byte_size > max {
                return Err(Refusal::TooLarge(max).into());
            }
            hash.update(&piece);
            writer.write_all(&piece).await.map_err(|error| temporary(&error))?;
        }
        writer.flush().await.map_err(|error| temporary(&error))?;
        let file = writer.into_inner().into_std().await;
        Ok(Self { file, byte_size, sha256: hash.finalize().into(), announced })
    }

    /// What its bytes hash to.
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Its pictures; on a thread for that.
    fn draw(mut self, until: Instant) -> Result<Picture> {
        if self.byte_size == 0 {
            return Err(Refusal::Empty.into());
        }
        if Instant::now() >= until {
            // It waited for that long: not its own fault.
            return Err(Error::Overloaded);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.byte_size).unwrap_or(0));
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut bytes));
        read.map_err(|error| temporary(&error))?;
        let is = image::sniff(&bytes)?;
        self.check_type(is)?;
        Ok(image::draw(&bytes, until)?)
    }

    /// The bytes decide what a file is. A type binds it only where a direct upload fixed it.
    fn check_type(&self, is: ImageType) -> Result<(), Refusal> {
        match self.announced {
            Some(said) if said != is => Err(Refusal::WrongType { is, said: said.as_str() }),
            _ => Ok(()),
        }
    }
}

fn temporary(error: &io::Error) -> Error {
    Error::Unavailable(format!("the temporary folder: {error}").into())
}

fn internal(error: &tokio::task::JoinError) -> Error {
    Error::Internal(error.to_string())
}

/// A file that is to be put into storage directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateUpload {
    /// What it is.
    pub content_type: ImageType,
    /// How many bytes it has: 1 to [`domain::Media::MAX_BYTES`].
    pub byte_size: u64,
    /// What its bytes hash to; `None` checks nothing.
    pub sha256: Option<[u8; 32]>,
}

/// How a file is to be put into storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// What was announced.
    pub upload: Upload,
    /// Where to PUT it.
    pub url: String,
    /// The headers that must come with it, as they are here.
    pub headers: Vec<(&'static str, String)>,
}

/// What came of writing a row.
enum Written {
    /// It is there when this is committed.
    Now(Tx),
    /// Somebody else completed the upload before.
    Before(domain::Media),
}

impl Media {
    /// Takes in a file of `actor`.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::AccountNotFound`]; [`Error::Overloaded`]; [`Error::Unavailable`], and then nothing
    /// was kept.
    pub async fn upload(&self, actor: UserId, source: Source, alt: Option<AltText>) -> Result<domain::Media> {
        let picture = self.draw(source).await?;
        self.keep(actor, picture, alt, None).await
    }

    /// Lets `actor` put a file into storage.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`]; [`Error::TooManyPending`].
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
        // Exclusive, so that two at once cannot both be the last one.
        let account = users::hold(&tx, actor).await?.filter(|account| account.user.is_visible());
        account.ok_or(Error::AccountNotFound)?;
        let pending = uploads::pending(&tx, actor).await?;
        if pending.files >= Upload::MAX_PENDING
            || pending.bytes.saturating_add(input.byte_size) > Upload::MAX_PENDING_BYTES
        {
            let uploads::Pending { files: pending_files, bytes: pending_bytes } = pending;
            return Err(Error::TooManyPending { pending_files, pending_bytes });
        }
        uploads::insert(&tx, &upload).await?;
        tx.commit().await?;
        let (url, headers) = self.signer.put(&upload);
        Ok(Announced { upload, url, headers })
    }

    /// Takes in a file that `actor` put into storage. Again, it is the same image.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when the image was deleted since; [`Error::NotArrived`], [`Error::Expired`];
    /// [`Error::TooManyAtOnce`]; [`Error::Refused`], after which the file may be put again; else as [`Media::upload`].
    pub async fn complete_upload(&self, actor: UserId, id: UploadId) -> Result<domain::Media> {
        let upload = uploads::find(&self.db, id).await?.filter(|upload| upload.owner == actor);
        let upload = upload.ok_or(Error::NotFound)?;
        if let Some(media) = upload.media {
            return media::find(&self.db, media).await?.ok_or(Error::NotFound);
        }
        // Each copies its file to the temporary folder.
        let _permit = self.completions.take(actor)?;
        let taken = match self.fetch(&upload).await {
            Ok(source) => self.draw(source).await,
            Err(Error::NotFound) => return self.not_there(&upload).await,
            Err(error) => Err(error),
        };
        let kept = match taken {
            Ok(picture) => self.keep(actor, picture, None, Some(id)).await,
            Err(error) => Err(error),
        };
        // What is refused would be refused again, and is put again if it is mended.
        if matches!(&kept, Ok(_) | Err(Error::Refused(_)))
            && let Err(error) = self.storage.delete(&Upload::file(id)).await
        {
            // It goes with the row.
            tracing::warn!(error = &error as &dyn std::error::Error, upload = %id, "an upload was not cleared away");
        }
        kept
    }

    /// An upload whose file is not there: it did not arrive, or was completed a moment ago.
    async fn not_there(&self, upload: &Upload) -> Result<domain::Media> {
        self.check_storage().await?;
        let now = self.clock.now();
        let again = uploads::find(&self.db, upload.id).await?.ok_or(Error::NotFound)?;
        match again.media {
            Some(media) => media::find(&self.db, media).await?.ok_or(Error::NotFound),
            None if now < upload.expires_at() => Err(Error::NotArrived),
            None => Err(Error::Expired),
        }
    }

    /// The file of an upload, as it was announced.
    async fn fetch(&self, upload: &Upload) -> Result<Source> {
        let name = Upload::file(upload.id);
        let size = self.storage.size(&name).await?;
        if size != upload.byte_size {
            let is_over = size > upload.byte_size;
            return Err(if is_over { Refusal::TooLarge(upload.byte_size) } else { Refusal::WrongSize }.into());
        }
        let pieces = self.storage.get(&name, GetOptions::default()).await?.into_stream();
        let pieces = pieces.map_err(io::Error::other);
        let source = match Source::read(pieces, upload.byte_size, Some(upload.content_type)).await {
            // Our own storage broke off, not the client.
            Err(Error::BrokeOff(error)) => return Err(Error::Unavailable(error.into())),
            other => other?,
        };
        match upload.sha256 {
            Some(announced) if announced != source.sha256 => Err(Refusal::WrongHash.into()),
            _ => Ok(source),
        }
    }

    async fn draw(&self, source: Source) -> Result<Picture> {
        let until = Instant::now() + self.deadline;
        self.workers.run(move || source.draw(until)).await?
    }

    /// Keeps a picture: its files, then its row.
    async fn keep(
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
            // Nobody but its owner sees it before it is used. What everybody may see then moves.
            key: MediaKey::new(false, actor, u128::from_be_bytes(random())),
            previous_key: None,
            blurhash: picture.blurhash.clone(),
            alt: alt.map(String::from),
            variants: picture.drawn.iter().map(|drawn| drawn.variant).collect(),
            used: None,
            created_at: now,
            version: 0,
        };
        // What is written next to a volume that is not mounted is gone when it is.
        self.check_storage().await?;
        let written = match self.write_files(&media, picture).await {
            Ok(()) => self.write_row(&media, upload).await,
            Err(error) => Err(error),
        };
        match written {
            // Whether it happened is not known of a commit that fails: then the files stay, and a sweep decides.
            Ok(Written::Now(tx)) => tx.commit().await.map(|()| media).map_err(Error::from),
            Ok(Written::Before(before)) => {
                self.discard(media.key).await;
                Ok(before)
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
                "files were left behind; `blegram sweep` finds them"
            );
        }
    }

    async fn write_files(&self, media: &domain::Media, picture: Picture) -> Result<()> {
        try_join_all(picture.drawn.into_iter().map(|drawn| async move {
            let name = media.key.file(drawn.variant.name);
            self.storage.put(&name, drawn.bytes.into(), domain::Media::CONTENT_TYPE).await
        }))
        .await
        .map(drop)
    }

    async fn write_row(&self, media: &domain::Media, upload: Option<UploadId>) -> Result<Written> {
        let tx = self.db.write().await?;
        // Kept, so that its deletion finds this image, or comes first.
        users::keep(&tx, media.owner).await?.filter(User::is_visible).ok_or(Error::AccountNotFound)?;
        if let Some(id) = upload {
            let upload = uploads::hold(&tx, id).await?.ok_or(Error::NotFound)?;
            if let Some(before) = upload.media {
                let before = media::find(&tx, before).await?.ok_or(Error::NotFound)?;
                return Ok(Written::Before(before));
            }
            uploads::update_media(&tx, id, media.id).await?;
        }
        media::insert(&tx, media).await?;
        Ok(Written::Now(tx))
    }
}
