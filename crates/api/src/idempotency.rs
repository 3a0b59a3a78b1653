//! `Idempotency-Key`: a request that a client sends again, because it does not know what became of it, happens once
//! (draft-ietf-httpapi-idempotency-key-header).

use std::sync::Arc;

use blegram_auth::{
    Authenticated,
    idempotency::{Answer, Begun, Claim, Idempotency, Keyed},
};
use blegram_domain::Violation;
use poem::{
    Body, Endpoint, IntoResponse, Request, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};

use crate::{
    Site,
    edge::Id,
    headers::RequestHeader,
    operation::Operation,
    problem::{Code, Failure, Problem},
};

/// The largest key.
const MAX_CHARS: usize = 255;

/// The largest answer that is kept. Answers to changes are small; a larger one is given, and not again.
const MAX_BYTES: usize = 256 * 1024;

/// What of an answer's head belongs to it; the rest is made anew for each request.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// What a key is, as the document says it: visible ASCII characters.
pub(crate) fn key_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": "^[!-~]+$" })
}

/// The key of a request to an operation that takes one, by somebody logged in.
pub(crate) fn key(
    request: &Request,
    operation: Option<&Operation>,
    session: Option<&Authenticated>,
) -> Result<Option<String>, Problem> {
    let takes_key = operation.is_some_and(|operation| operation.takes_key) && session.is_some();
    let mut keys = RequestHeader::IdempotencyKey.values(request.headers());
    let Some(key) = keys.next().filter(|_| takes_key) else { return Ok(None) };
    let text = str::from_utf8(key).ok().filter(|_| keys.next().is_none());
    let visible = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    match visible {
        Some(text) if text.len() <= MAX_CHARS => Ok(Some(text.to_owned())),
        Some(_) => Err(refused(Violation::TooLong { max: MAX_CHARS, unit: "characters" })),
        None => Err(refused(Violation::InvalidCharacters("must be 1 to 255 visible ASCII characters, once"))),
    }
}

fn refused(violation: Violation) -> Problem {
    Problem::invalid(vec![Failure::of("/Idempotency-Key", violation)])
}

/// Runs a request of `session` unless it ran before. To be called in a task of its own: a client that hangs up must not
/// cut it between its commit and that of its answer.
pub(crate) async fn once<E: Endpoint>(
    keys: Idempotency,
    session: Authenticated,
    key: String,
    mut request: Request,
    routes: Arc<E>,
    site: Arc<Site>,
) -> poem::Result<Response> {
    let body = request.take_body().into_bytes().await?;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let keyed = Keyed { user: session.user, method: method.as_str(), path: &path, key: &key, body: &body };
    let begun = keys.begin(keyed).await.map_err(Problem::from)?;
    request.set_body(Body::from_bytes(body));
    match begun {
        Begun::New(claim) => run(&keys, &claim, request, &path, routes, &site).await,
        Begun::Replay(answer) => Ok(replay(answer)),
        Begun::InProgress => Err(Problem::new(Code::RequestInProgress)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
            .into()),
        Begun::Reused => Err(Problem::new(Code::IdempotencyKeyReused).into()),
    }
}

async fn run<E: Endpoint>(
    keys: &Idempotency,
    claim: &Claim,
    request: Request,
    path: &str,
    routes: Arc<E>,
    site: &Site,
) -> poem::Result<Response> {
    let id = request.data::<Id>().map(|id| id.0.clone()).unwrap_or_default();
    let outcome = routes.call(request).await.map(IntoResponse::into_response);
    let response = match outcome {
        Ok(response) => response,
        Err(error) => match error.downcast::<Problem>() {
            // A refusal is an answer; a failure, or a limit, is none.
            Ok(problem) if problem.is_final() => problem.into_response(site.base_path(), path, &id),
            Ok(problem) => {
                release(keys, claim).await;
                return Err(problem.into());
            }
            Err(error) => {
                release(keys, claim).await;
                return Err(error);
            }
        },
    };
    keep(keys, claim, response).await
}

/// Keeps the answer, or, if it cannot, gives it all the same: what was asked has happened.
async fn keep(keys: &Idempotency, claim: &Claim, mut response: Response) -> poem::Result<Response> {
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
                "an answer was not kept for a repetition"
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
            "a key was not released; its lease will end"
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
