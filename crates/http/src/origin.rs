//! The origin of the page that sends a request (RFC 6454): one parser for CORS, CSRF and the gateway.

use poem::http::HeaderMap;

use crate::{Site, headers::RequestHeader};

/// The value of `Origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOrigin<'a> {
    /// No `Origin`: not a browser, or a kind of request for which browsers do not send it.
    Absent,
    /// One origin, as serialised by the browser.
    Named(&'a str),
    /// Several values, or not text. Browsers do not send that, and it is never trusted.
    Unreadable,
}

impl<'a> RequestOrigin<'a> {
    /// Reads `Origin`.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut values = RequestHeader::Origin.values(headers);
        match (values.next().map(str::from_utf8), values.next()) {
            (None, _) => Self::Absent,
            (Some(Ok(origin)), None) => Self::Named(origin),
            _ => Self::Unreadable,
        }
    }

    /// Whether the page that sends the request is of this site or of a trusted origin, as far as the browser tells: for
    /// reads with a side effect that needs no token. A request without `Sec-Fetch-Site` and `Origin` is not from a page,
    /// or from a browser that keeps cookies from the requests of other sites by `SameSite` only.
    pub fn is_own_page(headers: &'a HeaderMap, site: &Site) -> bool {
        match (RequestHeader::SecFetchSite.first(headers), Self::of(headers)) {
            (Some(b"same-origin" | b"none"), _) | (None, Self::Absent) => true,
            (_, origin) => origin.is_trusted(site),
        }
    }

    /// Whether pages of this origin may act with the cookie of their user.
    pub fn is_trusted(self, site: &Site) -> bool {
        matches!(self, Self::Named(origin) if site.trusts(origin))
    }
}
