//! Compression of responses (RFC 9110, 8.4 and 12.5.3).
//!
//! The edge compresses text of at least [`MIN_BYTES`] for clients that accept it. It leaves three kinds of responses as they
//! are: those with secrets ([`Edge::never_compressed`](crate::Edge)), because the length of a compressed response says
//! something about its content (the BREACH attack); those that have a `Content-Encoding`; and streams, whose length
//! is not known, such as image files.
//!
//! A compressed response is another representation, so its entity tag is weak. The version in the tag stays readable, so
//! `If-Match` accepts it.

use std::{io::Write, sync::OnceLock};

use bytes::Bytes;
use flate2::write::GzEncoder;
use hyper::body::Body as _;
use poem::{
    Body, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};

use crate::headers::RequestHeader;

/// Below this size, compression saves no packet.
pub const MIN_BYTES: u64 = 1024;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

/// How much time to spend on a compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For a response that is sent once.
    Quick,
    /// For a file that is compressed once and sent often.
    Thorough,
}

impl Coding {
    /// All codings, the cheapest for the same size first.
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The coding that the client prefers, by the weights in its `Accept-Encoding`; of those with the same weight, the
    /// first of zstd, br and gzip. `None` if it accepts none of them, or prefers an uncompressed response. `*` does not
    /// count as naming a coding.
    pub fn preferred(request_headers: &HeaderMap) -> Option<Self> {
        let mut weights = [0.0; Self::ALL.len()];
        let mut identity = 0.0;
        for (name, weight) in RequestHeader::AcceptEncoding.weighted(request_headers) {
            match Self::named(name) {
                Some(coding) => weights[coding as usize] = weight,
                None if name.eq_ignore_ascii_case("identity") => identity = weight,
                None => {}
            }
        }
        let best = weights.into_iter().fold(0.0, f32::max);
        let first = Self::ALL.into_iter().find(|coding| weights[*coding as usize] >= best);
        first.filter(|_| best > 0.0 && best >= identity)
    }

    /// Whether the client accepts this coding.
    pub fn is_accepted(self, request_headers: &HeaderMap) -> bool {
        let mut accepted = RequestHeader::AcceptEncoding.weighted(request_headers);
        accepted.any(|(name, weight)| Self::named(name) == Some(self) && weight > 0.0)
    }

    /// The name in `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    /// Compresses `text`.
    #[expect(clippy::expect_used, reason = "writing to memory does not fail")]
    pub fn compress(self, text: &[u8], effort: Effort) -> Vec<u8> {
        match self {
            Self::Zstd => zstd::bulk::compress(text, effort.of(3, 12)).expect("zstd has valid parameters"),
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: effort.of(4, 9),
                    lgwin: 18,
                    size_hint: text.len(),
                    ..Default::default()
                };
                let mut output = Vec::with_capacity(text.len() / 4);
                brotli::BrotliCompress(&mut &*text, &mut output, &params).expect("a Vec accepts everything");
                output
            }
            Self::Gzip => {
                let level = flate2::Compression::new(effort.of(5, 9));
                let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), level);
                encoder.write_all(text).and_then(|()| encoder.finish()).expect("a Vec accepts everything")
            }
        }
    }
}

impl Effort {
    const fn of<T: Copy>(self, quick: T, thorough: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Thorough => thorough,
        }
    }
}

/// A text that is served as it is, and compressed on its first request for each coding.
#[derive(Debug)]
pub struct Precompressed {
    plain: Bytes,
    compressed: [OnceLock<Bytes>; Coding::ALL.len()],
}

impl Precompressed {
    /// Takes the text.
    pub fn new(plain: impl Into<Bytes>) -> Self {
        Self { plain: plain.into(), compressed: Default::default() }
    }

    /// The response with the text in the coding that the client prefers, without other headers than those about the
    /// coding.
    pub fn response(&self, request_headers: &HeaderMap) -> Response {
        let coding = Coding::preferred(request_headers).filter(|_| self.plain.len() as u64 >= MIN_BYTES);
        let Some(coding) = coding else { return Response::builder().body(self.plain.clone()) };
        let compress = || Bytes::from(coding.compress(&self.plain, Effort::Thorough));
        let compressed = self.compressed[coding as usize].get_or_init(compress);
        Response::builder().header(header::CONTENT_ENCODING, coding.name()).body(compressed.clone())
    }
}

/// What a request says about the compression of its response.
pub(crate) struct Negotiation {
    coding: Option<Coding>,
    known: Option<HeaderValue>,
}

impl Negotiation {
    /// Reads the request; `is_allowed` is false for a response with secrets.
    pub(crate) fn of(request_headers: &HeaderMap, is_allowed: bool) -> Self {
        let coding = Coding::preferred(request_headers).filter(|_| is_allowed);
        Self {
            coding,
            known: request_headers.get(header::IF_NONE_MATCH).filter(|_| coding.is_some()).cloned(),
        }
    }

    /// Compresses the response, if the client accepts it and it is worth it.
    pub(crate) async fn apply(self, response: &mut Response) {
        let Some(coding) = self.coding else { return };
        if response.status() == StatusCode::NOT_MODIFIED {
            return self.name_known_tag(response);
        }
        if response.headers().contains_key(header::CONTENT_ENCODING) || !is_text(response.headers()) {
            return;
        }
        let Some(text) = take_text(response).await else { return };
        let compressed = coding.compress(&text, Effort::Quick);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        weaken_tag(response.headers_mut());
        response.set_body(compressed);
    }

