//! Forms with image files.
//!
//! The gate has a form read after it has authenticated the request. Each file is written to a temporary file, so the
//! memory use of a request does not grow with the size of its files. The handler then takes the parsed [`Form`].

use std::sync::{Arc, Mutex, PoisonError};

use blegram_domain::{AltText, Media, UserId};
use blegram_http::{
    Rejection,
    form::{self, Part, announced_bytes, stream_rejection},
};
use blegram_limits::Permit;
use blegram_media::{Error, Source};
use poem::{Body, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    problem::{Code, Failure, Problem},
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

/// A parsed form, passed from the gate to the handler as request data.
type Spooled = Arc<Mutex<Option<Form>>>;

/// Reads the form of `sender`'s request into temporary files. Replaces the body of the request with a fingerprint of
/// the form, so that requests with different forms have different bodies.
pub(crate) async fn spool(
    request: &mut Request,
    sender: UserId,
    media: &blegram_media::Media,
) -> Result<(), Problem> {
    // Limits the number of forms, because each may use 200 MiB of the temporary folder until its images are processed.
    let permit = media.forms().take_for_user(sender).map_err(Error::from)?;
    let bytes = announced_bytes(request).unwrap_or(MAX_BYTES).min(MAX_BYTES);
    let time_limit = media.receive_limits().patience(bytes);
    let read = timeout(time_limit, read(request)).await;
    let (form, fingerprint) = read.map_err(|_| Rejection::BodyTimeout)??;
    let spooled: Spooled = Arc::new(Mutex::new(Some(Form { _permit: Some(permit), ..form })));
    request.set_data(spooled);
    request.set_body(Body::from_vec(fingerprint));
    Ok(())
}

async fn read(request: &mut Request) -> Result<(Form, Vec<u8>), Problem> {
    let mut parts = form::Form::take(request, MAX_BYTES)?;
    let mut reader = Reader::default();
    while let Some(part) = parts.next_part().await? {
        reader.take(part).await?;
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    form: Form,
    failures: Vec<Failure>,
    fingerprint: Sha256,
}

impl Reader {
    async fn take(&mut self, part: Part) -> Result<(), Problem> {
        match part.name() {
            Some("file") if self.form.files.len() == Media::MAX_PER_POST => Err(too_many("/file")),
            Some("file") => self.take_file(part).await,
            Some("alt") if self.form.alts.len() == Media::MAX_PER_POST => Err(too_many("/alt")),
            Some("alt") => self.take_alt(part).await,
            other => {
                let name: String = other.unwrap_or_default().chars().take(64).collect();
                let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                Err(Problem::invalid(vec![Failure::new(pointer, "unknown-field", "is not a known field")]))
            }
        }
    }

    async fn take_file(&mut self, part: Part) -> Result<(), Problem> {
        // Ignores the Content-Type of the part: the content decides. Dropping a part skips the rest of it, so a file that
        // is too large does not affect the next one.
        let file = match Source::read(part.into_stream(), Media::MAX_BYTES, None).await {
            Err(Error::Interrupted(error)) => return Err(stream_rejection(error).into()),
            other => other,
        };
        self.fingerprint.update(file.as_ref().map_or([0; 32], Source::sha256));
        self.form.files.push(file);
        Ok(())
    }

    async fn take_alt(&mut self, mut part: Part) -> Result<(), Problem> {
        let at = self.form.alts.len();
        let mut bytes = Vec::new();
        while let Some(piece) = part.chunk().await? {
            // The text may be longer before its white space is trimmed.
            if bytes.len() + piece.len() > 2 * AltText::MAX_BYTES {
                return Err(Rejection::BodyTooLarge.into());
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
