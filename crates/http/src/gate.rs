//! The checks before the handlers, in the order that the API guarantees: unknown path (404), wrong method (405), body
//! too large (413), wrong content type (415), rate limit (429), authentication (401), CSRF (403).
//!
//! The gate also enforces the deadline of the operation and handles `Idempotency-Key` and `If-None-Match`.

use std::{future::Future, sync::Arc, time::Duration};

use blegram_auth::{Auth, Authenticated};
use blegram_limits::{Policy, RateLimitStatus};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};

use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::{
    Login, MAX_BODY_BYTES, MAX_FIELDS_BYTES, Rejection, RequestBody, Rule, Site, Surface, bearer,
    client::Client,
    conditional, cookie, csrf,
    edge::with_headers,
    form,
    headers::RequestHeader,
    idempotency,
    rate_limit::{self, RequestLimits},
    router::{Resource, Route, Router},
};

/// The checks in front of the routes.
pub struct Gate {
    /// Authenticates requests, limits their rate and stores idempotency keys.
    pub auth: Auth,
    /// The addresses of the site.
    pub site: Arc<Site>,
    /// The routes with their rules.
    pub router: Arc<Router>,
    /// Reads forms, and knows which errors are final.
    pub surface: Arc<dyn Surface>,
    /// Tasks that continue after their client has disconnected. Wait for them before you close the database.
    pub tasks: TaskTracker,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
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
    /// Puts the gate in front of `routes`.
    pub fn wrap<E: Endpoint + 'static>(self, routes: E) -> Gated<E> {
        Gated { gate: self, routes: Arc::new(routes) }
    }

    async fn admit(&self, request: &mut Request, route: &Route) -> poem::Result<Admitted> {
        let Some(rule) = route.operation.map(|operation| operation.rule) else {
            return Ok(Admitted::default());
        };
        match rule.body {
            RequestBody::Form { max_bytes } => check_length(request, max_bytes)?,
            RequestBody::Fields => read_body(request, MAX_FIELDS_BYTES).await?,
            _ if rule.is_write => read_body(request, MAX_BODY_BYTES).await?,
            _ => {}
        }
        check_media_type(request, rule.body)?;
        let limits = RequestLimits::of(request, &self.site, self.auth.limiter());
        let before = limits.count_address(rule).await?;
        let with_status = |error, status: Option<RateLimitStatus>| {
            with_headers(error, status.iter().flat_map(rate_limit::headers).collect())
        };
        let (session, admitted) = match self.admit_counted(rule, request).await {
            Ok(admitted) => (admitted.session, admitted),
            // A rejected request counts for its address: anybody can send it in the name of a user. A failure of the
            // server counts for no client.
            Err(error) if self.surface.is_final(&error) => {
                let status = limits.count_rejected().await?;
                return Err(with_status(error, Some(before.unwrap_or(status))));
            }
            Err(error) => return Err(with_status(error, before)),
        };
        let status = match before {
            // A login has limits of its own. Under the limit of all requests of its address, a page of another site could
            // shut its visitors out, by requests in their name.
            Some(status) if session.is_none() => Ok(status),
            _ => limits.count(rule, session.as_ref()).await,
        };
        let status = status.map_err(|rejection| with_status(rejection.into(), before))?;
        let rate_limit = Some(before.unwrap_or(status));
        // After everything else, because a form may have 200 MiB.
        if let (RequestBody::Form { .. }, Some(session)) = (rule.body, &session) {
            let read = self.surface.read_form(request, session.user).await;
            read.map_err(|error| with_status(error, rate_limit))?;
        }
        Ok(Admitted { rate_limit, ..admitted })
    }

    async fn admit_counted(&self, rule: &Rule, request: &Request) -> poem::Result<Admitted> {
        let authenticating = self.authenticate(rule, request);
        let started = Instant::now();
        let (session, has_invalid_cookie) = in_time(rule, Duration::ZERO, authenticating).await??;
        let spent = started.elapsed();
        if rule.login == Login::Required && session.is_none() {
            let removal = has_invalid_cookie.then(|| self.removal());
            return Err(with_headers(Rejection::Unauthenticated.into(), removal.into_iter().collect()));
        }
        if session.is_some_and(|session| !session.role.includes(rule.role)) {
            return Err(Rejection::Forbidden(rule.role).into());
        }
        if rule.is_write {
            csrf::check(request.headers(), session.as_ref(), &self.auth, &self.site)?;
        }
        Ok(Admitted { session, rate_limit: None, has_invalid_cookie, spent })
    }

    /// Counts a rejected request and replaces its error by `rate-limited` if the address exceeds the limit.
    async fn count_failure(&self, policy: Policy, client: Client, error: poem::Error) -> poem::Error {
        if !self.surface.is_final(&error) {
            return error;
        }
        let limits = RequestLimits { client, limiter: self.auth.limiter() };
        match limits.check_address(policy).await {
            Ok(_) => error,
            Err(limited) => limited.into(),
        }
    }

    async fn authenticate(
        &self,
        rule: &Rule,
        request: &Request,
    ) -> Result<(Option<Authenticated>, bool), Rejection> {
        if rule.login == Login::Foreign {
            return Ok((None, false));
        }
        // An invalid bearer token is an error: the request is neither authenticated by its cookie nor served
        // anonymously.
        if let Some(token) = bearer::token(request.headers())? {
            return match self.auth.authenticate_bearer(token).await? {
                Some(session) => Ok((Some(session), false)),
                None => Err(Rejection::InvalidToken),
            };
        }
        // A write without login is authenticated as well, because the CSRF check depends on the session.
        if rule.login == Login::None && !rule.is_write {
            return Ok((None, false));
        }
        let mut has_invalid_cookie = false;
        for token in cookie::tokens(request.headers(), &self.site) {
            let session = self.auth.authenticate(token).await?;
            if session.is_some() {
                return Ok((session, false));
            }
            has_invalid_cookie = true;
        }
        Ok((None, has_invalid_cookie))
    }

    /// The header that removes an invalid session cookie.
    fn removal(&self) -> (HeaderName, HeaderValue) {
        (header::SET_COOKIE, cookie::remove(&self.site))
    }

    /// The headers that the checks add to the response, whether the operation succeeded or not.
    fn headers(&self, admitted: &Admitted) -> Vec<(HeaderName, HeaderValue)> {
        let removal = admitted.has_invalid_cookie.then(|| self.removal());
        admitted.rate_limit.iter().flat_map(rate_limit::headers).chain(removal).collect()
    }

    fn finish(&self, admitted: &Admitted, outcome: poem::Result<Response>) -> poem::Result<Response> {
        let headers = self.headers(admitted);
        let mut outcome = match outcome {
            Ok(mut response) => {
                for (name, value) in headers {
                    // The cookie of a new session replaces the dead one: then there is nothing to remove.
                    response.headers_mut().entry(name).or_insert(value);
                }
                Ok(response)
            }
            Err(error) => Err(with_headers(error, headers)),
        };
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
pub struct Gated<E> {
    gate: Gate,
    routes: Arc<E>,
}

impl<E> std::fmt::Debug for Gated<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gated").finish_non_exhaustive()
    }
}

