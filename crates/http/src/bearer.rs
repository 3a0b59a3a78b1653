//! The access token of native apps, which is accepted only in `Authorization: Bearer` (RFC 6750, 2.1).

use poem::http::HeaderMap;

use crate::headers::RequestHeader;

/// The bearer token of a request: `None` without one, `Some(None)` if the credentials cannot be a token.
pub fn token(headers: &HeaderMap) -> Option<Option<&str>> {
    let token = RequestHeader::Authorization.values(headers).find_map(credentials)?;
    // Of two headers, a proxy and this server may each read a different one.
    let is_single = RequestHeader::Authorization.values(headers).count() == 1;
    Some(str::from_utf8(token).ok().filter(|token| is_single && !token.is_empty()))
}

/// The credentials after the scheme `Bearer`; `None` for other schemes, with any bytes after them.
fn credentials(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    value[..end].eq_ignore_ascii_case(b"bearer").then(|| value[end..].trim_ascii())
}

/// The challenge in the response to an invalid access token (RFC 6750, 3.1).
pub const INVALID_TOKEN: &str = "Bearer realm=\"blegram\", error=\"invalid_token\"";

#[cfg(test)]
mod tests {
    use poem::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn bearer_tokens_are_distinguished_from_other_schemes() {
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
