//! The access token of native apps: `Authorization: Bearer` (RFC 6750, 2.1), and nowhere else.

use poem::http::{HeaderMap, HeaderValue};

use crate::{
    headers::RequestHeader,
    problem::{Code, Problem},
};

/// What the request names as its bearer: `None` when it names none, `Some(None)` what can be no token.
pub(crate) fn token(headers: &HeaderMap) -> Option<Option<&str>> {
    let token = RequestHeader::Authorization.values(headers).find_map(credentials)?;
    // Two headers may be read as either of them, by us and by a proxy.
    let is_single = RequestHeader::Authorization.values(headers).count() == 1;
    Some(str::from_utf8(token).ok().filter(|token| is_single && !token.is_empty()))
}

/// What follows the scheme `Bearer`; `None` for other schemes, whatever bytes follow them.
fn credentials(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    value[..end].eq_ignore_ascii_case(b"bearer").then(|| value[end..].trim_ascii())
}

/// The answer to a bearer that stands for nobody (RFC 6750, 3.1).
pub(crate) fn refusal() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"blegram\", error=\"invalid_token\"");
    Problem::with_challenge(Code::Unauthenticated, challenge).with_detail(
        "The access token in Authorization is not valid, or not any more. Get a new one, or leave it out.",
    )
}

#[cfg(test)]
mod tests {
    use poem::http::header;

    use super::*;

    #[test]
    fn bearers_are_told_from_other_schemes() {
        type Case = (&'static [&'static [u8]], Option<Option<&'static str>>);
        let table: &[Case] = &[
            (&[], None),
            (&[b"Bearer abc"], Some(Some("abc"))),
            (&[b" bEARER \t abc "], Some(Some("abc"))),
            (&[b"Bearer"], Some(None)),
            (&[b"Bearer \xff"], Some(None)),
            (&[b"Basic YTpi"], None),
            (&[b"Basic \xff\xfe"], None),
            (&[b"\xff\xfe"], None),
            (&[b"Bearerabc"], None),
            (&[b"Bearer abc", b"Bearer abc"], Some(None)),
            (&[b"Basic YTpi", b"Bearer abc"], Some(None)),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(token(&headers), *expected, "{values:?}");
        }
    }
}
