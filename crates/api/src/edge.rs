//! The outermost layer.
//!
//! It assigns an id to every request, adds the common headers to every response, writes the access log, and renders
//! every error, including panics, as problem+json.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use blegram_auth::Authenticated;
use blegram_domain::{RequestId, UserId};
use futures_util::FutureExt;
use poem::{
    Endpoint, Request, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};

use crate::{
    App,
    cors::CorsRequest,
    headers::RequestHeader,
    openapi::catalogue::{Catalogue, Resource},
    page::Cursors,
    problem::{Code, Problem},
};

/// The request id, for handlers that render an error response themselves.
#[derive(Debug, Clone)]
pub(crate) struct Id(pub(crate) String);

/// The outermost layer, before it wraps the others.
pub(crate) struct Edge {
    app: App,
    catalogue: Arc<Catalogue>,
}

/// The endpoint of the outermost layer, with all other layers inside.
pub(crate) struct EdgeEndpoint<E> {
    edge: Edge,
    inner: E,
}

impl Edge {
    pub(crate) fn new(app: App, catalogue: Arc<Catalogue>) -> Self {
        Self { app, catalogue }
    }

    pub(crate) fn wrap<E: Endpoint<Output = Response>>(self, inner: E) -> EdgeEndpoint<E> {
        EdgeEndpoint { edge: self, inner }
    }

    fn request_id(&self, request: &Request) -> String {
        let id = RequestHeader::RequestId.text(request.headers()).filter(|id| is_request_id(id));
        id.map_or_else(|| RequestId::generate(self.app.clock.now()).to_string(), ToOwned::to_owned)
    }

    fn render(&self, problem: Problem, path: &str, request_id: &str) -> Response {
        problem.into_response(self.app.site.base_path(), path, request_id)
    }

    /// Prepends the path of the public URL to `Location`. Handlers, and responses stored for an `Idempotency-Key`,
    /// contain the path on this server only.
    fn complete_location(&self, response: &mut Response) {
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let address =
            location.filter(|location| location.starts_with('/')).map(|path| self.app.site.address(path));
        if let Some(Ok(address)) = address.map(|address| HeaderValue::from_str(&address)) {
            response.headers_mut().insert(header::LOCATION, address);
        }
    }

    fn finish(&self, uri: &Uri, request_id: &str, is_own: bool, response: &mut Response) {
        if let Some(cursors) = response.data::<Cursors>().cloned() {
            cursors.link(&self.app.site.address(uri.path()), uri.query(), response);
        }
        self.complete_location(response);
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        for (name, value) in HEADERS {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        let cache = HeaderValue::from_static(cache_control(uri.path(), is_own));
        headers.entry(header::CACHE_CONTROL).or_insert(cache);
        if self.app.site.public_url.starts_with("https://") {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for EdgeEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let uri = request.uri().clone();
        let cors_request = CorsRequest::of(&request, &self.edge.app.site);
        let mut line = AccessLog::begin(&self.edge, &request);
        request.set_data(Id(line.request_id.clone()));
        let running = blegram_auth::with_wait_budget(self.inner.call(request));
        let outcome = AssertUnwindSafe(running).catch_unwind().await;
        let outcome = match outcome {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                line.user = error.data::<Authenticated>().map(|viewer| viewer.user);
                Err(self.problem(error, &uri))
            }
            Err(panic) => Err(Problem::internal(panic_message(panic.as_ref()))),
        };
        line.code = outcome.as_ref().err().map(Problem::code);
        let mut response =
            outcome.unwrap_or_else(|problem| self.edge.render(problem, uri.path(), &line.request_id));
        line.user = line.user.or_else(|| response.data::<Authenticated>().map(|viewer| viewer.user));
        self.edge.finish(&uri, &line.request_id, line.user.is_some(), &mut response);
        if let Some(cors_request) = cors_request {
            cors_request.add_headers(&mut response);
        }
        line.code = line.code.or_else(|| response.data::<Code>().copied());
        line.status = Some(response.status());
        Ok(response)
    }
}

/// The access log entry of a request. It is written on drop, so that a request is logged even if its client
/// disconnects, which drops the future of the request at any await point.
struct AccessLog {
    started: Instant,
    request_id: String,
    method: Method,
    route: String,
    user: Option<UserId>,
    code: Option<Code>,
    status: Option<StatusCode>,
}

impl AccessLog {
    fn begin(edge: &Edge, request: &Request) -> Self {
        let route = edge.catalogue.find(request.uri().path()).map_or("-", Resource::template);
        Self {
            started: Instant::now(),
            request_id: edge.request_id(request),
            method: request.method().clone(),
            route: route.to_owned(),
            user: None,
            code: None,
            status: None,
        }
    }
}

/// The status in the log if the client closed the connection before the response, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Drop for AccessLog {
    fn drop(&mut self) {
        tracing::info!(
            request_id = self.request_id,
            method = self.method.as_str(),
            route = self.route,
            status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16()),
            code = self.code.map(Code::as_str),
            user = self.user.map(tracing::field::display),
            duration_us = self.started.elapsed().as_micros(),
            "request"
        );
    }
}

impl<E> EdgeEndpoint<E> {
    fn problem(&self, error: poem::Error, uri: &Uri) -> Problem {
        let problem = error.downcast::<Problem>().unwrap_or_else(|error| foreign(&error));
        if problem.code() != Code::MethodNotAllowed {
            return problem;
        }
        match self.edge.catalogue.find(uri.path()) {
            Some(resource) => problem.with_header(header::ALLOW, resource.allow()),
            None => problem,
        }
    }
}

/// Converts an error of poem itself. The gate rejects unknown routes first, so this occurs only where the two differ,
/// such as for a path whose percent-encoding is not UTF-8.
fn foreign(error: &poem::Error) -> Problem {
    match error.status() {
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed),
        _ => Problem::internal(error.to_string()),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The security headers of API responses (OWASP REST Security). HTML pages set their own Content-Security-Policy.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::VARY, "Authorization, Cookie, Origin"),
    // Other sites cannot embed responses or share a browser process with them. Cross-origin reads are up to CORS.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Two years, as recommended for HSTS preload lists.
const HTTPS_ONLY: &str = "max-age=63072000; includeSubDomains";

/// The paths below which no response may be stored by any cache.
const NEVER_STORED: [&str; 5] =
    ["/api/v1/auth", "/api/v1/me", "/api/v1/conversations", "/api/v1/gateway", "/api/v1/notifications"];

fn cache_control(path: &str, is_own: bool) -> &'static str {
    let is_at =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match is_own {
        _ if NEVER_STORED.into_iter().any(is_at) => "no-store",
        true => "private, no-cache",
        // Caches must revalidate it for each request. `Vary` separates it from responses to authenticated requests.
        false => "no-cache",
    }
}
