//! The access token of native apps, which is accepted only in `Authorization: Bearer` (RFC 6750, 2.1).
//!
//! A request with an `Authorization` that this server does not understand is rejected, and not authenticated by its
//! cookie: it was meant for another account, or for a proxy that reads the header in another way.

use poem::http::HeaderMap;

use crate::{Rejection, headers::RequestHeader};

/// The access token of a request. `None` without `Authorization`, and for the scheme `Basic`: that is for a proxy in
/// front that asks for a password.
///
/// # Errors
/// [`Rejection::InvalidToken`] if the credentials of `Bearer` cannot be a token, and [`Rejection::InvalidAuthorization`]
/// for everything else, such as two headers or schemes.
pub fn token(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let mut values = RequestHeader::Authorization.values(headers);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => read(value),
        // A proxy and this server may each read a different one.
        _ => Err(Rejection::InvalidAuthorization),
    }
}

/// Reads the only `Authorization` of a request: a scheme, spaces and one word (RFC 9110, 11.4).
fn read(value: &[u8]) -> Result<Option<&str>, Rejection> {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, credentials) = (&value[..end], value[end..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        let token = str::from_utf8(credentials).ok().filter(|token| is_token(token));
        return token.map(Some).ok_or(Rejection::InvalidToken);
    }
    let is_word = !credentials.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b',');
    if scheme.eq_ignore_ascii_case(b"basic") && is_word {
        Ok(None)
    } else {
        Err(Rejection::InvalidAuthorization)
    }
}

/// Whether `text` is a `b64token` (RFC 6750, 2.1).
fn is_token(text: &str) -> bool {
    let word = text.trim_end_matches('=');
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// The challenge in the response to an invalid access token (RFC 6750, 3.1).
pub const INVALID_TOKEN: &str = "Bearer realm=\"blegram\", error=\"invalid_token\"";

#[cfg(test)]
mod tests {
    use poem::http::{HeaderValue, header};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn authorization_is_exactly_one_understood_scheme() {
        type Case = (&'static [&'static [u8]], Result<Option<&'static str>, Rejection>);
        let invalid_token = || Err(Rejection::InvalidToken);
        let invalid = || Err(Rejection::InvalidAuthorization);
        let table: &[Case] = &[
            (&[], Ok(None)),
            (&[b"Bearer abc"], Ok(Some("abc"))),
            (&[b"bEARER   abc"], Ok(Some("abc"))),
            (&[b"Bearer a-b._~+/C1=="], Ok(Some("a-b._~+/C1=="))),
            (&[b"Bearer"], invalid_token()),
            (&[b"Bearer ="], invalid_token()),
            (&[b"Bearer \xff"], invalid_token()),
            (&[b"Bearer abc def"], invalid_token()),
            (&[b"Bearer abc, Basic YTpi"], invalid_token()),
            (&[b"Bearer abc,Bearer abc"], invalid_token()),
            (&[b"Bearer\tabc"], invalid()),
            (&[b"Bearerabc"], invalid()),
            (&[b"Bearer,abc"], invalid()),
            (&[b"Basic YTpi"], Ok(None)),
            (&[b"basic"], Ok(None)),
            (&[b"Basic \xff\xfe"], Ok(None)),
            (&[b"Basic\tYTpi"], invalid()),
            (&[b"Basic YTpi, Bearer abc"], invalid()),
            (&[b"Basic YTpi,Bearer abc"], invalid()),
            (&[b"Basic YTpi Bearer abc"], invalid()),
            (&[b"Digest username=\"ann\""], invalid()),
            (&[b"Token abc"], invalid()),
            (&[b"abc"], invalid()),
            (&[b""], invalid()),
            (&[b"\xff\xfe"], invalid()),
            (&[b"Bearer abc", b"Bearer abc"], invalid()),
            (&[b"Basic YTpi", b"Bearer abc"], invalid()),
            (&[b"Bearer abc", b"Basic YTpi"], invalid()),
            (&[b"Basic YTpi", b"Basic YTpi"], invalid()),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(format!("{:?}", token(&headers)), format!("{expected:?}"), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn authorization_of_any_bytes_is_a_token_or_rejected(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            like in "([Bb]earer|BASIC|basic|Digest)[ \t]{0,2}[A-Za-z0-9._~+/= ,-]{0,40}",
        ) {
            for value in [bytes, like.into_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
                let mut headers = HeaderMap::new();
                headers.append(header::AUTHORIZATION, value.clone());
                if let Ok(Some(token)) = token(&headers) {
                    prop_assert!(value.as_bytes()[..6].eq_ignore_ascii_case(b"bearer"));
                    prop_assert!(value.as_bytes().ends_with(token.as_bytes()) || value.as_bytes().ends_with(b" "));
                    prop_assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
                }
                // A second header makes it ambiguous.
                headers.append(header::AUTHORIZATION, value);
                prop_assert!(super::token(&headers).is_err());
            }
        }
    }
}
