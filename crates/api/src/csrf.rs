//! Whether a browser's request was meant: Fetch Metadata first, then `Origin`, then a token for clients
//! that send neither (OWASP CSRF Prevention; Go's `CrossOriginProtection`).

use blegram_auth::{Auth, Authenticated};
use blegram_domain::session::Kind;
use poem::http::HeaderMap;

use crate::{
    Site,
    headers::RequestHeader,
    origin::RequestOrigin,
    problem::{Code, Problem},
};

/// The headers that may carry the token.
const HEADERS: [RequestHeader; 2] = [RequestHeader::CsrfToken, RequestHeader::DwitterCsrfToken];

/// Refuses a write that another site may have caused.
pub(crate) fn check(
    headers: &HeaderMap,
    session: Option<&Authenticated>,
    auth: &Auth,
    site: &Site,
) -> Result<(), Problem> {
    // Another site's page cannot add a bearer without being asked for leave (CORS).
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
    let is_meant = has_valid_token != Some(false)
        && match (RequestHeader::SecFetchSite.first(headers), RequestOrigin::of(headers)) {
            (Some(b"same-origin" | b"none"), _) => true,
            // No browser of this decade, so nobody else's page either, unless there is a cookie to abuse.
            (None, RequestOrigin::Absent) => session.is_none() || has_valid_token == Some(true),
            (_, origin) => origin.is_trusted(site),
        };
    if is_meant { Ok(()) } else { Err(Problem::new(Code::CsrfRejected)) }
}
