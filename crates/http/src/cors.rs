//! Cross-origin reads (Fetch standard, CORS protocol).
//!
//! Pages of trusted origins may read responses, with the user's cookie. Other origins are never reflected: they get no
//! CORS headers, so the browser denies the read. Whether a cross-origin write is allowed is checked in `csrf.rs`.

use poem::{
    Request, Response,
    http::{HeaderValue, Method, header},
};

use crate::{
    Site,
    headers::{self, RequestHeader},
    origin::RequestOrigin,
};

/// How long a browser may cache the response to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// A request from a page of a trusted origin.
#[derive(Debug)]
pub(crate) struct CorsRequest {
    origin: HeaderValue,
    is_preflight: bool,
}

impl CorsRequest {
    /// Reads the origin of a request; `None` unless it is trusted.
    pub(crate) fn of(request: &Request, site: &Site) -> Option<Self> {
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN)?;
        let is_preflight =
            request.method() == Method::OPTIONS && RequestHeader::PreflightMethod.is_present(headers);
        RequestOrigin::of(headers).is_trusted(site).then(|| Self { origin: origin.clone(), is_preflight })
    }

    /// Adds the headers that let the page read `response`, including error responses.
    pub(crate) fn add_headers(self, response: &mut Response) {
        let allow = response.headers().get(header::ALLOW).cloned();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        match allow.filter(|_| self.is_preflight) {
            Some(methods) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                let allowed = HeaderValue::from_str(&headers::allowed());
                headers.extend(allowed.map(|allowed| (header::ACCESS_CONTROL_ALLOW_HEADERS, allowed)));
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
            }
            None => {
                let exposed = HeaderValue::from_static(headers::EXPOSED);
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
        }
    }
}
