//! The cookies of browsers: the session, and the proof of an earlier login on the same device.
//!
//! This module writes and parses it without poem's cookie jar: the jar omits `Secure` and `Path` when it removes a
//! cookie, so browsers do not delete it.

use std::time::Duration;

use blegram_auth::{Auth, DeviceToken, PendingToken, SessionToken, StartedLogin, external_login};
use poem::http::{HeaderMap, HeaderValue};

use crate::{Rejection, Site, headers::RequestHeader};

/// The name of the cookie on `site`. On https it has the prefix `__Host-`, with which browsers reject the cookie
/// without `Secure`, from subdomains and over plain http (RFC 6265bis, 4.1.3.2).
fn name(site: &Site) -> &'static str {
    if site.is_secure() { "__Host-auth-blegram" } else { "auth-blegram" }
}

/// The name of the device cookie on `site`.
fn device_name(site: &Site) -> &'static str {
    if site.is_secure() { "__Host-device-blegram" } else { "device-blegram" }
}

/// The header that sets a cookie for `lifetime`. A session may end earlier on the server.
fn set(site: &Site, name: &str, token: &str, lifetime: Duration) -> Result<HeaderValue, Rejection> {
    let seconds = lifetime.as_secs();
    let text = format!("{name}={token}; Max-Age={seconds}{}", attributes(site));
    let mut value = HeaderValue::from_str(&text).map_err(Rejection::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header that sets the cookie for the maximum lifetime of a browser session.
pub fn of_browser(site: &Site, auth: &Auth, token: &SessionToken) -> Result<HeaderValue, Rejection> {
    set(site, name(site), token.expose(), auth.session_lifetimes().browser.absolute)
}

/// The header that sets the device cookie, which a logout leaves.
pub fn of_device(site: &Site, token: &DeviceToken) -> Result<HeaderValue, Rejection> {
    set(site, device_name(site), token.expose(), DeviceToken::LIFETIME)
}

/// The name of the cookie of the login with `suffix`. Each has its own, because a user may begin several at once.
fn login_name(site: &Site, suffix: &str) -> String {
    if site.is_secure() { format!("__Host-login-{suffix}") } else { format!("login-{suffix}") }
}

/// The header that binds a login with another provider to the browser.
pub fn of_login(site: &Site, login: &StartedLogin) -> Result<HeaderValue, Rejection> {
    set(site, &login_name(site, &login.cookie_suffix), login.browser.expose(), external_login::LIFETIME)
}

/// The value of the cookie of a login.
pub fn login<'a>(headers: &'a HeaderMap, site: &Site, suffix: &str) -> Option<&'a str> {
    find(headers, &login_name(site, suffix))
}

/// The header that removes the cookie of a login.
pub fn remove_login(site: &Site, suffix: &str) -> HeaderValue {
    removal(site, &login_name(site, suffix))
}

fn sign_up_name(site: &Site) -> &'static str {
    if site.is_secure() { "__Host-signup-blegram" } else { "signup-blegram" }
}

/// The header that stores the proof of a first login until a username is chosen.
pub fn of_sign_up(site: &Site, token: &PendingToken) -> Result<HeaderValue, Rejection> {
    set(site, sign_up_name(site), token.expose(), external_login::SIGN_UP_LIFETIME)
}

/// The value of the sign-up cookie.
pub fn sign_up<'a>(headers: &'a HeaderMap, site: &Site) -> Option<&'a str> {
    find(headers, sign_up_name(site))
}

/// The header that removes the sign-up cookie.
pub fn remove_sign_up(site: &Site) -> HeaderValue {
    removal(site, sign_up_name(site))
}

/// The value of the device cookie in a request.
pub fn device<'a>(headers: &'a HeaderMap, site: &Site) -> Option<&'a str> {
    values(headers, device_name(site)).next()
}

/// The header that removes the cookie.
pub fn remove(site: &Site) -> HeaderValue {
    removal(site, name(site))
}

fn removal(site: &Site, name: &str) -> HeaderValue {
    let text = format!("{name}=; Max-Age=0{}", attributes(site));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn attributes(site: &Site) -> &'static str {
    if site.is_secure() {
        "; Path=/; Secure; HttpOnly; SameSite=Lax"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}

/// The maximum number of session cookies that are looked up per request.
const MAX_TOKENS: usize = 4;

/// The non-empty values of the session cookie in a request. On https the prefix limits them to one; on http a page
/// below another path may have stored another cookie of the same name.
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, site: &Site) -> impl Iterator<Item = &'a str> {
    values(headers, name(site)).take(MAX_TOKENS)
}

