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

/// What texts name without being links: replaced where it occurs.
const NAMED: [&str; 3] = ["/problems/<code>", "/asyncapi.json", "/api/v1/gateway'"];

/// A text for people, with the addresses that it names.
pub(crate) fn in_text<'a>(base_path: &str, text: &'a str) -> Cow<'a, str> {
    if base_path.is_empty() || !NAMED.iter().any(|named| text.contains(named)) {
        return Cow::Borrowed(text);
    }
    let named =
        NAMED.iter().fold(text.to_owned(), |text, named| text.replace(named, &address(base_path, named)));
    Cow::Owned(named)
}
