//! The origin of the page that a request comes from (RFC 6454), read in one way for CORS, CSRF and the gateway.

use poem::http::HeaderMap;

use crate::{Site, headers::RequestHeader};

/// What `Origin` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOrigin<'a> {
    /// It is not there: not a browser, or one that does not send it with this kind of request.
    Absent,
    /// One origin, as the browser serialised it.
    Named(&'a str),
    /// Several, or not text. No browser sends that, and nobody trusts it.
    Unreadable,
}

impl<'a> RequestOrigin<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = RequestHeader::Origin.values(headers);
        match (values.next().map(str::from_utf8), values.next()) {
            (None, _) => Self::Absent,
            (Some(Ok(origin)), None) => Self::Named(origin),
            _ => Self::Unreadable,
        }
    }

    /// Whether it names a page that may act here with its user's cookie.
    pub(crate) fn is_trusted(self, site: &Site) -> bool {
        matches!(self, Self::Named(origin) if site.trusts(origin))
    }
}
