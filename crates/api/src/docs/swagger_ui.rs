//! Swagger UI at `/docs`, served from this binary alone, so that it works without internet access.
//!
//! Its files are vendored in `crates/api/vendor/swagger-ui`; the script `update` there replaces them with another version.
//! The page references each file by its hash (Subresource Integrity), so that browsers only run what this binary contains.

use std::{io::Read, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::GzDecoder;
use poem::{
    Endpoint, Request, Response, Route,
    endpoint::make_sync,
    http::{HeaderMap, header},
};
use sha2::{Digest, Sha256};

use super::{FOR_A_DAY, file};
use blegram_http::{address, headers::RequestHeader};

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
        .at("/", page(address(base_path, "/docs"), start.clone()))
        .at("/start.js", file(JAVASCRIPT, FOR_A_DAY, move || start.clone()))
        .at("/swagger-ui.css", vendored(CSS, STYLE))
        .at("/swagger-ui-bundle.js", vendored(JAVASCRIPT, BUNDLE))
        .at("/swagger-ui-bundle.js.LICENSE.txt", file(PLAIN, FOR_A_DAY, || NOTICES.to_owned()))
}

/// The script that starts Swagger UI. It uses the host from which the page was loaded, because the site may be
/// reachable under other names than that of its public URL.
fn start(base_path: &str) -> String {
    format!(
        "const base = {};
fetch(base + '/openapi.json').then((answer) => answer.json()).then((spec) => {{
  spec.servers = [{{ url: location.origin + base }}];
  SwaggerUIBundle({{ dom_id: '#ui', spec, deepLinking: true }});
}});
",
        serde_json::Value::from(base_path)
    )
}

/// The HTML page; `docs` is the address of its parts.
fn page(docs: String, start: String) -> impl Endpoint<Output = Response> {
    let page = OnceLock::new();
    make_sync(move |_| {
        let (html, policy): &(String, String) = page.get_or_init(|| {
            let [style, bundle] = [STYLE, BUNDLE].map(|gzip| integrity(&decompress(gzip)));
            let start = integrity(start.as_bytes());
            (html(&docs.replace('&', "&amp;"), &style, &bundle, &start), policy(&bundle, &start))
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
fn html(docs: &str, style: &str, bundle: &str, start: &str) -> String {
    let query =
        |hash: &str| hash.chars().filter(char::is_ascii_alphanumeric).skip(6).take(12).collect::<String>();
    format!(
        r##"<!doctype html>
<html lang="ko">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blegram API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{docs}/swagger-ui.css?{}" integrity="{style}">
</head>
<body>
<div id="ui"></div>
<script src="{docs}/swagger-ui-bundle.js?{}" integrity="{bundle}"></script>
<script src="{docs}/start.js?{}" integrity="{start}"></script>
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
        if accepts_gzip(request.headers()) {
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

/// Whether `Accept-Encoding` lists gzip with a weight above 0 (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = RequestHeader::AcceptEncoding.values(headers).filter_map(|list| str::from_utf8(list).ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.split_once('=').and_then(|(_, weight)| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    const VERSION: &str = include_str!("../../vendor/swagger-ui/VERSION");

    #[test]
    fn vendored_files_have_the_hashes_of_their_version() {
        for (name, gzip) in [("swagger-ui.css", STYLE), ("swagger-ui-bundle.js", BUNDLE)] {
            let line = format!("{name} {}", integrity(&decompress(gzip)));
            assert!(VERSION.lines().any(|known| known == line), "{line}\n{VERSION}");
        }
    }

    #[test]
    fn gzip_is_accepted_by_name_and_weight() {
        let accepts = |value: &str| {
            accepts_gzip(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_str(value).unwrap(),
            )]))
        };
        for value in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP ; q=0.5", "deflate,gzip;q=1"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "identity", "br", "gzip;q=0", "gzip; q=0.000, br", "gzipped", "*"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
