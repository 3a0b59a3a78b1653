//! The checks before the handlers, in the order that the API guarantees: unknown path (404), wrong method (405), body
//! too large (413), wrong content type (415), rate limit (429), authentication (401), CSRF (403).
//!
//! The gate also enforces the deadline of the operation and handles `Idempotency-Key` and `If-None-Match`.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use blegram_auth::{Authenticated, Policy, limit::RateLimitStatus};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response,
    error::ReadBodyError,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};

use tokio::time::{Instant, timeout};

use crate::{
    App, bearer, body, client, conditional, cookie, csrf, form,
    headers::RequestHeader,
    idempotency,
    openapi::catalogue::{Catalogue, Resource},
    operation::{Login, Operation, RequestBody},
    problem::{Code, Problem, incomplete_body, rate_limit_headers},
};

/// The checks in front of the routes.
pub(crate) struct Gate {
    app: App,
    catalogue: Arc<Catalogue>,
}

/// A request that passed the checks.
#[derive(Default)]
struct Admitted {
    session: Option<Authenticated>,
    rate_limit: Option<RateLimitStatus>,
    has_invalid_cookie: bool,
    /// The part of the operation's deadline that authentication took.
    spent: Duration,
}

impl Gate {
    pub(crate) fn new(app: App) -> Self {
        Self { app, catalogue: Arc::new(Catalogue::new()) }
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue)
    }

    pub(crate) fn wrap<E: Endpoint + 'static>(self, routes: E) -> Gated<E> {
        Gated { gate: self, routes: Arc::new(routes) }
    }

    async fn admit(&self, request: &mut Request, resource: &Resource) -> Result<Admitted, Problem> {
        let Some(operation) = resource.operation(request.method())? else { return Ok(Admitted::default()) };
        match operation.body {
            RequestBody::Form => check_length(request, form::MAX_BYTES)?,
            _ if operation.is_write => read_body(request).await?,
            _ => {}
        }
        check_media_type(request, operation.body)?;
        let rate_limit = self.count(operation, request)?;
        let admitted = self.admit_counted(operation, request).await.map_err(|problem| {
            let headers = rate_limit.iter().flat_map(rate_limit_headers);
            headers.fold(problem, |problem, (name, value)| problem.with_header(name, value))
        })?;
        Ok(Admitted { rate_limit, ..admitted })
    }

    async fn admit_counted(&self, operation: &Operation, request: &mut Request) -> Result<Admitted, Problem> {
        let authenticating = self.authenticate(operation, request);
        let started = Instant::now();
        let (session, has_invalid_cookie) = in_time(operation, Duration::ZERO, authenticating).await??;
        let spent = started.elapsed();
        if operation.login == Login::Required && session.is_none() {
            let problem = Problem::new(Code::Unauthenticated);
            return Err(if has_invalid_cookie { self.with_removal(problem) } else { problem });
        }
        if operation.is_write {
            csrf::check(request.headers(), session.as_ref(), &self.app.auth, &self.app.site)?;
        }
        // After authentication and the CSRF check, because a form may have 200 MiB.
        if let (RequestBody::Form, Some(session)) = (operation.body, &session) {
            form::spool(request, session.user, &self.app.media).await?;
        }
        Ok(Admitted { session, rate_limit: None, has_invalid_cookie, spent })
    }

    fn count(&self, operation: &Operation, request: &Request) -> Result<Option<RateLimitStatus>, Problem> {
        let Some(policy) = operation.policy else { return Ok(None) };
        let is_loopback = || client::is_loopback(request, &self.app.site.trusted_proxies);
        let policy = if policy == Policy::SignUp && is_loopback() { Policy::SignUpLoopback } else { policy };
        Ok(Some(self.app.auth.limiter().check_address(policy, self.address(request))?))
    }

    fn address(&self, request: &Request) -> IpAddr {
        // Clients without a known address share one bucket.
        let address = client::address(request, &self.app.site.trusted_proxies);
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Counts a rejected request and replaces its error by `rate-limited` if the address exceeds the limit.
    fn count_failure(&self, policy: Policy, address: IpAddr, error: poem::Error) -> poem::Error {
        let is_rejection = error.downcast_ref::<Problem>().is_some_and(Problem::is_final);
        if !is_rejection {
            return error;
        }
        match self.app.auth.limiter().check_address(policy, address) {
            Ok(_) => error,
            Err(limited) => Problem::from(limited).into(),
        }
    }

    async fn authenticate(
        &self,
        operation: &Operation,
        request: &Request,
    ) -> Result<(Option<Authenticated>, bool), Problem> {
        // An invalid bearer token is an error: the request is neither authenticated by its cookie nor served
        // anonymously.
        if let Some(token) = bearer::token(request.headers()) {
            let session = match token {
                Some(token) => self.app.auth.authenticate_bearer(token).await?,
                None => None,
            };
            return match session {
                Some(session) => Ok((Some(session), false)),
                None => Err(bearer::rejection()),
            };
        }
        // A write without login is authenticated as well, because the CSRF check depends on the session.
        if operation.login == Login::None && !operation.is_write {
            return Ok((None, false));
        }
        let mut has_invalid_cookie = false;
        for token in cookie::tokens(request.headers(), &self.app.site) {
            let session = self.app.auth.authenticate(token).await?;
            if session.is_some() {
                return Ok((session, false));
            }
            has_invalid_cookie = true;
        }
        Ok((None, has_invalid_cookie))
    }

    fn with_removal(&self, problem: Problem) -> Problem {
        problem.with_header(header::SET_COOKIE, cookie::remove(&self.app.site))
    }

    /// The headers that the checks add to the response, whether the operation succeeded or not.
    fn headers(&self, admitted: &Admitted) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers: Vec<_> = admitted.rate_limit.iter().flat_map(rate_limit_headers).collect();
        if admitted.has_invalid_cookie {
            headers.push((header::SET_COOKIE, cookie::remove(&self.app.site)));
        }
        headers
    }

    fn finish(&self, admitted: &Admitted, outcome: poem::Result<Response>) -> poem::Result<Response> {
        let headers = self.headers(admitted);
        let mut outcome = outcome.map(|mut response| {
            for (name, value) in headers.clone() {
                // The cookie of a new session replaces the dead one: then there is nothing to remove.
                response.headers_mut().entry(name).or_insert(value);
            }
            response
        });
        outcome = outcome.map_err(|error| match error.downcast::<Problem>() {
            Ok(problem) => headers
                .into_iter()
                .fold(problem, |problem, (name, value)| problem.with_header(name, value))
                .into(),
            Err(error) => error,
        });
        if let Some(session) = admitted.session {
            match &mut outcome {
                Ok(response) => response.set_data(session),
                Err(error) => error.set_data(session),
            }
        }
        outcome
    }
}

