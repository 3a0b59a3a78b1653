//! Whether a browser's request was meant: Fetch Metadata first, then `Origin`, then a token for clients
//! that send neither (OWASP CSRF Prevention; Go's `CrossOriginProtection`).

use blegram_auth::{Auth, Authenticated};
use blegram_domain::session::Kind;
use poem::{Request, http::header};

use crate::{
    Site,
    problem::{Code, Problem},
};

/// The header that carries the token, and the name it had in X-Messenger.
const HEADERS: [&str; 2] = ["x-csrf-token", "dwitter-csrf-token"];

/// Refuses a write that another site may have caused.
pub(crate) fn check(
    request: &Request,
    session: Option<&Authenticated>,
    auth: &Auth,
    site: &Site,
) -> Result<(), Problem> {
    // Another site's page cannot add a bearer without being asked for leave (CORS).
    if session.is_some_and(|session| session.kind == Kind::Native) {
        return Ok(());
    }
    let token = HEADERS.iter().find_map(|name| request.header(name));
    let has_valid_token = match (token, session) {
        (Some(token), Some(session)) => Some(auth.is_csrf_token(session.session, token)),
        _ => None,
    };
    let is_meant = has_valid_token != Some(false)
        && match (request.header("sec-fetch-site"), origin(request)) {
            (Some("same-origin" | "none"), _) => true,
            (Some(_), origin) => origin.is_some_and(|origin| site.trusts(origin)),
            (None, Some(origin)) => site.trusts(origin),
            // No browser of this decade, so nobody else's page either, unless there is a cookie to abuse.
            (None, None) => session.is_none() || has_valid_token == Some(true),
        };
    if is_meant { Ok(()) } else { Err(Problem::new(Code::CsrfRejected)) }
}

// A header that is there but no text is an origin that nobody trusts.
fn origin(request: &Request) -> Option<&str> {
    request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"))
}
