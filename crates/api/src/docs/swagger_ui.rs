//! Swagger UI at `/docs`, served from this binary alone, so that it works without internet access.
//!
//! Its files are vendored in `crates/api/vendor/swagger-ui`; the script `update` there replaces them with another version.
//! The page references each file by its hash (Subresource Integrity), so that browsers only run what this binary contains.

use std::{io::Read, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::GzDecoder;
use poem::{Endpoint, Request, Response, Route, endpoint::make_sync, http::header};
use sha2::{Digest, Sha256};

use super::{FOR_A_DAY, file};
use blegram_http::compression::Coding;

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

// Compressed with gzip: a third of the size, in the binary and for almost every client.
const STYLE: &[u8] = include_bytes!("../../vendor/swagger-ui/swagger-ui.css.gz");
const BUNDLE: &[u8] = include_bytes!("../../vendor/swagger-ui/swagger-ui-bundle.js.gz");
/// The licences of the libraries in the bundle, which its first line refers to.
const NOTICES: &str = include_str!("../../vendor/swagger-ui/swagger-ui-bundle.js.LICENSE.txt");

/// The page and its files.
pub(crate) fn swagger_ui(base_path: &str) -> impl Endpoint<Output = Response> + use<> {
    let start = start(base_path);
    Route::new()
        .at("/", page(base_path, start.clone()))
        .at("/start.js", file(JAVASCRIPT, FOR_A_DAY, move || start.clone()))
        .at("/swagger-ui.css", vendored(CSS, STYLE))
        .at("/swagger-ui-bundle.js", vendored(JAVASCRIPT, BUNDLE))
        .at("/swagger-ui-bundle.js.LICENSE.txt", file(PLAIN, FOR_A_DAY, || NOTICES.to_owned()))
}

/// The script that starts Swagger UI on a site below `base_path`.
fn start(base_path: &str) -> String {
    format!("const base = {};\n{}", serde_json::Value::from(base_path), include_str!("start.js"))
}

/// The HTML page of a site below `base_path`.
fn page(base_path: &str, start: String) -> impl Endpoint<Output = Response> + use<> {
    let base_path = base_path.replace('&', "&amp;");
    let page = OnceLock::new();
    make_sync(move |_| {
        let (html, policy): &(String, String) = page.get_or_init(|| {
            let [style, bundle] = [STYLE, BUNDLE].map(|gzip| integrity(&decompress(gzip)));
            let start = integrity(start.as_bytes());
            (html(&base_path, &style, &bundle, &start), policy(&bundle, &start))
        });
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .body(html.clone())
    })
}

/// The hash of a file, as used in `integrity` attributes and policies (Subresource Integrity, 3.1). It is that of the
/// decompressed file.
fn integrity(file: &[u8]) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(file)))
}

/// Adds its hash to the address of each file: a browser would reject a cached file of another version.
fn html(base_path: &str, style: &str, bundle: &str, start: &str) -> String {
    let query =
        |hash: &str| hash.chars().filter(char::is_ascii_alphanumeric).skip(6).take(12).collect::<String>();
    format!(
        r##"<!doctype html>
<html lang="ko">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blegram API</title>
<link rel="icon" href="{base_path}/favicon.ico" sizes="32x32">
<link rel="icon" href="{base_path}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{base_path}/docs/swagger-ui.css?{}" integrity="{style}">
</head>
<body>
<div id="ui"></div>
<script src="{base_path}/docs/swagger-ui-bundle.js?{}" integrity="{bundle}"></script>
<script src="{base_path}/docs/start.js?{}" integrity="{start}"></script>
</body>
</html>
"##,
        query(style),
        query(bundle),
        query(start)
    )
}

/// The Content-Security-Policy. It allows scripts by their hashes (CSP 3, 8.4), so that no other file of this origin,
/// such as an upload, can run as a script. Styles may be inline, because Swagger UI sets them on its elements.
fn policy(bundle: &str, start: &str) -> String {
    format!(
        "default-src 'none'; script-src '{bundle}' '{start}'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Serves a compressed file, decompressed to clients that do not accept gzip.
fn vendored(content_type: &'static str, gzip: &'static [u8]) -> impl Endpoint<Output = Response> {
    let decompressed = OnceLock::new();
    make_sync(move |request: Request| {
        let response = Response::builder()
            .content_type(content_type)
            .header(header::CACHE_CONTROL, FOR_A_DAY)
            .header(header::VARY, "Accept-Encoding, Origin");
        if Coding::Gzip.is_accepted(request.headers()) {
            return response.header(header::CONTENT_ENCODING, "gzip").body(gzip);
        }
        response.body(decompressed.get_or_init(|| Bytes::from(decompress(gzip))).clone())
    })
}

fn decompress(gzip: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut file).expect("vendored files are compressed with gzip");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = include_str!("../../vendor/swagger-ui/VERSION");

    #[test]
    fn vendored_files_have_the_hashes_of_their_version() {
        for (name, gzip) in [("swagger-ui.css", STYLE), ("swagger-ui-bundle.js", BUNDLE)] {
            let line = format!("{name} {}", integrity(&decompress(gzip)));
            assert!(VERSION.lines().any(|known| known == line), "{line}\n{VERSION}");
        }
    }
}