/// The routes behind the gate.
pub(crate) struct Gated<E> {
    gate: Gate,
    routes: Arc<E>,
}

impl<E: Endpoint + 'static> Gated<E> {
    async fn run(
        &self,
        operation: Option<&Operation>,
        session: Option<Authenticated>,
        request: Request,
    ) -> poem::Result<Response> {
        let key = idempotency::key(&request, operation, session.as_ref())?;
        let (Some(session), Some(key)) = (session, key) else {
            return self.routes.call(request).await.map(IntoResponse::into_response);
        };
        let keys = self.gate.app.auth.idempotency();
        let (routes, site) = (Arc::clone(&self.routes), Arc::clone(&self.gate.app.site));
        let once = idempotency::once(keys, session, key, request, routes, site);
        let outcome = self.gate.app.tasks.spawn(blegram_auth::with_wait_budget(once)).await;
        outcome.map_err(|panic| Problem::internal(panic.to_string()))?
    }
}

impl<E: Endpoint + 'static> Endpoint for Gated<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        // HEAD is GET without the body, which the HTTP server omits. Only GET can upgrade a connection (RFC 6455
        // section 4.1), so HEAD loses its Upgrade header.
        if request.method() == Method::HEAD {
            request.set_method(Method::GET);
            request.headers_mut().remove(header::UPGRADE);
        }
        let resource = self.gate.catalogue.find(request.uri().path()).ok_or_else(Problem::not_found)?;
        let operation = resource.operation(request.method()).ok().flatten();
        let failure_policy = operation.and_then(|operation| operation.failure_policy);
        let address = failure_policy.map(|policy| (policy, self.gate.address(&request)));
        let outcome = self.handle(resource, request).await;
        match address {
            Some((policy, address)) => {
                outcome.map_err(|error| self.gate.count_failure(policy, address, error))
            }
            None => outcome,
        }
    }
}

