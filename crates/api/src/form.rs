//! Forms with files (RFC 7578). They are read when it is known whose they are, each file into a temporary one: what a
//! request holds in memory does not grow with what it sends.

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
    problem::{Code, Failure, Problem, broken_off},
    schema::media::UploadMedia,
};

/// The largest form: ten files, and what stands around them.
pub(crate) const MAX_BYTES: u64 = Media::MAX_PER_POST as u64 * Media::MAX_BYTES + 1024 * 1024;

/// The form of an upload: its files in order, or why one is none, and what each shows.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) files: Vec<Result<Source, Error>>,
    pub(crate) alts: Vec<Option<AltText>>,
    _permit: Option<Permit>,
}

/// What may come without being part of a file or a text: names and the like.
const MAX_UNREAD_BYTES: usize = 64 * 1024;

/// A form on its way from the gate to its handler.
type Spooled = Arc<Mutex<Option<Form>>>;

/// What separates the parts of the request's form.
pub(crate) fn boundary(request: &Request) -> Option<String> {
    multer::parse_boundary(request.content_type()?).ok()
}

/// Reads the form of `sender`'s request. In the place of its body it leaves what tells it from other forms.
pub(crate) async fn spool(
    request: &mut Request,
    sender: UserId,
    media: &blegram_media::Media,
) -> Result<(), Problem> {
    // Each may take two hundred MiB of the temporary folder, until its files are worked on.
    let permit = media.forms().take(sender)?;
    let announced =
        RequestHeader::ContentLength.text(request.headers()).and_then(|length| length.parse().ok());
    let patience = media.receive_limits().patience(announced.unwrap_or(MAX_BYTES).min(MAX_BYTES));
    let read = timeout(patience, read(request)).await;
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
    let pieces = Gently {
        pieces: Box::pin(request.take_body().into_bytes_stream()),
        unread: Arc::clone(&unread),
        rests: false,
    };
    let mut reader = Reader { unread, ..Reader::default() };
    let mut parts = Multipart::with_constraints(pieces, boundary, limit);
    while let Some(field) = parts.next_field().await.map_err(unreadable)? {
        reader.take(field).await?;
    }
    reader.finish()
}

/// A body piece by piece. The parser of forms takes all that is there before it looks at it, and keeps what it cannot make
/// out; so it is given one piece at a time, and no more when it made nothing of what it has.
struct Gently {
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// Bytes since the parser last made something of them.
    unread: Arc<AtomicUsize>,
    rests: bool,
}

impl Stream for Gently {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unread.load(Ordering::Relaxed) > MAX_UNREAD_BYTES {
            return Poll::Ready(Some(Err(io::Error::other("there is no part in it"))));
        }
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.unread.fetch_add(piece.len(), Ordering::Relaxed);
            self.rests = true;
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
                Err(Problem::invalid(vec![Failure::new(pointer, "unknown-field", "is not known here")]))
            }
        }
    }

    async fn take_file(&mut self, field: Field<'_>) -> Result<(), Problem> {
        // What the part says of its type does not count: the bytes decide.
        let unread = Arc::clone(&self.unread);
        let pieces = field.map_err(io::Error::other).inspect_ok(|_| unread.store(0, Ordering::Relaxed));
        // Of a file that is too large the rest is passed over, and the next one looked at.
        let file = match Source::read(pieces, Media::MAX_BYTES, None).await {
            Err(Error::BrokeOff(error)) => return Err(unreadable_file(error)),
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
            // Before its white space is trimmed, it may be a little longer.
            if bytes.len() + piece.len() > 2 * AltText::MAX_BYTES {
                return Err(Problem::new(Code::BodyTooLarge));
            }
            bytes.extend_from_slice(&piece);
        }
        self.fingerprint.update(Sha256::digest(&bytes));
        let text = String::from_utf8(bytes).map_err(|_| {
            Problem::new(Code::MalformedRequest).with_detail("a part of the form is not UTF-8")
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
                "must not have more items than there are files",
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
        multer::Error::StreamReadFailed(cause) => broken_off(&io::Error::other(cause)),
        other => {
            Problem::new(Code::MalformedRequest).with_detail(format!("the form cannot be read: {other}"))
        }
    }
}

/// What [`Source::read`] was told of the stream.
fn unreadable_file(error: io::Error) -> Problem {
    let Some(cause) = error.into_inner() else {
        return Problem::new(Code::MalformedRequest).with_detail("the body broke off");
    };
    match cause.downcast::<multer::Error>() {
        Ok(cause) => unreadable(*cause),
        Err(cause) => broken_off(&io::Error::other(cause)),
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
        Ok(form.ok_or_else(|| Problem::internal("the gate read no form"))?)
    }
}