impl<E: Endpoint + 'static> Gated<E> {
    async fn run(
        &self,
        rule: Option<&Rule>,
        session: Option<Authenticated>,
        request: Request,
    ) -> poem::Result<Response> {
        let key = idempotency::key(&request, rule, session.as_ref())?;
        let (Some(session), Some(key)) = (session, key) else {
            return self.routes.call(request).await.map(IntoResponse::into_response);
        };
        let keys = self.gate.auth.idempotency();
        let (routes, surface) = (Arc::clone(&self.routes), Arc::clone(&self.gate.surface));
        let address = Client::of(&request, &self.gate.site).address;
        let once = idempotency::once(keys, session, key, request, routes, surface);
        let once = blegram_auth::with_client_address(address, blegram_auth::with_wait_budget(once));
        let outcome = self.gate.tasks.spawn(once).await;
        outcome.map_err(|panic| Rejection::internal(panic.to_string()))?
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
        let resource = self.gate.router.find(request.uri().path()).ok_or(Rejection::NotFound)?;
        let operation = resource.route(request.method()).ok().and_then(|route| route.operation);
        let failure_policy = operation.and_then(|operation| operation.rule.failure_policy);
        let client = Client::of(&request, &self.gate.site);
        let outcome = blegram_auth::with_client_address(client.address, self.handle(resource, request)).await;
        match (outcome, failure_policy) {
            (Err(error), Some(policy)) => Err(self.gate.count_failure(policy, client, error).await),
            (outcome, _) => outcome,
        }
    }
}

