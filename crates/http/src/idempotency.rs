//! `Idempotency-Key`: a client that does not know whether its request succeeded can send it again with the same key,
//! and it is executed once (draft-ietf-httpapi-idempotency-key-header).
//!
//! A request first claims its key, then runs, then stores its response under the key. A repetition with the same body
//! gets the stored response, with `Idempotent-Replayed: true`; one that arrives while the first still runs gets 409,
//! and one with another body 422. Server errors, rate limits and failed preconditions (412) are not stored: they
//! release the key, and the request can run again.

use std::sync::Arc;

use blegram_auth::{
    Authenticated,
    idempotency::{Answer, Claim, ClaimOutcome, Idempotency, Keyed},
};
use blegram_domain::Violation;
use poem::{
    Body, Endpoint, IntoResponse, Request, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

use crate::{
    Rejection, Rule, Surface,
    edge::{Id, with_headers},
    headers::RequestHeader,
};

/// The maximum length of a key, which consists of visible ASCII characters.
pub const MAX_CHARS: usize = 255;

/// The maximum size of a stored response body. Responses to writes are small; a larger one is not stored for replay.
const MAX_BYTES: usize = 256 * 1024;

/// The response headers that are stored and replayed; all others are created anew for each request.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// The key of a request, if its operation takes one and the client is logged in; otherwise the header is ignored.
pub(crate) fn key(
    request: &Request,
    rule: Option<&Rule>,
    session: Option<&Authenticated>,
) -> Result<Option<String>, Rejection> {
    let takes_key = rule.is_some_and(|rule| rule.takes_key) && session.is_some();
    let mut keys = RequestHeader::IdempotencyKey.values(request.headers());
    let Some(key) = keys.next().filter(|_| takes_key) else { return Ok(None) };
    let text = str::from_utf8(key).ok().filter(|_| keys.next().is_none());
    let visible = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    match visible {
        Some(text) if text.len() <= MAX_CHARS => Ok(Some(text.to_owned())),
        Some(_) => Err(Rejection::InvalidKey(Violation::TooLong { max: MAX_CHARS, unit: "characters" })),
        None => Err(Rejection::InvalidKey(Violation::InvalidCharacters(
            "must be 1 to 255 visible ASCII characters, once",
        ))),
    }
}

/// Runs a request of `session`, or replays its response if it ran before. Call it in a separate task: a client that
/// disconnects must not cancel it between its own commit and that of the stored response.
pub(crate) async fn once<E: Endpoint>(
    keys: Idempotency,
    session: Authenticated,
    key: String,
    mut request: Request,
    routes: Arc<E>,
    surface: Arc<dyn Surface>,
) -> poem::Result<Response> {
    let body = request.take_body().into_bytes().await?;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let keyed = Keyed { user: session.user, method: method.as_str(), path: &path, key: &key, body: &body };
    let claimed = keys.begin(keyed).await.map_err(Rejection::from)?;
    request.set_body(Body::from_bytes(body));
    match claimed {
        ClaimOutcome::New(claim) => run(&keys, &claim, request, &path, routes, &*surface).await,
        ClaimOutcome::Replay(answer) => Ok(replay(answer)),
        ClaimOutcome::InProgress => {
            let retry_after = (header::RETRY_AFTER, HeaderValue::from_static("1"));
            Err(with_headers(Rejection::KeyInProgress.into(), vec![retry_after]))
        }
        ClaimOutcome::Reused => Err(Rejection::KeyReused.into()),
    }
}

async fn run<E: Endpoint>(
    keys: &Idempotency,
    claim: &Claim,
    request: Request,
    path: &str,
    routes: Arc<E>,
    surface: &dyn Surface,
) -> poem::Result<Response> {
    let id = request.data::<Id>().map(|id| id.0.clone()).unwrap_or_default();
    let outcome = routes.call(request).await.map(IntoResponse::into_response);
    let response = match outcome {
        Ok(response) => response,
        // An error that would occur again is stored like any response; a temporary one is not.
        Err(error) if surface.is_final(&error) => surface.render(error, path, &id),
        Err(error) => {
            release(keys, claim).await;
            return Err(error);
        }
    };
    store_response(keys, claim, response).await
}

/// Stores the response. If that fails, returns it all the same: the request was executed.
async fn store_response(keys: &Idempotency, claim: &Claim, mut response: Response) -> poem::Result<Response> {
    let body = response.take_body().into_bytes().await?;
    if body.len() > MAX_BYTES {
        release(keys, claim).await;
    } else {
        let headers = HEADERS.iter().filter_map(|name| {
            Some((name.to_string(), response.headers().get(name)?.to_str().ok()?.to_owned()))
        });
        let answer =
            Answer { status: response.status().as_u16(), headers: headers.collect(), body: body.to_vec() };
        if let Err(error) = keys.finish(claim, &answer).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not store a response for idempotent replay"
            );
        }
    }
    response.set_body(body);
    Ok(response)
}

async fn release(keys: &Idempotency, claim: &Claim) {
    if let Err(error) = keys.release(claim).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "could not release an idempotency key; its lease will expire"
        );
    }
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("idempotent-replayed", "true");
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body)
}
