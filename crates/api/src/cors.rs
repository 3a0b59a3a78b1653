//! What pages of other origins may read (Fetch standard, CORS protocol): those that the site trusts, with the user's
//! cookie; nobody else, and never by reflection. An unknown origin gets no header at all, which is how a browser is
//! told no; whether its request is meant is for `csrf.rs`.

use poem::{
    Request, Response,
    http::{HeaderValue, Method, header},
};

use crate::{
    Site,
    headers::{self, RequestHeader},
    origin::RequestOrigin,
};

/// Seconds that a browser may remember the answer to a preflight.
const MAX_AGE: &str = "600";

/// A page of a trusted origin that asks.
#[derive(Debug)]
pub(crate) struct Asking {
    origin: HeaderValue,
    is_preflight: bool,
}

impl Asking {
    /// Who asks, if it is somebody to answer.
    pub(crate) fn of(request: &Request, site: &Site) -> Option<Self> {
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN)?;
        let is_preflight =
            request.method() == Method::OPTIONS && RequestHeader::PreflightMethod.is_present(headers);
        RequestOrigin::of(headers).is_trusted(site).then(|| Self { origin: origin.clone(), is_preflight })
    }

    /// Lets the page read `response`, whatever it says.
    pub(crate) fn answer(self, response: &mut Response) {
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
