//! Multipart forms with files (RFC 7578).
//!
//! The gate reads a form after it has authenticated the request, and writes each file to a temporary file. So the
//! memory use of a request does not grow with the size of its files. The handler then takes the parsed [`Form`].

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use blegram_domain::{AltText, Media, UserId};
use blegram_media::{Error, Permit, Source};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use multer::{Constraints, Field, Multipart, SizeLimit};
use poem::{Body, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    headers::RequestHeader,
    problem::{Code, Failure, Problem, incomplete_body},
    schema::media::UploadMedia,
};

/// The maximum size of a form: ten files, and 1 MiB for everything else.
pub(crate) const MAX_BYTES: u64 = Media::MAX_PER_POST as u64 * Media::MAX_BYTES + 1024 * 1024;

/// The form of an upload: its files in order, or why a file was rejected, and the alt texts.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) files: Vec<Result<Source, Error>>,
    pub(crate) alts: Vec<Option<AltText>>,
    _permit: Option<Permit>,
}

/// The maximum number of bytes that the parser may read without completing anything, such as part headers: 64 KiB.
const MAX_UNREAD_BYTES: usize = 64 * 1024;

/// A parsed form, passed from the gate to the handler as request data.
type Spooled = Arc<Mutex<Option<Form>>>;

/// The multipart boundary from the Content-Type of the request.
pub(crate) fn boundary(request: &Request) -> Option<String> {
    multer::parse_boundary(request.content_type()?).ok()
}

/// Reads the form of `sender`'s request into temporary files. Replaces the body of the request with a fingerprint of
/// the form, so that requests with different forms have different bodies.
pub(crate) async fn spool(
    request: &mut Request,
    sender: UserId,
    media: &blegram_media::Media,
) -> Result<(), Problem> {
    // Limits the number of forms, because each may use 200 MiB of the temporary folder until its images are processed.
    let permit = media.forms().take(sender)?;
    let announced =
        RequestHeader::ContentLength.text(request.headers()).and_then(|length| length.parse().ok());
    let time_limit = media.receive_limits().patience(announced.unwrap_or(MAX_BYTES).min(MAX_BYTES));
    let read = timeout(time_limit, read(request)).await;
    let (form, fingerprint) = read.map_err(|_| Problem::new(Code::RequestTimeout))??;
    let spooled: Spooled = Arc::new(Mutex::new(Some(Form { _permit: Some(permit), ..form })));
    request.set_data(spooled);
    request.set_body(Body::from_vec(fingerprint));
    Ok(())
}

async fn read(request: &mut Request) -> Result<(Form, Vec<u8>), Problem> {
    let boundary = boundary(request).ok_or_else(|| Problem::new(Code::UnsupportedMediaType))?;
    let limit = Constraints::new().size_limit(SizeLimit::new().whole_stream(MAX_BYTES));
    let unread = Arc::new(AtomicUsize::new(0));
    let pieces = PacedStream {
        pieces: Box::pin(request.take_body().into_bytes_stream()),
        unread: Arc::clone(&unread),
        must_yield: false,
    };
    let mut reader = Reader { unread, ..Reader::default() };
    let mut parts = Multipart::with_constraints(pieces, boundary, limit);
    while let Some(field) = parts.next_field().await.map_err(unreadable)? {
        reader.take(field).await?;
    }
    reader.finish()
}

/// A throttled body stream. multer reads all available data before it parses, and buffers what it cannot parse yet.
/// This stream yields after each chunk, so that multer parses it first, and fails once too many bytes remain unparsed.
struct PacedStream {
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// The bytes received since the parser last produced something.
    unread: Arc<AtomicUsize>,
    must_yield: bool,
}

impl Stream for PacedStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.must_yield) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unread.load(Ordering::Relaxed) > MAX_UNREAD_BYTES {
            return Poll::Ready(Some(Err(io::Error::other("the form has too much data outside its parts"))));
        }
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.unread.fetch_add(piece.len(), Ordering::Relaxed);
            self.must_yield = true;
        }
        Poll::Ready(piece)
    }
}

#[derive(Default)]
struct Reader {
    unread: Arc<AtomicUsize>,
    form: Form,
    failures: Vec<Failure>,
    fingerprint: Sha256,
}

