//! The request headers that the API reads, and the response headers that pages may read: one list for the parsers and for
//! CORS.
//!
//! Values are bytes (RFC 9110, 5.5). Browsers send whatever other applications of the site stored in its cookies, and
//! proxies pass on what they got, so a value is never dropped as a whole because a part of it is not ASCII: each parser
//! splits the bytes and skips only the part that it cannot read.

use poem::http::{HeaderMap, HeaderValue};

macro_rules! request_headers {
    (@is allowed) => { true };
    (@is) => { false };
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(, $allowed:ident)?;)*) => {
        /// A request header that the API reads. Read headers through this, so that the preflight allows them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum RequestHeader {
            $($(#[$doc])* $variant,)*
        }

        impl RequestHeader {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, as the document writes it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether scripts of pages may set it. Browsers and proxies set the others themselves.
            const fn is_allowed(self) -> bool {
                match self {
                    $(Self::$variant => request_headers!(@is $($allowed)?),)*
                }
            }
        }
    };
}

request_headers! {
    /// RFC 6750.
    Authorization = "Authorization", allowed;
    /// Only the identity encoding is accepted.
    ContentEncoding = "Content-Encoding", allowed;
    ContentLength = "Content-Length";
    ContentType = "Content-Type", allowed;
    Cookie = "Cookie";
    /// The name of [`RequestHeader::CsrfToken`] in X-Messenger.
    DwitterCsrfToken = "dwitter-csrf-token", allowed;
    IdempotencyKey = "Idempotency-Key", allowed;
    IfMatch = "If-Match", allowed;
    IfNoneMatch = "If-None-Match", allowed;
    IfRange = "If-Range", allowed;
    Origin = "Origin";
    /// Of a CORS preflight.
    PreflightMethod = "Access-Control-Request-Method";
    Range = "Range", allowed;
    /// Fetch Metadata.
    SecFetchSite = "Sec-Fetch-Site";
    UserAgent = "User-Agent", allowed;
    CsrfToken = "X-CSRF-Token", allowed;
    /// Of trusted proxies only.
    ForwardedFor = "X-Forwarded-For";
    RequestId = "X-Request-Id", allowed;
}

impl RequestHeader {
    /// Its values, in order.
    pub(crate) fn values(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        headers.get_all(self.name()).iter().map(HeaderValue::as_bytes)
    }

    /// Its first value.
    pub(crate) fn first(self, headers: &HeaderMap) -> Option<&[u8]> {
        headers.get(self.name()).map(HeaderValue::as_bytes)
    }

    /// Its first value, if that is UTF-8.
    pub(crate) fn text(self, headers: &HeaderMap) -> Option<&str> {
        str::from_utf8(self.first(headers)?).ok()
    }

    pub(crate) fn is_present(self, headers: &HeaderMap) -> bool {
        headers.contains_key(self.name())
    }
}

/// The headers of a request that scripts of pages may set: the value of `Access-Control-Allow-Headers`.
pub(crate) fn allowed() -> String {
    let allowed = RequestHeader::ALL.iter().filter(|header| header.is_allowed());
    allowed.map(|header| header.name()).collect::<Vec<_>>().join(", ")
}

/// The headers of an answer that scripts of pages may read beside those that CORS always lets through. A test compares
/// them with the headers that the OpenAPI document describes.
pub(crate) const EXPOSED: &str = "Accept-Ranges, Allow, Content-Range, Date, ETag, Idempotent-Replayed, Link, Location, \
    RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";
