//! The icon of the site, for browser tabs and bookmarks.

use bytes::Bytes;
use poem::{Response, handler, http::header};

use super::FOR_A_DAY;

const SVG: &[u8] = include_bytes!("../../assets/icon.svg");
/// For browsers that request `/favicon.ico` without being told to.
const ICO: &[u8] = include_bytes!("../../assets/icon.ico");

#[handler]
pub(crate) fn svg() -> Response {
    icon("image/svg+xml", SVG)
}

#[handler]
pub(crate) fn ico() -> Response {
    icon("image/vnd.microsoft.icon", ICO)
}

fn icon(content_type: &str, file: &'static [u8]) -> Response {
    Response::builder()
        .content_type(content_type)
        .header(header::CACHE_CONTROL, FOR_A_DAY)
        .header(header::VARY, "Accept-Encoding")
        .body(Bytes::from_static(file))
}
