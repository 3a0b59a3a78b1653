//! The request headers that the server reads, and the response headers that scripts of other origins can read: one list
//! for the parsers and for CORS.
//!
//! Values are bytes (RFC 9110, 5.5). Browsers send cookies that other applications of the site have set, and proxies
//! forward values unchanged, so a value is never dropped as a whole because a part of it is not ASCII: each parser
//! splits the bytes and skips only the part that it cannot read.

use poem::http::{HeaderMap, HeaderValue};

macro_rules! request_headers {
    (@is allowed) => { true };
    (@is) => { false };
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(, $allowed:ident)?;)*) => {
        /// A request header that the server reads. Reading headers through this type makes CORS preflights allow them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names of the headers")]
        pub enum RequestHeader {
            $($(#[$doc])* $variant,)*
        }

        impl RequestHeader {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, as the OpenAPI document spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether scripts can set it. Browsers and proxies set the others themselves.
            const fn is_allowed(self) -> bool {
                match self {
                    $(Self::$variant => request_headers!(@is $($allowed)?),)*
                }
            }
        }
    };
}

request_headers! {
    /// CORS always allows it.
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    /// CORS always allows it.
    AcceptLanguage = "Accept-Language";
    /// RFC 6750.
    Authorization = "Authorization", allowed;
    /// Only the identity encoding is accepted.
    ContentEncoding = "Content-Encoding", allowed;
    ContentLength = "Content-Length";
    ContentType = "Content-Type", allowed;
    Cookie = "Cookie";
    /// The name of [`RequestHeader::CsrfToken`] in X-Messenger.
    DwitterCsrfToken = "dwitter-csrf-token", allowed;
    Host = "Host";
    IdempotencyKey = "Idempotency-Key", allowed;
    IfMatch = "If-Match", allowed;
    IfNoneMatch = "If-None-Match", allowed;
    IfRange = "If-Range", allowed;
    Origin = "Origin";
    /// Part of a CORS preflight.
    PreflightMethod = "Access-Control-Request-Method";
    Range = "Range", allowed;
    /// Fetch Metadata.
    SecFetchSite = "Sec-Fetch-Site";
    UserAgent = "User-Agent", allowed;
    CsrfToken = "X-CSRF-Token", allowed;
    /// Trusted from configured proxies only.
    ForwardedFor = "X-Forwarded-For";
    RequestId = "X-Request-Id", allowed;
}

impl RequestHeader {
    /// All values, in order.
    pub fn values(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        headers.get_all(self.name()).iter().map(HeaderValue::as_bytes)
    }

    /// The first value.
    pub fn first(self, headers: &HeaderMap) -> Option<&[u8]> {
        headers.get(self.name()).map(HeaderValue::as_bytes)
    }

    /// The first value, if it is UTF-8.
    pub fn text(self, headers: &HeaderMap) -> Option<&str> {
        str::from_utf8(self.first(headers)?).ok()
    }

    /// The elements of a list with weights, such as `Accept`, without their other parameters (RFC 9110, 12.4.2). A weight
    /// that is not a number counts as 0.
    pub fn weighted(self, headers: &HeaderMap) -> impl Iterator<Item = (&str, f32)> {
        let lists = self.values(headers).filter_map(|list| str::from_utf8(list).ok());
        lists.flat_map(|list| list.split(',')).map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok());
            (name, weight.filter(|weight: &f32| weight.is_finite()).unwrap_or(0.0))
        })
    }

    /// Whether the request has it.
    pub fn is_present(self, headers: &HeaderMap) -> bool {
        headers.contains_key(self.name())
    }
}

/// The request headers that scripts can set: the value of `Access-Control-Allow-Headers`.
pub(crate) fn allowed() -> String {
    let allowed = RequestHeader::ALL.iter().filter(|header| header.is_allowed());
    allowed.map(|header| header.name()).collect::<Vec<_>>().join(", ")
}

/// The value of `Access-Control-Expose-Headers`: the response headers that scripts can read, beside those that CORS
/// always exposes. A test compares them with the headers in the OpenAPI document.
pub const EXPOSED: &str = "Accept-Ranges, Allow, Content-Range, Date, ETag, Idempotent-Replayed, Link, Location, \
    RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";
