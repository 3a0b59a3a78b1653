//! Addresses as clients use them. The public URL may have a path, which a proxy in front takes off each request: the
//! server answers without it, and writes it into every address that it gives away.

use std::borrow::Cow;

/// The path of the public URL, empty for the root of a host.
///
/// ```
/// assert_eq!(blegram_api::base_path("https://example.org/forum"), "/forum");
/// assert_eq!(blegram_api::base_path("https://example.org"), "");
/// ```
pub fn base_path(public_url: &str) -> &str {
    let rest = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// The address of `path`, without scheme and host.
pub(crate) fn address(base_path: &str, path: &str) -> String {
    format!("{base_path}{path}")
}

/// What the addresses that texts name begin with.
const ROOTS: [&str; 5] = ["/api/v1/", "/asyncapi.json", "/docs", "/openapi.", "/problems/"];

/// A text for people, with the path of the public URL before each address that it names. One that follows a host, or the
/// path itself, is complete.
pub(crate) fn in_text<'a>(base_path: &str, text: &'a str) -> Cow<'a, str> {
    if base_path.is_empty() {
        return Cow::Borrowed(text);
    }
    let is_named = |at: usize| {
        let follows_a_name =
            text[..at].ends_with(|last: char| last.is_alphanumeric() || "/.:-_}".contains(last));
        !follows_a_name && ROOTS.iter().any(|root| text[at..].starts_with(root))
    };
    let places: Vec<usize> = text.match_indices('/').map(|(at, _)| at).filter(|at| is_named(*at)).collect();
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut named = String::with_capacity(text.len() + places.len() * base_path.len());
    let mut begin = 0;
    for at in places {
        named.push_str(&text[begin..at]);
        named.push_str(base_path);
        begin = at;
    }
    named.push_str(&text[begin..]);
    Cow::Owned(named)
}
