//! Protection against cross-site request forgery (OWASP CSRF Prevention; Go's `CrossOriginProtection`).
//!
//! The check uses Fetch Metadata first, then `Origin`, then a token for clients that send neither.

use blegram_auth::{Auth, Authenticated};
use blegram_domain::session::Kind;
use poem::http::HeaderMap;

use crate::{Rejection, Site, headers::RequestHeader, origin::RequestOrigin};

/// The headers that may contain the token.
const HEADERS: [RequestHeader; 2] = [RequestHeader::CsrfToken, RequestHeader::DwitterCsrfToken];

/// Rejects a write that another site may have caused.
pub(crate) fn check(
    headers: &HeaderMap,
    session: Option<&Authenticated>,
    auth: &Auth,
    site: &Site,
) -> Result<(), Rejection> {
    // A page of another site cannot set Authorization without a CORS preflight.
    if session.is_some_and(|session| session.kind == Kind::Native) {
        return Ok(());
    }
    let token = HEADERS.iter().find_map(|header| header.first(headers));
    let has_valid_token = match (token, session) {
        (Some(token), Some(session)) => {
            Some(str::from_utf8(token).is_ok_and(|token| auth.is_csrf_token(session.session, token)))
        }
        _ => None,
    };
    let is_allowed = has_valid_token != Some(false)
        && match (RequestHeader::SecFetchSite.first(headers), RequestOrigin::of(headers)) {
            (Some(b"same-origin" | b"none"), _) => true,
            // Not a current browser, so not a page of another site. An old browser could still abuse a session cookie,
            // so a request with a session needs the token.
            (None, RequestOrigin::Absent) => session.is_none() || has_valid_token == Some(true),
            (_, origin) => origin.is_trusted(site),
        };
    if is_allowed { Ok(()) } else { Err(Rejection::CrossSite) }
}