impl<E: Endpoint + 'static> Gated<E> {
    async fn handle(&self, resource: &Resource, mut request: Request) -> poem::Result<Response> {
        if request.method() == Method::OPTIONS {
            return Ok(options(resource));
        }
        let route = resource.route(request.method())?;
        if let Some(uri) = without_empty_query(&request, route) {
            *request.uri_mut() = uri;
        }
        let admitted = self.gate.admit(&mut request, route).await?;
        if let Some(session) = admitted.session {
            request.set_data(session);
        }
        let is_conditional = RequestHeader::IfNoneMatch.is_present(request.headers());
        let request_headers =
            (is_conditional && request.method() == Method::GET).then(|| request.headers().clone());
        if let Some(operation) = route.operation {
            request.set_data(operation);
        }
        let rule = route.operation.map(|operation| operation.rule);
        let running = self.run(rule, admitted.session, request);
        let mut outcome = match rule {
            Some(rule) => {
                in_time(rule, admitted.spent, running).await.unwrap_or_else(|rejection| Err(rejection.into()))
            }
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
async fn in_time<T>(rule: &Rule, spent: Duration, future: impl Future<Output = T>) -> Result<T, Rejection> {
    let left = rule.deadline.duration().saturating_sub(spent);
    timeout(left, future).await.map_err(|_| Rejection::DeadlineExceeded { is_write: rule.is_write })
}

/// The URI without empty optional query parameters; `None` if there are none. Generated clients send empty parameters
/// for values that their user omitted.
fn without_empty_query(request: &Request, route: &Route) -> Option<Uri> {
    // Only for operations: pages and files parse their own queries.
    route.operation?;
    let uri = request.uri();
    let query = uri.query()?;
    let is_used = |pair: &&str| {
        let mut pair = form_urlencoded::parse(pair.as_bytes());
        pair.next().is_some_and(|(name, value)| {
            !value.is_empty() || route.required_query.iter().any(|required| *required == name)
        })
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
async fn read_body(request: &mut Request, max: usize) -> Result<(), Rejection> {
    check_length(request, max as u64)?;
    let bytes = request.take_body().into_bytes_limit(max).await?;
    request.set_body(Body::from_bytes(bytes));
    Ok(())
}

/// Rejects a body by its Content-Length, without reading it.
fn check_length(request: &Request, max: u64) -> Result<(), Rejection> {
    let announced = RequestHeader::ContentLength.text(request.headers());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(Rejection::BodyTooLarge);
    }
    Ok(())
}

fn check_media_type(request: &Request, body: RequestBody) -> Result<(), Rejection> {
    let is_supported = match body {
        RequestBody::None => return Ok(()),
        RequestBody::Json => request.content_type().is_some_and(|kind| is_utf8(kind, "application/json")),
        RequestBody::Fields => request.content_type().is_some_and(|kind| is_utf8(kind, FIELDS)),
        RequestBody::Form { .. } => form::boundary(request).is_some(),
    };
    let is_plain = RequestHeader::ContentEncoding
        .values(request.headers())
        .all(|encoding| encoding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if is_plain && is_supported { Ok(()) } else { Err(Rejection::UnsupportedMediaType) }
}

/// The media type of the fields of an HTML form.
const FIELDS: &str = "application/x-www-form-urlencoded";

// Not `mime::Mime`: it rejects white space before `;` and empty parameters, which RFC 9110, 5.6.6, allows.
fn is_utf8(content_type: &str, expected: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let charset = content_type.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let mut charsets = charset
        .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim_matches('"'));
    essence.eq_ignore_ascii_case(expected) && charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8"))
}