/// The first non-empty value of one cookie.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let (_, value) = pairs(headers).find(|(key, value)| *key == name.as_bytes() && !value.is_empty())?;
    str::from_utf8(value).ok()
}

/// The non-empty values of one cookie.
fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    pairs(headers)
        .filter(move |(key, value)| *key == name.as_bytes() && !value.is_empty())
        .filter_map(|(_, value)| str::from_utf8(value).ok())
}

/// The cookies of a request (RFC 6265, 4.2 and 5.4), in order. Other applications on the host choose their own names
/// and values, so these can be any bytes. A malformed pair is skipped and does not affect the others.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let values = RequestHeader::Cookie.values(headers);
    values.flat_map(|value| value.split(|byte| *byte == b';')).filter_map(read_pair)
}

fn read_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
    // The grammar allows quotes around a value and some clients add them.
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some((name, quoted.unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use poem::http::header;
    use proptest::prelude::*;

    use super::*;

    fn site(public_url: &str) -> Site {
        Site { public_url: public_url.to_owned(), origins: Vec::new(), trusted_proxies: Vec::new() }
    }

    fn tokens_of(headers: &[&[u8]]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        tokens(&map, &site("http://127.0.0.1:8080")).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn session_tokens_are_found_among_other_cookies() {
        let table: &[(&[&[u8]], &[&str])] = &[
            (&[b"auth-blegram=a"], &["a"]),
            (&["utm=가을세일; auth-blegram=a".as_bytes()], &["a"]),
            (&["auth-blegram=a; utm=가을세일".as_bytes()], &["a"]),
            (&["가을=세일; auth-blegram=a".as_bytes()], &["a"]),
            (&[b"x=\xff\xfe; auth-blegram=a; y=\x80"], &["a"]),
            (&[b"x=\xff", b"auth-blegram=a"], &["a"]),
            (&[b"auth-blegram=a", b"auth-blegram=b"], &["a", "b"]),
            (&[b"auth-blegram=\xff; auth-blegram=b"], &["b"]),
            (&[b"auth-blegram; auth-blegram=b"], &["b"]),
            (&[b"auth-blegram=; auth-blegram=\"\"; auth-blegram=b"], &["b"]),
            (&[b"auth-blegram=\"a\""], &["a"]),
            (&[b"x=\"; auth-blegram=a; y=\""], &["a"]),
            (&[b"  auth-blegram = a\t"], &["a"]),
            (&[b"x=1;auth-blegram=a;y=2"], &["a"]),
            (&[b";;=; ;auth-blegram=a;"], &["a"]),
            (&[b"auth-blegram=a=b"], &["a=b"]),
            (&[b"AUTH-BLEGRAM=a; xauth-blegram=a; auth-blegram2=a; __Host-auth-blegram=a"], &[]),
            (&[b"x=auth-blegram=a, auth-blegram=a"], &[]),
            (&[], &[]),
        ];
        for (headers, expected) in table {
            assert_eq!(tokens_of(headers), *expected, "{headers:?}");
        }
        assert_eq!(tokens_of(&[b"auth-blegram=a; ".repeat(50).as_slice()]).len(), MAX_TOKENS);
        let mut secure = HeaderMap::new();
        secure.append(header::COOKIE, HeaderValue::from_static("auth-blegram=a; __Host-auth-blegram=b"));
        assert!(tokens(&secure, &site("https://blegram.example")).eq(["b"]));
    }

    proptest! {
        #[test]
        fn other_cookies_do_not_hide_the_session(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            after in proptest::collection::vec(any::<u8>(), 0..40),
            is_split in any::<bool>(),
        ) {
            // Removes the bytes that a header cannot contain.
            let clean = |bytes: Vec<u8>| -> Vec<u8> {
                bytes.into_iter().filter(|byte| *byte == b'\t' || *byte >= 32 && *byte != 127).collect()
            };
            let (before, after) = (clean(before), clean(after));
            let session = b"auth-blegram=bls_abc";
            let headers = if is_split {
                vec![before, session.to_vec(), after]
            } else {
                vec![[&before[..], b"; ", session, b"; ", &after].concat()]
            };
            let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
            prop_assert!(tokens_of(&headers).contains(&"bls_abc".to_owned()));
        }
    }
}