    /// A 304 has the tag of the representation that the client has: the weak one, if that was compressed.
    fn name_known_tag(&self, response: &mut Response) {
        let tag = response.headers().get(header::ETAG).map(HeaderValue::as_bytes).unwrap_or_default();
        let known = self.known.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        let weak = [b"W/", tag].concat();
        if tag.starts_with(b"\"") && known.windows(weak.len()).any(|part| part == weak) {
            weaken_tag(response.headers_mut());
        }
    }
}

/// Whether files of this media type are text, which compression makes smaller.
pub fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || TEXTS.contains(&essence)
}

/// The media types of texts outside `text/`.
const TEXTS: [&str; 5] = [
    "application/json",
    "application/manifest+json",
    "application/problem+json",
    "application/yaml",
    "image/svg+xml",
];

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    is_compressible(content_type.unwrap_or_default())
}

/// Takes the body, if it is in memory and large enough.
async fn take_text(response: &mut Response) -> Option<Bytes> {
    let body: http_body_util::combinators::BoxBody<Bytes, std::io::Error> = response.take_body().into();
    let is_large = body.size_hint().exact().is_some_and(|size| size >= MIN_BYTES);
    let body = Body::from(body);
    if !is_large {
        response.set_body(body);
        return None;
    }
    body.into_bytes().await.ok()
}

fn weaken_tag(headers: &mut HeaderMap) {
    let strong = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    let weak = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn headers(accept_encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_str(accept_encoding).unwrap())])
    }

    #[test]
    fn coding_is_chosen_by_weight_then_by_cost() {
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip", Some(Coding::Gzip)),
            ("GZIP ; q=0.5", Some(Coding::Gzip)),
            ("zstd;q=0.5, br;Q=0.8, gzip;q=0.8", Some(Coding::Brotli)),
            ("zstd;q=0, br;q=0.000, gzip;q=0.001", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("identity;q=0, *;q=0", None),
            ("", None),
            ("*", None),
            ("gzipped, deflate", None),
            ("gzip;q=much", None),
            ("gzip;q=NaN, br;q=inf", None),
        ] {
            assert_eq!(Coding::preferred(&headers(accepted)), expected, "{accepted}");
        }
        assert_eq!(Coding::preferred(&HeaderMap::new()), None);
        assert!(Coding::Gzip.is_accepted(&headers("br, gzip;q=0.1")));
        assert!(!Coding::Gzip.is_accepted(&headers("br, gzip;q=0")));
    }

    fn decompress(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match coding {
            Coding::Zstd => zstd::stream::copy_decode(bytes, &mut text).unwrap(),
            Coding::Brotli => brotli::BrotliDecompress(&mut &*bytes, &mut text).unwrap(),
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).map(drop).unwrap(),
        }
        text
    }

    proptest::proptest! {
        #[test]
        fn compressed_text_is_the_same(text in "\\PC{0,4000}") {
            for coding in Coding::ALL {
                for effort in [Effort::Quick, Effort::Thorough] {
                    let compressed = coding.compress(text.as_bytes(), effort);
                    proptest::prop_assert_eq!(decompress(coding, &compressed), text.as_bytes());
                }
            }
        }
    }

    fn response(content_type: &str, size: usize) -> Response {
        Response::builder().content_type(content_type).header(header::ETAG, "\"3-ab\"").body("a".repeat(size))
    }

    async fn applied(request_headers: &HeaderMap, is_allowed: bool, mut response: Response) -> Response {
        Negotiation::of(request_headers, is_allowed).apply(&mut response).await;
        response
    }

    #[tokio::test]
    async fn texts_are_compressed_and_get_a_weak_tag() {
        let accepts = headers("gzip");
        for content_type in ["application/json", "text/html; charset=utf-8", "application/problem+json"] {
            let mut compressed = applied(&accepts, true, response(content_type, 1024)).await;
            assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
            assert_eq!(compressed.headers()[header::ETAG], "W/\"3-ab\"");
            let bytes = compressed.take_body().into_bytes().await.unwrap();
            assert_eq!(decompress(Coding::Gzip, &bytes), "a".repeat(1024).as_bytes());
        }
    }

    #[tokio::test]
    async fn small_foreign_and_secret_responses_stay_as_they_are() {
        let accepts = headers("gzip");
        let mut compressed = response("text/css", 2000);
        compressed.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 2000]))]);
        let stream =
            Response::builder().content_type("application/json").body(Body::from_bytes_stream(stream));
        for (response, is_allowed, size) in [
            (response("application/json", 1023), true, 1023),
            (response("image/webp", 2000), true, 2000),
            (response("application/json", 2000), false, 2000),
            (compressed, true, 2000),
            (stream, true, 2000),
        ] {
            let (before, mut after) =
                (response.headers().clone(), applied(&accepts, is_allowed, response).await);
            assert_eq!(*after.headers(), before);
            assert_eq!(after.take_body().into_bytes().await.unwrap().len(), size);
        }
    }

    #[tokio::test]
    async fn tag_of_304_is_the_one_that_the_client_has() {
        for (known, expected) in [("W/\"3-ab\"", "W/\"3-ab\""), ("\"3-ab\"", "\"3-ab\""), ("*", "\"3-ab\"")] {
            let mut request_headers = headers("gzip");
            request_headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(known));
            let not_modified =
                Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, "\"3-ab\"");
            let answer = applied(&request_headers, true, not_modified.finish()).await;
            assert_eq!(answer.headers()[header::ETAG], expected, "{known}");
        }
    }

    #[test]
    fn precompressed_text_is_served_in_each_coding() {
        let file = Precompressed::new("text ".repeat(400));
        for coding in Coding::ALL {
            let accepts = headers(coding.name());
            assert_eq!(file.response(&accepts).headers()[header::CONTENT_ENCODING], coding.name());
        }
        assert!(file.response(&HeaderMap::new()).headers().get(header::CONTENT_ENCODING).is_none());
    }
}
