//! Addresses in texts for people, as clients see them: below the path of the public URL.

use std::borrow::Cow;

pub(crate) use blegram_http::address;

/// The prefixes of addresses that occur in texts.
const ROOTS: [&str; 5] = ["/api/v1/", "/asyncapi.json", "/docs", "/openapi.", "/problems/"];

/// Inserts the path of the public URL before each address in a text for people. Addresses that follow a host, or that
/// path, are already complete and stay as they are.
pub(crate) fn in_text<'a>(base_path: &str, text: &'a str) -> Cow<'a, str> {
    if base_path.is_empty() {
        return Cow::Borrowed(text);
    }
    let is_address = |at: usize| {
        let follows_a_name =
            text[..at].ends_with(|last: char| last.is_alphanumeric() || "/.:-_}".contains(last));
        !follows_a_name && ROOTS.iter().any(|root| text[at..].starts_with(root))
    };
    let positions: Vec<usize> =
        text.match_indices('/').map(|(at, _)| at).filter(|at| is_address(*at)).collect();
    if positions.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut output = String::with_capacity(text.len() + positions.len() * base_path.len());
    let mut begin = 0;
    for at in positions {
        output.push_str(&text[begin..at]);
        output.push_str(base_path);
        begin = at;
    }
    output.push_str(&text[begin..]);
    Cow::Owned(output)
}
