//! Serves files, and receives direct uploads that go through this server.

use std::{ops::Range, pin::Pin, time::Duration};

use blegram_domain::{
    MediaKey, Timestamp, UploadId,
    media::{ImageType, Upload},
};
use blegram_persistence::uploads;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{GetOptions, GetRange};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::{Error, ImageRejection, Media, Result, links::Proof};

/// A requested byte range of a file (RFC 9110, 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From one byte to another, inclusive; `None` means up to the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Last(u64),
}

impl Part {
    /// The range in a file of `size` bytes; `None` if it is empty.
    fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => first..last.map_or(size, |last| last.saturating_add(1)).min(size),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// A file to serve.
pub struct File {
    /// The entity tag. It is unique for all time, because file names are never reused.
    pub tag: String,
    /// Whether shared caches may store it permanently.
    pub is_public: bool,
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The range of bytes in `body`.
    pub range: Range<u64>,
    /// The bytes.
    pub body: BoxStream<'static, std::io::Result<Bytes>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").finish_non_exhaustive()
    }
}

impl Media {
    /// The tag of the file `name`, and whether it is public, if `proof` gives access to it. Does not access the
    /// storage.
    ///
    /// # Errors
    /// [`Error::NotFound`] if `name` is not the name of an image file, if it is private and there is no valid link, and
    /// if the link is invalid, for any file.
    pub fn find_file(&self, name: &str, proof: Option<&Proof>) -> Result<(String, bool)> {
        let (key, variant) = MediaKey::parse_file(name).ok_or(Error::NotFound)?;
        let is_accessible = match proof {
            Some(proof) => self.signer.accepts("GET", name, proof, self.clock.now()),
            None => key.is_public(),
        };
        if !is_accessible {
            return Err(Error::NotFound);
        }
        let secret = key.to_string();
        let secret = secret.rsplit('/').next().unwrap_or_default();
        // A signed link to a file in the public area means that the file is about to leave it.
        Ok((format!("{secret}-{}", variant.as_str()), key.is_public() && proof.is_none()))
    }

    /// Checks that the file `name` still exists in storage, even if the client has a cached copy.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not; [`Error::Unavailable`].
    pub async fn check_file(&self, name: &str) -> Result<()> {
        self.storage.size(name).await.map(drop)
    }

    /// Reads the file `name`, or a part of it, if `proof` gives access to it.
    ///
    /// # Errors
    /// Like [`Media::find_file`], and if the file does not exist; [`Error::RangeNotSatisfiable`].
    pub async fn file(&self, name: &str, proof: Option<&Proof>, part: Option<Part>) -> Result<File> {
        let (tag, is_public) = self.find_file(name, proof)?;
        let mut options = GetOptions::default();
        if let Some(part) = part {
            let size = self.storage.size(name).await?;
            let range = part.within(size).ok_or(Error::RangeNotSatisfiable(size))?;
            options.range = Some(GetRange::Bounded(range));
        }
        let found = self.storage.get(name, options).await?;
        let (size, range) = (found.meta.size, found.range.clone());
        let body = found.into_stream().map_err(std::io::Error::other).boxed();
        Ok(File { tag, is_public, size, range, body })
    }

    /// Receives the file of a direct upload, which must match its announcement.
    ///
    /// # Errors
    /// [`Error::NotFound`] without a valid link; [`Error::Expired`] if the upload was completed; [`Error::Refused`];
    /// [`Error::InProgress`] while another request sends the file; [`Error::TooManyAtOnce`], [`Error::Overloaded`];
    /// [`Error::Interrupted`], also if it takes too long; [`Error::Unavailable`]. In all these cases nothing was stored.
    pub async fn receive(
        &self,
        id: UploadId,
        proof: &Proof,
        content_type: Option<&str>,
        pieces: BoxStream<'_, std::io::Result<Bytes>>,
    ) -> Result<()> {
        let name = Upload::file(id);
        if !self.signer.accepts("PUT", &name, proof, self.clock.now()) {
            return Err(Error::NotFound);
        }
        let upload = uploads::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        if upload.media.is_some() {
            return Err(Error::Expired);
        }
        let declared = content_type.and_then(|declared| declared.parse::<ImageType>().ok());
        if declared != Some(upload.content_type) {
            return Err(ImageRejection::WrongType {
                is: upload.content_type,
                declared: declared.map_or("another type", ImageType::as_str),
            }
            .into());
        }
        let _exclusive = self.in_progress.begin(id)?;
        let _permit = self.uploads.take_for_user(upload.owner)?;
        self.check_storage().await?;
        let pieces = within(self.receive.patience(upload.byte_size), pieces);
        self.storage.put_stream(&name, announced(&upload, pieces).boxed()).await
    }
}

/// The pieces that arrive within `patience`; the listener limits only the pauses between them.
fn within(
    patience: Duration,
    pieces: BoxStream<'_, std::io::Result<Bytes>>,
) -> BoxStream<'_, std::io::Result<Bytes>> {
    let deadline = Instant::now() + patience;
    futures_util::stream::unfold(pieces, move |mut pieces| async move {
        let piece = timeout_at(deadline, pieces.next()).await.unwrap_or_else(|_| {
            let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "the file arrives too slowly");
            Some(Err(error))
        });
        piece.map(|piece| (piece, pieces))
    })
    .boxed()
}

/// The pieces of a file as long as they match the announcement; ends with an error if they do not.
fn announced<'a>(
    upload: &Upload,
    pieces: BoxStream<'a, std::io::Result<Bytes>>,
) -> impl Stream<Item = Result<Bytes>> + Send + use<'a> {
    struct State<'a> {
        pieces: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send + 'a>>,
        hash: Sha256,
        left: u64,
    }
    let (size, expected) = (upload.byte_size, upload.sha256);
    let state = State { pieces, hash: Sha256::new(), left: size };
    futures_util::stream::try_unfold(state, move |mut state| async move {
        let Some(piece) = state.pieces.next().await.transpose().map_err(Error::Interrupted)? else {
            if state.left > 0 {
                return Err(ImageRejection::WrongSize.into());
            }
            let hash: [u8; 32] = state.hash.finalize().into();
            return match expected {
                Some(expected) if expected != hash => Err(ImageRejection::WrongHash.into()),
                _ => Ok(None),
            };
        };
        let too_large = ImageRejection::TooLarge(size);
        state.left = state.left.checked_sub(piece.len() as u64).ok_or(too_large)?;
        state.hash.update(&piece);
        Ok(Some((piece, state)))
    })
}

/// Until when clients may cache a file that they fetched by a signed link.
pub fn cacheable_until(proof: &Proof) -> Option<Timestamp> {
    Timestamp::from_micros(proof.expires.checked_mul(1_000_000)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_clamped_to_the_file() {
        let table = [
            (Part::From(0, None), Some(0..10)),
            (Part::From(3, Some(4)), Some(3..5)),
            (Part::From(3, Some(u64::MAX)), Some(3..10)),
            (Part::From(9, Some(9)), Some(9..10)),
            (Part::From(10, None), None),
            (Part::From(4, Some(3)), None),
            (Part::Last(3), Some(7..10)),
            (Part::Last(99), Some(0..10)),
            (Part::Last(0), None),
        ];
        for (part, expected) in table {
            assert_eq!(part.within(10), expected, "{part:?}");
        }
    }
}
