//! `/media/…`: downloads of image files, and direct uploads for storage that does not accept uploads from clients
//! itself.

use std::sync::Arc;

use blegram_domain::{Clock, media::Upload};
use blegram_http::{conditional, headers::RequestHeader};
use blegram_media::{
    File,
    files::{Part, cacheable_until},
    links::Proof,
};
use futures_util::StreamExt;
use poem::{
    Body, IntoResponse, Request, Response, handler,
    http::{HeaderName, HeaderValue, StatusCode, header},
    web::{Data, Path},
};

use crate::{App, problem::Problem};

/// The headers of files. The Content-Security-Policy sandboxes a file that is opened as a page, so that it cannot run
/// scripts (CSP 3, 6.3.2). Pages of other sites may embed files.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (header::ACCEPT_RANGES, "bytes"),
    (header::VARY, "Origin"),
];

/// Serves a file, or a range of it.
#[handler]
pub(crate) async fn get(
    app: Data<&Arc<App>>,
    request: &Request,
    Path(name): Path<String>,
) -> poem::Result<Response> {
    let proof = proof(request);
    let (tag, is_public) = app.media.find_file(&name, proof.as_ref()).map_err(Problem::from)?;
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).map_err(|_| Problem::not_found())?;
    let mut response = if conditional::if_none_match_contains(request.headers(), &tag) {
        app.media.check_file(&name).await.map_err(Problem::from)?;
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let part = part(request, &tag);
        whole_or_part(app.media.file(&name, proof.as_ref(), part).await.map_err(Problem::from)?)
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, cache_control(is_public, proof.as_ref(), &*app.clock));
    Ok(response)
}

fn whole_or_part(file: File) -> Response {
    let length = file.range.end - file.range.start;
    let mut response = Response::builder()
        .content_type(blegram_domain::Media::CONTENT_TYPE)
        .header(header::CONTENT_LENGTH, length);
    if length < file.size {
        let range = format!("bytes {}-{}/{}", file.range.start, file.range.end - 1, file.size);
        response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
    }
    response.body(Body::from_bytes_stream(file.body))
}

/// Public files never change. A file behind a signed link may be cached until the link expires.
fn cache_control(is_public: bool, proof: Option<&Proof>, clock: &dyn Clock) -> HeaderValue {
    if is_public {
        return HeaderValue::from_static("public, max-age=31536000, immutable");
    }
    let left = proof.and_then(cacheable_until).map_or(0, |until| until.since(clock.now()).as_secs());
    HeaderValue::from_str(&format!("private, max-age={left}, immutable"))
        .unwrap_or(HeaderValue::from_static("no-store"))
}

/// Receives the file of a direct upload.
#[handler]
pub(crate) async fn put(
    app: Data<&Arc<App>>,
    request: &Request,
    Path(name): Path<String>,
    body: Body,
) -> poem::Result<Response> {
    let id = name.strip_prefix(Upload::PREFIX).and_then(|id| id.parse().ok());
    let (id, proof) = id.zip(proof(request)).ok_or_else(Problem::not_found)?;
    let pieces = body.into_bytes_stream().boxed();
    let content_type = RequestHeader::ContentType.text(request.headers());
    app.media.receive(id, &proof, content_type, pieces).await.map_err(Problem::from)?;
    Ok(StatusCode::OK.into_response())
}

/// The expiry and signature of a signed link; `None` for a link with neither. A link with only one of them, or a
/// malformed one, gets a proof that fails verification.
fn proof(request: &Request) -> Option<Proof> {
    let mut expires = None;
    let mut signature = None;
    for (name, value) in form_urlencoded::parse(request.uri().query()?.as_bytes()) {
        match &*name {
            "expires" => expires = Some(value.parse().unwrap_or(0)),
            "signature" => signature = Some(value.into_owned()),
            _ => {}
        }
    }
    if expires.is_none() && signature.is_none() {
        return None;
    }
    Some(Proof { expires: expires.unwrap_or(0), signature: signature.unwrap_or_default() })
}

/// The requested range. Several ranges, an invalid `Range` (RFC 9110, 14.2) and an `If-Range` that does not match the
/// current file return `None`: the response is then the whole file.
fn part(request: &Request, tag: &HeaderValue) -> Option<Part> {
    // `headers::Range` needs the size, which is known only once the file is open, and ignores a suffix that is longer
    // than the file, which selects the whole file (RFC 9110, 14.1.2).
    let headers = request.headers();
    if RequestHeader::IfRange.first(headers).is_some_and(|other| other != tag.as_bytes()) {
        return None;
    }
    let (first, last) = RequestHeader::Range.text(headers)?.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Part::Last),
        (first, "") => number(first).map(|first| Part::From(first, None)),
        (first, last) => Some(Part::From(number(first)?, Some(number(last)?))).filter(|part| {
            // A range whose last byte is before its first is invalid.
            !matches!(part, Part::From(first, Some(last)) if last < first)
        }),
    }
}
