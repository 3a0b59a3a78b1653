//! The outermost layer.
//!
//! It assigns an id to every request, adds the common headers to every response, writes the access log, and has the
//! surface render every error, including panics.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use blegram_auth::Authenticated;
use blegram_domain::{Clock, RequestId, UserId};
use futures_util::FutureExt;
use poem::{
    Endpoint, Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};

use crate::{
    Rejection, Site, Surface,
    compression::Negotiation,
    cors::CorsRequest,
    headers::RequestHeader,
    metrics::{CLIENT_CLOSED_REQUEST, HttpMetrics, RouteMetrics},
    router::{Resource, Router},
    surface::ErrorCode,
};

/// The request id, for handlers that render an error response themselves.
#[derive(Debug, Clone)]
pub struct Id(pub String);

/// Headers for the response to a rejected request: data of the error.
#[derive(Debug, Clone)]
struct ErrorHeaders(Vec<(HeaderName, HeaderValue)>);

/// Adds headers for the response to `error`. Of several with the same name the first is sent, and before them the one of
/// the surface.
pub(crate) fn with_headers(mut error: poem::Error, headers: Vec<(HeaderName, HeaderValue)>) -> poem::Error {
    let earlier = error.data::<ErrorHeaders>().cloned().map(|earlier| earlier.0).unwrap_or_default();
    error.set_data(ErrorHeaders([earlier, headers].concat()));
    error
}

/// The outermost layer, before it wraps the others.
pub struct Edge {
    /// The addresses of the site.
    pub site: Arc<Site>,
    /// The clock of request ids.
    pub clock: Arc<dyn Clock>,
    /// The routes, for the access log and `Allow`.
    pub router: Arc<Router>,
    /// Renders the errors.
    pub surface: Arc<dyn Surface>,
    /// The paths below which no response may be stored by any cache.
    pub never_stored: &'static [&'static str],
    /// The paths below which responses contain credentials or other secrets, and are not compressed.
    pub never_compressed: &'static [&'static str],
    /// Counts the requests.
    pub metrics: Arc<HttpMetrics>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}

/// The endpoint of the outermost layer, with all other layers inside.
pub struct EdgeEndpoint<E> {
    edge: Edge,
    routes: RouteMetrics,
    inner: E,
}

impl<E> std::fmt::Debug for EdgeEndpoint<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeEndpoint").finish_non_exhaustive()
    }
}

impl Edge {
    /// Puts the layer around `inner`.
    pub fn wrap<E: Endpoint<Output = Response>>(self, inner: E) -> EdgeEndpoint<E> {
        let routes = RouteMetrics::new(Arc::clone(&self.metrics), &self.router);
        EdgeEndpoint { edge: self, routes, inner }
    }

    fn request_id(&self, request: &Request) -> String {
        let id = RequestHeader::RequestId.text(request.headers()).filter(|id| is_request_id(id));
        id.map_or_else(|| RequestId::generate(self.clock.now()).to_string(), ToOwned::to_owned)
    }

    fn render(&self, error: poem::Error, path: &str, request_id: &str) -> Response {
        let headers = error.data::<ErrorHeaders>().cloned();
        let mut response = self.surface.render(error, path, request_id);
        for (name, value) in headers.into_iter().flat_map(|headers| headers.0) {
            response.headers_mut().entry(name).or_insert(value);
        }
        response
    }

    /// Prepends the path of the public URL to `Location`. Handlers, and responses stored for an `Idempotency-Key`,
    /// contain the path on this server only.
    fn complete_location(&self, response: &mut Response) {
        let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let address =
            location.filter(|location| location.starts_with('/')).map(|path| self.site.address(path));
        if let Some(Ok(address)) = address.map(|address| HeaderValue::from_str(&address)) {
            response.headers_mut().insert(header::LOCATION, address);
        }
    }

    fn finish(&self, uri: &Uri, request_id: &str, is_own: bool, response: &mut Response) {
        self.complete_location(response);
        if let (StatusCode::METHOD_NOT_ALLOWED, Some(resource)) =
            (response.status(), self.router.find(uri.path()))
        {
            response.headers_mut().insert(header::ALLOW, resource.allow());
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        add_security_headers(headers, self.site.is_secure());
        let cache = HeaderValue::from_static(self.cache_control(uri.path(), is_own));
        headers.entry(header::CACHE_CONTROL).or_insert(cache);
    }

    fn cache_control(&self, path: &str, is_own: bool) -> &'static str {
        match is_own {
            _ if is_below(self.never_stored, path) => "no-store",
            true => "private, no-cache",
            // Caches must revalidate it for each request. `Vary` separates it from responses to authenticated requests.
            false => "no-cache",
        }
    }
}

/// Whether `path` is one of `prefixes` or below it.
fn is_below(prefixes: &[&str], path: &str) -> bool {
    let is_at = |prefix: &&str| {
        path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    prefixes.iter().any(is_at)
}

/// Adds the security headers that a response does not set itself. `is_https`: the public URL of the site is https.
pub(crate) fn add_security_headers(headers: &mut HeaderMap, is_https: bool) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for EdgeEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let uri = request.uri().clone();
        let mut measured = self.routes.begin(&self.edge.router, request.method(), uri.path());
        let cors_request = CorsRequest::of(&request, &self.edge.site);
        let compression =
            Negotiation::of(request.headers(), !is_below(self.edge.never_compressed, uri.path()));
        let mut line = AccessLog::begin(&self.edge, &request);
        request.set_data(Id(line.request_id.clone()));
        let running = blegram_auth::with_wait_budget(self.inner.call(request));
        let outcome = AssertUnwindSafe(running).catch_unwind().await;
        let outcome = match outcome {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                line.user = error.data::<Authenticated>().map(|viewer| viewer.user);
                Err(error)
            }
            Err(panic) => Err(Rejection::internal(panic_message(panic.as_ref())).into()),
        };
        let mut response =
            outcome.unwrap_or_else(|error| self.edge.render(error, uri.path(), &line.request_id));
        line.user = line.user.or_else(|| response.data::<Authenticated>().map(|viewer| viewer.user));
        self.edge.finish(&uri, &line.request_id, line.user.is_some(), &mut response);
        if let Some(cors_request) = cors_request {
            cors_request.add_headers(&mut response);
        }
        compression.apply(&mut response).await;
        line.code = response.data::<ErrorCode>().copied();
        line.status = Some(response.status());
        measured.status = line.status;
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
    code: Option<ErrorCode>,
    status: Option<StatusCode>,
}

impl AccessLog {
    fn begin(edge: &Edge, request: &Request) -> Self {
        let route = edge.router.find(request.uri().path()).map_or("-", Resource::template);
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

impl Drop for AccessLog {
    fn drop(&mut self) {
        tracing::info!(
            request_id = self.request_id,
            method = self.method.as_str(),
            route = self.route,
            status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16()),
            code = self.code.map(|code| code.0),
            user = self.user.map(tracing::field::display),
            duration_us = self.started.elapsed().as_micros(),
            "request"
        );
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

/// The security headers of responses (OWASP REST Security). HTML pages set their own Content-Security-Policy.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // What `default-src` does not cover is denied by name.
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::VARY, "Accept-Encoding, Authorization, Cookie, Origin"),
    // Other sites cannot embed responses or share a browser process with them. Cross-origin reads are up to CORS.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Two years, as recommended for HSTS preload lists.
const HTTPS_ONLY: &str = "max-age=63072000; includeSubDomains";
