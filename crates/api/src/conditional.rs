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
    let Ok(tag) = tag.to_str() else { return false };
    let mut known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.any(|list| names(list, tag))
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
fn names(list: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.trim() == "*" || list.split(',').any(|other| opaque(other) == opaque(tag))
}

/// What a change says that it is meant for.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<'a> FromRequest<'a> for IfMatch {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(precondition(request.headers())))
    }
}

/// What is no tag of ours matches nothing: a client that sent it does not know what it changes.
fn precondition(headers: &HeaderMap) -> Precondition {
    let values: Vec<&HeaderValue> = headers.get_all(header::IF_MATCH).iter().collect();
    let lists: Vec<&str> = values.iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() || lists.iter().any(|list| list.trim() == "*") {
        return Precondition::Any;
    }
    Precondition::OneOf(lists.iter().flat_map(|list| list.split(',')).filter_map(version).collect())
}

fn version(tag: &str) -> Option<u64> {
    let opaque = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    opaque.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &str) -> Precondition {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        precondition(&headers)
    }

    #[test]
    fn a_change_is_meant_for_the_versions_of_its_tags() {
        assert_eq!(precondition(&HeaderMap::new()), Precondition::Any);
        assert_eq!(if_match("*"), Precondition::Any);
        assert_eq!(if_match("\"3-aa\", \"4-bb\""), Precondition::OneOf(vec![3, 4]));
        for never in ["W/\"3-aa\"", "3-aa", "\"aa\"", "\"-1-aa\"", "nonsense", ""] {
            assert_eq!(if_match(never), Precondition::OneOf(Vec::new()), "{never}");
        }
    }

    #[test]
    fn readers_compare_weakly() {
        assert!(names("\"1-a\", W/\"2-b\"", "\"2-b\""));
        assert!(names("*", "\"2-b\"") && names("\"b\"", "W/\"b\""));
        assert!(!names("\"2-bb\"", "\"2-b\"") && !names("", "\"2-b\""));
    }
}