impl Reader {
    async fn take(&mut self, field: Field<'_>) -> Result<(), Problem> {
        self.unread.store(0, Ordering::Relaxed);
        match field.name() {
            Some("file") if self.form.files.len() == Media::MAX_PER_POST => Err(too_many("/file")),
            Some("file") => self.take_file(field).await,
            Some("alt") if self.form.alts.len() == Media::MAX_PER_POST => Err(too_many("/alt")),
            Some("alt") => self.take_alt(field).await,
            other => {
                let name: String = other.unwrap_or_default().chars().take(64).collect();
                let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                Err(Problem::invalid(vec![Failure::new(pointer, "unknown-field", "is not a known field")]))
            }
        }
    }

    async fn take_file(&mut self, field: Field<'_>) -> Result<(), Problem> {
        // Ignores the Content-Type of the part: the content decides.
        let unread = Arc::clone(&self.unread);
        let pieces = field.map_err(io::Error::other).inspect_ok(|_| unread.store(0, Ordering::Relaxed));
        // Dropping a field skips the rest of it, so a file that is too large does not affect the next one.
        let file = match Source::read(pieces, Media::MAX_BYTES, None).await {
            Err(Error::Interrupted(error)) => return Err(unreadable_file(error)),
            other => other,
        };
        self.fingerprint.update(file.as_ref().map_or([0; 32], Source::sha256));
        self.form.files.push(file);
        Ok(())
    }

    async fn take_alt(&mut self, mut field: Field<'_>) -> Result<(), Problem> {
        let at = self.form.alts.len();
        let mut bytes = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(unreadable)? {
            self.unread.store(0, Ordering::Relaxed);
            // The text may be longer before its white space is trimmed.
            if bytes.len() + piece.len() > 2 * AltText::MAX_BYTES {
                return Err(Problem::new(Code::BodyTooLarge));
            }
            bytes.extend_from_slice(&piece);
        }
        self.fingerprint.update(Sha256::digest(&bytes));
        let text = String::from_utf8(bytes).map_err(|_| {
            Problem::new(Code::MalformedRequest).with_detail("A part of the form is not valid UTF-8.")
        })?;
        let alt = if text.trim().is_empty() { Ok(None) } else { AltText::parse(&text).map(Some) };
        let alt = alt.map_err(|violation| self.failures.push(Failure::of(format!("/alt/{at}"), violation)));
        self.form.alts.push(alt.unwrap_or_default());
        Ok(())
    }

    fn finish(mut self) -> Result<(Form, Vec<u8>), Problem> {
        if self.form.files.is_empty() {
            self.failures.push(Failure::new("/file", "required", "is required"));
        } else if self.form.alts.len() > self.form.files.len() {
            self.failures.push(Failure::new(
                "/alt",
                "too-many",
                "must not have more items than the form has files",
            ));
        }
        if self.failures.is_empty() {
            Ok((self.form, self.fingerprint.finalize().to_vec()))
        } else {
            Err(Problem::invalid(self.failures))
        }
    }
}

fn too_many(pointer: &str) -> Problem {
    let rule = format!("must have at most {} items", Media::MAX_PER_POST);
    Problem::invalid(vec![Failure::new(pointer, "too-many", rule)])
}

fn unreadable(error: multer::Error) -> Problem {
    match error {
        multer::Error::StreamSizeExceeded { .. } => Problem::new(Code::BodyTooLarge),
        multer::Error::StreamReadFailed(cause) => incomplete_body(&io::Error::other(cause)),
        other => {
            Problem::new(Code::MalformedRequest).with_detail(format!("The form cannot be read: {other}"))
        }
    }
}

/// Converts an error of the stream that [`Source::read`] reads.
fn unreadable_file(error: io::Error) -> Problem {
    let Some(cause) = error.into_inner() else {
        return Problem::new(Code::MalformedRequest).with_detail("Cannot read the body.");
    };
    match cause.downcast::<multer::Error>() {
        Ok(cause) => unreadable(*cause),
        Err(cause) => incomplete_body(&io::Error::other(cause)),
    }
}

impl<'a> ApiExtractor<'a> for Form {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        UploadMedia::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            MetaMediaType { content_type: "multipart/form-data", schema: UploadMedia::schema_ref() };
        Some(MetaRequest { description: None, content: vec![content], required: true })
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let spooled = request.data::<Spooled>();
        let form = spooled.and_then(|form| form.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(form.ok_or_else(|| Problem::internal("the gate has not read the form"))?)
    }
}
