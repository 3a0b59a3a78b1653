//! Entity tags and preconditions (RFC 9110, 8.8.3 and 13).
//!
//! The tag of a thing is `"<version>-<hash>"`: the version counts its owner's edits, the hash is of the body. A reader
//! who has the same body is told so (304); a change is refused by the version alone, so that a stranger's like does not
//! break its author's edit.

use blegram_domain::version::Precondition;
use poem::{
    FromRequest, Request, RequestBody, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use twox_hash::XxHash3_128;

use crate::headers::RequestHeader;

/// The tag of a thing in `version`, as `body` says it.
pub(crate) fn strong(version: u64, body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}-{:032x}\"", XxHash3_128::oneshot(body))).ok()
}

/// The tag of a page: things in it may look the same and be others.
pub(crate) fn weak(body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("W/\"{:032x}\"", XxHash3_128::oneshot(body))).ok()
}

/// Whether a reader has what has `tag`.
pub(crate) fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    RequestHeader::IfNoneMatch.values(asked).any(|list| names(list, tag.as_bytes()))
}

/// Answers 304 to a reader who has the body already. `asked` are the headers of a GET.
pub(crate) fn shorten(asked: &HeaderMap, response: &mut Response) {
    let Some(tag) = response.headers().get(header::ETAG) else { return };
    if response.status() == StatusCode::OK && is_known(asked, tag) {
        response.set_status(StatusCode::NOT_MODIFIED);
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.take_body();
    }
}

/// Whether a list of tags has `tag`, compared weakly.
fn names(list: &[u8], tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    is_any(list) || tags(list).any(|other| other == opaque)
}

fn is_any(list: &[u8]) -> bool {
    list.trim_ascii() == b"*"
}

/// The tags of a list without what says that they are weak. They are quoted and may hold commas and bytes beyond ASCII
/// (RFC 9110, 8.8.3); what is no tag is skipped, and the others stay.
fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
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

/// The tag at the beginning of a list, and what follows it.
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

/// What a change says that it is meant for.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<'a> FromRequest<'a> for IfMatch {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(precondition(request.headers())))
    }
}

/// Which versions a change is meant for. Only the version of a tag counts, so the weak form that proxies make of it when
/// they compress an answer is as good. What is no tag of ours matches nothing: a client that sent it does not know what it
/// changes.
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
    fn a_change_is_meant_for_the_versions_of_its_tags() {
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
    fn readers_compare_weakly() {
        assert!(names(b"\"1-a\", W/\"2-b\"", b"\"2-b\""));
        assert!(names(b"*", b"\"2-b\"") && names(b"\"b\"", b"W/\"b\""));
        assert!(names(b"\"\xea\xb0\x80\", \"a,b\", nonsense, \"2-b\"", b"\"2-b\""));
        assert!(!names(b"\"2-bb\"", b"\"2-b\"") && !names(b"", b"\"2-b\""));
        assert!(!names(b"\"a,2-b\"", b"\"2-b\""), "inside another tag");
    }

    proptest! {
        #[test]
        fn a_tag_is_found_among_others(
            others in proptest::collection::vec("(W/)?\"[!#-~\u{80}-\u{ff}]{0,8}\"|[a-z/]{1,5}| ?", 0..6),
            at in 0_usize..6,
            is_weak in any::<bool>(),
        ) {
            let ours = if is_weak { "W/\"7-ab\"" } else { "\"7-ab\"" };
            let mut list = others;
            list.insert(at.min(list.len()), ours.to_owned());
            let list = list.join(",");
            prop_assert!(names(list.as_bytes(), b"\"7-ab\""), "{}", list);
            prop_assert!(if_match(list.as_bytes()).holds(7), "{}", list);
        }
    }
}
