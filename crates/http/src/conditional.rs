//! Entity tags and preconditions (RFC 9110, 8.8.3 and 13).
//!
//! The tag of a resource is `"<version>-<hash>"`: the version counts its owner's edits, the hash is that of the body.
//! `If-None-Match` compares whole tags, and answers 304 to a client that has the same body. `If-Match` compares the
//! version alone, so that another user's like does not make the author's edit fail with 412. Pages have weak tags, made
//! of the hash.

use blegram_domain::version::Precondition;
use poem::{
    FromRequest, Request, RequestBody, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use twox_hash::XxHash3_128;

use crate::headers::RequestHeader;

/// The tag of a resource in `version` whose representation is `body`.
pub fn strong(version: u64, body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}-{:032x}\"", XxHash3_128::oneshot(body))).ok()
}

/// The weak tag of a page: an equal body does not prove that it contains the same resources.
pub fn weak(body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("W/\"{}\"", hash(body))).ok()
}

/// The hash of a body, for a tag.
pub fn hash(body: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(body))
}

/// Whether `If-None-Match` of a request contains `tag`.
pub fn if_none_match_contains(request_headers: &HeaderMap, tag: &HeaderValue) -> bool {
    RequestHeader::IfNoneMatch.values(request_headers).any(|list| contains_tag(list, tag.as_bytes()))
}

/// Turns a 200 into a 304 without body if the client already has it. `request_headers` are those of a GET request.
pub(crate) fn apply_if_none_match(request_headers: &HeaderMap, response: &mut Response) {
    let Some(tag) = response.headers().get(header::ETAG) else { return };
    if response.status() == StatusCode::OK && if_none_match_contains(request_headers, tag) {
        response.set_status(StatusCode::NOT_MODIFIED);
        // What describes a body that is not sent (RFC 9110, 15.4.5).
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_ENCODING);
        response.take_body();
    }
}

/// Whether a list of tags contains `tag`, by weak comparison.
fn contains_tag(list: &[u8], tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    is_any(list) || tags(list).any(|other| other == opaque)
}

fn is_any(list: &[u8]) -> bool {
    list.trim_ascii() == b"*"
}

/// The tags of a list, without the prefix `W/` of weak ones. They are quoted and may contain commas and non-ASCII bytes
/// (RFC 9110, 8.8.3). An element that is not a tag is skipped; the others count.
fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    // `headers::IfNoneMatch` and `IfMatch` skip a whole list if a byte of it is not ASCII, and do not give access to the
    // tags, of which `If-Match` needs the versions.
    std::iter::from_fn(move || {
        loop {
            list = list.trim_ascii_start();
            let (&first, rest) = list.split_first()?;
            if first == b',' {
                list = rest;
                continue;
            }
            let (tag, rest) = split_tag(list);
            list = rest;
            if tag.is_some() {
                return tag;
            }
        }
    })
}

/// Splits the first tag off a list; `None` if the first element is not a tag.
fn split_tag(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let opaque = list.strip_prefix(b"W/").unwrap_or(list);
    let quote = opaque.strip_prefix(b"\"").and_then(|text| text.iter().position(|byte| *byte == b'"'));
    if let Some((tag, rest)) = quote.map(|at| opaque.split_at(at + 2))
        && matches!(rest.trim_ascii_start(), [] | [b',', ..])
    {
        return (Some(tag), rest);
    }
    (None, list.iter().position(|byte| *byte == b',').map_or(&[], |at| &list[at..]))
}

/// The precondition of a write request, from its `If-Match` header.
#[derive(Debug)]
pub struct IfMatch(pub Precondition);

impl<'a> FromRequest<'a> for IfMatch {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(precondition(request.headers())))
    }
}

/// The versions that `If-Match` allows; without the header, or with `*`, any version. Only the version of a tag counts,
/// so the weak form that proxies make of a tag when they compress a response matches, too. A tag that this server did
/// not issue matches nothing: a client that sends one does not know what it changes.
fn precondition(headers: &HeaderMap) -> Precondition {
    let lists = || RequestHeader::IfMatch.values(headers);
    if !RequestHeader::IfMatch.is_present(headers) || lists().any(is_any) {
        return Precondition::Any;
    }
    Precondition::OneOf(lists().flat_map(tags).filter_map(version).collect())
}

fn version(tag: &[u8]) -> Option<u64> {
    let opaque = tag.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let version = opaque.split(|byte| *byte == b'-').next().filter(|version| version.len() < opaque.len())?;
    let is_number = version.iter().all(u8::is_ascii_digit);
    str::from_utf8(version).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn if_match(value: &[u8]) -> Precondition {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_bytes(value).unwrap());
        precondition(&headers)
    }

    #[test]
    fn if_match_is_parsed_into_versions() {
        assert_eq!(precondition(&HeaderMap::new()), Precondition::Any);
        assert_eq!(if_match(b"*"), Precondition::Any);
        assert_eq!(if_match(b" * "), Precondition::Any);
        assert_eq!(if_match(b"\"3-aa\", \"4-bb\""), Precondition::OneOf(vec![3, 4]));
        assert_eq!(if_match(b"W/\"3-aa\""), Precondition::OneOf(vec![3]), "as nginx sends it after gzip");
        assert_eq!(if_match(b"W/\"3-aa\",\"4-bb\" , W/\"5-cc\""), Precondition::OneOf(vec![3, 4, 5]));
        assert_eq!(if_match(b"\"3-aa-gzip\""), Precondition::OneOf(vec![3]), "as Apache sends it after gzip");
        assert_eq!(if_match(b"nonsense, \"\xff\", \"a,b\", \"3-aa\""), Precondition::OneOf(vec![3]));
        for never in [
            "3-aa",
            "\"aa\"",
            "\"-1-aa\"",
            "\"+1-aa\"",
            "nonsense",
            "",
            "\"3\"",
            "w/\"3-aa\"",
            "\"3-aa",
            "W/3-aa",
            "\"99999999999999999999-aa\"",
            "\"3-aa\" \"4-bb\"",
        ] {
            assert_eq!(if_match(never.as_bytes()), Precondition::OneOf(Vec::new()), "{never}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert!(contains_tag(b"\"1-a\", W/\"2-b\"", b"\"2-b\""));
        assert!(contains_tag(b"*", b"\"2-b\"") && contains_tag(b"\"b\"", b"W/\"b\""));
        assert!(contains_tag(b"\"\xea\xb0\x80\", \"a,b\", nonsense, \"2-b\"", b"\"2-b\""));
        assert!(!contains_tag(b"\"2-bb\"", b"\"2-b\"") && !contains_tag(b"", b"\"2-b\""));
        assert!(!contains_tag(b"\"a,2-b\"", b"\"2-b\""), "inside another tag");
    }

    proptest! {
        #[test]
        fn tag_is_found_in_a_list(
            others in proptest::collection::vec("(W/)?\"[!#-~\u{80}-\u{ff}]{0,8}\"|[a-z/]{1,5}| ?", 0..6),
            at in 0_usize..6,
            is_weak in any::<bool>(),
        ) {
            let ours = if is_weak { "W/\"7-ab\"" } else { "\"7-ab\"" };
            let mut list = others;
            list.insert(at.min(list.len()), ours.to_owned());
            let list = list.join(",");
            prop_assert!(contains_tag(list.as_bytes(), b"\"7-ab\""), "{}", list);
            prop_assert!(if_match(list.as_bytes()).is_met(7), "{}", list);
        }
    }
}
