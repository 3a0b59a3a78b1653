//! `/robots.txt` (RFC 9309).

use blegram_http::Site;
use poem::{
    Response,
    http::{HeaderValue, header},
};

/// What crawlers need not request: operations, forms, and pages that need a login. Not tags and searches: a crawler must
/// read their `noindex`.
const DISALLOWED: [&str; 16] = [
    "/admin",
    "/api/",
    "/bookmarks",
    "/follow-requests",
    "/forgot-password",
    "/liked",
    "/login",
    "/messages",
    "/new",
    "/notifications",
    "/people",
    "/reset-password",
    "/settings",
    "/signup",
    "/verify-email",
    "/@*/",
];

/// The rules for all crawlers. Those of a site below a path belong into the file of the host, which is not this server's.
pub(super) fn answer(site: &Site) -> Response {
    let rules: String = DISALLOWED.iter().map(|path| format!("Disallow: {}\n", site.address(path))).collect();
    let mut response = Response::builder()
        .content_type("text/plain; charset=utf-8")
        .body(format!("User-agent: *\n{rules}Allow: {}\n", site.address("/")));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Origin"));
    response
}
