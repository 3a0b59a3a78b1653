//! The Content-Security-Policy of the app, and the other headers of its documents.

use blegram_media::links::Origins;
use poem::http::{HeaderName, HeaderValue, header};

/// The policy of an app that runs scripts and styles of its own files only, and connects to this site and to the storage
/// of images. Inline scripts and styles are not allowed.
pub(super) fn content_security(public_url: &str, media: &Origins) -> HeaderValue {
    let gateway = gateway(public_url);
    let (images, uploads) = (media.images.join(" "), &media.uploads);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: {images}; \
         connect-src 'self' {gateway} {uploads}; manifest-src 'self'; worker-src 'self'; font-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // URLs are ASCII.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The origin of the gateway: not every browser counts it as `'self'`.
fn gateway(public_url: &str) -> String {
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    let host = rest.split('/').next().unwrap_or(rest);
    let scheme = if scheme == "https" { "wss" } else { "ws" };
    format!("{scheme}://{host}")
}

/// The other headers of a document. Other sites learn the origin that a link is on, never its path. What
/// `Permissions-Policy` does not name stays as the browser has it, so everything that asks the user for data is named.
pub(super) const HEADERS: [(HeaderName, &str); 2] = [
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(self), \
         display-capture=(), encrypted-media=(), fullscreen=(self), geolocation=(), gyroscope=(), hid=(), idle-detection=(), \
         local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
         publickey-credentials-create=(self), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), usb=(), \
         xr-spatial-tracking=()",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_names_the_gateway_and_the_storage() {
        let media = Origins {
            images: vec!["https://cdn.example".to_owned(), "https://s3.example".to_owned()],
            uploads: "https://s3.example".to_owned(),
        };
        assert_eq!(
            content_security("https://blegram.example/forum", &media),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: https://cdn.example \
             https://s3.example; connect-src 'self' wss://blegram.example https://s3.example; manifest-src 'self'; \
             worker-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(gateway("http://127.0.0.1:8080"), "ws://127.0.0.1:8080");
    }
}