impl<E: Endpoint + 'static> Gated<E> {
    async fn handle(&self, resource: &Resource, mut request: Request) -> poem::Result<Response> {
        if request.method() == Method::OPTIONS {
            return Ok(options(resource));
        }
        if let Some(uri) = without_empty_query(&request, resource) {
            *request.uri_mut() = uri;
        }
        let admitted = self.gate.admit(&mut request, resource).await?;
        if let Some(session) = admitted.session {
            request.set_data(session);
        }
        let is_conditional = RequestHeader::IfNoneMatch.is_present(request.headers());
        let request_headers =
            (is_conditional && request.method() == Method::GET).then(|| request.headers().clone());
        let operation = resource.operation(request.method())?;
        if let Some(operation) = operation {
            request.set_data(operation);
        }
        let running = self.run(operation, admitted.session, request);
        let mut outcome = match operation {
            Some(operation) => in_time(operation, admitted.spent, running)
                .await
                .unwrap_or_else(|problem| Err(problem.into())),
            None => running.await,
        };
        if let (Some(request_headers), Ok(response)) = (request_headers, &mut outcome) {
            conditional::apply_if_none_match(&request_headers, response);
        }
        self.gate.finish(&admitted, outcome)
    }
}

/// Runs `future` until the deadline of the operation, then drops it at its current await point, as when a client
/// disconnects.
async fn in_time<T>(
    operation: &Operation,
    spent: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Problem> {
    timeout(operation.deadline().saturating_sub(spent), future).await.map_err(|_| {
        let detail =
            if operation.is_write { UNKNOWN_OUTCOME } else { "The request timed out on the server." };
        Problem::new(Code::Unavailable).with_detail(detail)
    })
}

/// The detail for a write that timed out: the outcome is unknown, so the client has to check it.
const UNKNOWN_OUTCOME: &str = "The request timed out on the server. It may have taken effect, or may still take effect. Check \
    before you send it again, or retry with the same Idempotency-Key or client_id, with which it takes effect only once.";

/// The URI without empty optional query parameters; `None` if there are none. Generated clients send empty parameters
/// for values that their user omitted.
fn without_empty_query(request: &Request, resource: &Resource) -> Option<Uri> {
    let (method, uri) = (request.method(), request.uri());
    // Only for operations: pages and files parse their own queries.
    resource.operation(method).ok().flatten()?;
    let query = uri.query()?;
    let is_used = |pair: &&str| {
        let mut pair = form_urlencoded::parse(pair.as_bytes());
        pair.next().is_some_and(|(name, value)| !value.is_empty() || resource.requires(method, &name))
    };
    let pairs: Vec<&str> = query.split('&').filter(is_used).collect();
    if pairs.len() == query.split('&').count() {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let address =
        if pairs.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), pairs.join("&")) };
    parts.path_and_query = Some(address.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn options(resource: &Resource) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::ALLOW, resource.allow());
    response
}

/// Reads the body, so that its size is checked before the client is authenticated. Counts the bytes, because
/// Content-Length may be wrong or missing.
async fn read_body(request: &mut Request) -> Result<(), Problem> {
    check_length(request, body::MAX_BYTES as u64)?;
    let bytes = request.take_body().into_bytes_limit(body::MAX_BYTES).await.map_err(unreadable)?;
    request.set_body(Body::from_bytes(bytes));
    Ok(())
}

/// Rejects a body by its Content-Length, without reading it.
fn check_length(request: &Request, max: u64) -> Result<(), Problem> {
    let announced = RequestHeader::ContentLength.text(request.headers());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    Ok(())
}

fn unreadable(error: ReadBodyError) -> Problem {
    match error {
        ReadBodyError::PayloadTooLarge => Problem::new(Code::BodyTooLarge),
        ReadBodyError::Io(cause) => incomplete_body(&cause),
        other => Problem::new(Code::MalformedRequest).with_detail(format!("Cannot read the body: {other}")),
    }
}

fn check_media_type(request: &Request, body: RequestBody) -> Result<(), Problem> {
    let is_supported = match body {
        RequestBody::None => return Ok(()),
        RequestBody::Json => request.content_type().is_some_and(is_json),
        RequestBody::Form => form::boundary(request).is_some(),
    };
    let is_plain = RequestHeader::ContentEncoding
        .values(request.headers())
        .all(|encoding| encoding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if is_plain && is_supported { Ok(()) } else { Err(Problem::new(Code::UnsupportedMediaType)) }
}

// Not `mime::Mime`: it rejects white space before `;` and empty parameters, which RFC 9110, 5.6.6, allows.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let charset = content_type.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let mut charsets = charset
        .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim_matches('"'));
    essence.eq_ignore_ascii_case("application/json")
        && charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8"))
}
