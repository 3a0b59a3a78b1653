//! The access token of native apps: `Authorization: Bearer` (RFC 6750, 2.1), and nowhere else.

use poem::{
    Request,
    http::{HeaderValue, header},
};

use crate::problem::{Code, Problem};

/// What the request names as its bearer: `None` when it names none, `Some(None)` what can be no token.
pub(crate) fn token(request: &Request) -> Option<Option<&str>> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
    let first = headers.next()?;
    let Ok(text) = first.to_str() else { return Some(None) };
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let token = token.trim();
    // Two headers may be read as either of them, by us and by a proxy.
    Some((headers.next().is_none() && !token.is_empty()).then_some(token))
}

/// The answer to a bearer that stands for nobody (RFC 6750, 3.1).
pub(crate) fn refusal() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"blegram\", error=\"invalid_token\"");
    Problem::with_challenge(Code::Unauthenticated, challenge).with_detail(
        "The access token in Authorization is not valid, or not any more. Get a new one, or leave it out.",
    )
}
