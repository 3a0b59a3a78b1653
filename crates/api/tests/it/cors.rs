//! CORS: preflight and response headers for trusted and untrusted origins, and the security headers of every response.

use std::collections::BTreeSet;

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Map, json};

use crate::{
    both_databases,
    contract::CONTRACT,
    socket::PROTOCOL,
    world::{Answer, TestApp},
};

const APP: &str = "https://app.example";
const STRANGERS: [&str; 6] = [
    "https://evil.example",
    "null",
    "https://app.example.evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://APP.example",
];

fn cors_headers(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(poem::http::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[apply(both_databases)]
#[tokio::test]
async fn trusted_origins_may_read_every_response(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let from_app = [("origin", APP), ("sec-fetch-site", "cross-site")];
    for (path, status) in [
        ("/api/v1/me", 200),
        ("/api/v1/posts/nonsense", 404),
        ("/no/such/address", 404),
        ("/api/v1/timelines/public?cursor=x", 400),
    ] {
        let answer = ann.send_bare(Method::GET, path, &from_app, Vec::new()).await;
        answer.assert_status(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(answer.header("access-control-expose-headers").unwrap().contains("X-Request-Id"));
        assert!(answer.header("vary").unwrap().contains("Origin"));
    }
    let headers = [&from_app[..], &[("content-type", "application/json")]].concat();
    let post = json!({ "text": "hello" }).to_string().into_bytes();
    ann.send_bare(Method::POST, "/api/v1/posts", &headers, post).await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn untrusted_origins_get_no_cors_headers(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for origin in STRANGERS {
        let answer = ann.send_bare(Method::GET, "/api/v1/me", &[("origin", origin)], Vec::new()).await;
        assert_eq!(cors_headers(&answer), Vec::<&str>::new(), "{origin}");
        assert!(answer.header("vary").unwrap().contains("Origin"));
        let request_headers = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = ann.send_bare(Method::OPTIONS, "/api/v1/posts", &request_headers, Vec::new()).await;
        preflight.assert_status(204);
        assert_eq!(cors_headers(&preflight), Vec::<&str>::new(), "{origin}");
    }
    let answer = ann.send_bare(Method::GET, "/api/v1/me", &[], Vec::new()).await;
    assert_eq!(cors_headers(&answer), Vec::<&str>::new(), "no CORS headers without an Origin");
    let two = [("origin", APP), ("origin", STRANGERS[0])];
    let answer = ann.send_bare(Method::GET, "/api/v1/me", &two, Vec::new()).await;
    assert_eq!(cors_headers(&answer), Vec::<&str>::new());
}

#[apply(both_databases)]
#[tokio::test]
async fn preflight_returns_the_methods_of_the_path(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let request_headers = [
        ("origin", APP),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization,if-match"),
    ];
    let path = "/api/v1/posts/01890a5d-ac96-774b-bcce-b302099a8057";
    let answer = t.stranger().send_bare(Method::OPTIONS, path, &request_headers, Vec::new()).await;
    answer.assert_status(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    assert_eq!(answer.header("access-control-allow-methods"), answer.header("allow"));
    assert!(answer.header("allow").unwrap().contains("DELETE"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
}

#[apply(both_databases)]
#[tokio::test]
async fn security_headers_are_on_every_response(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    for path in [
        "/docs",
        "/openapi.json",
        "/problems/not-found",
        "/healthz",
        "/api/v1/instance",
        "/api/v1/me",
        "/none",
    ] {
        let answer = t.stranger().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(answer.header("server"), None, "{path}");
    }
}

fn list(answer: &Answer, name: &str) -> BTreeSet<String> {
    answer.header(name).unwrap_or_default().split(", ").map(str::to_lowercase).collect()
}

#[apply(both_databases)]
#[tokio::test]
async fn cors_allows_and_exposes_every_documented_header(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let request_headers = [("origin", APP), ("access-control-request-method", "POST")];
    let preflight =
        t.stranger().send_bare(Method::OPTIONS, "/api/v1/posts", &request_headers, Vec::new()).await;
    let allowed = list(&preflight, "access-control-allow-headers");
    // Shared parameters are components.
    let shared = CONTRACT.document["components"]["parameters"].as_object().into_iter().flat_map(Map::values);
    let own =
        CONTRACT.operations().flat_map(|(_, _, operation)| operation["parameters"].as_array()).flatten();
    let documented = own.chain(shared).filter(|parameter| parameter["in"] == "header");
    let documented: BTreeSet<&str> = documented.filter_map(|parameter| parameter["name"].as_str()).collect();
    assert!(documented.contains("If-Match") && documented.contains("Idempotency-Key"), "{documented:?}");
    let beside = [
        "Authorization",
        "Content-Type",
        "Range",
        "If-Range",
        "X-CSRF-Token",
        "dwitter-csrf-token",
        "X-Request-Id",
    ];
    for name in documented.into_iter().chain(beside) {
        assert!(allowed.contains(&name.to_lowercase()), "{name} is not allowed: {allowed:?}");
    }
    for name in ["cookie", "origin", "x-forwarded-for", "sec-fetch-site"] {
        assert!(!allowed.contains(name), "{name}");
    }
    let answer =
        t.stranger().send_bare(Method::GET, "/api/v1/instance", &[("origin", APP)], Vec::new()).await;
    let exposed = list(&answer, "access-control-expose-headers");
    for name in CONTRACT.document["components"]["headers"].as_object().unwrap().keys() {
        // Browsers never expose `Set-Cookie` to pages, and pages have no use for an instruction to browsers.
        let is_expected = name != "Set-Cookie" && name != "Clear-Site-Data";
        assert_eq!(exposed.contains(&name.to_lowercase()), is_expected, "{name}: {exposed:?}");
    }
    assert!(exposed.contains("content-range") && exposed.contains("allow"));
}

#[apply(both_databases)]
#[tokio::test]
async fn web_view_origins_are_trusted_on_exact_match(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = json!({ "text": "hello" }).to_string().into_bytes();
    for (origin, is_trusted) in [
        ("capacitor://localhost", true),
        ("http://tauri.localhost", true),
        ("ionic://localhost", false),
        ("capacitor://localhost:1", false),
        ("capacitor://localhost.evil.example", false),
        ("CAPACITOR://localhost", false),
        ("http://localhost", false),
        ("http://tauri.localhost:80", false),
        ("https://tauri.localhost", false),
        ("http://x.tauri.localhost", false),
        ("file://", false),
        ("null", false),
    ] {
        let headers =
            [("origin", origin), ("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
        let written = ann.send_bare(Method::POST, "/api/v1/posts", &headers, post.clone()).await;
        written.assert_status(if is_trusted { 201 } else { 403 });
        let allowed = written.header("access-control-allow-origin");
        assert_eq!(allowed, is_trusted.then_some(origin));
        let request_headers = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = ann.send_bare(Method::OPTIONS, "/api/v1/posts", &request_headers, Vec::new()).await;
        assert_eq!(preflight.header("access-control-allow-origin"), is_trusted.then_some(origin));
        let socket = ann.tries_to_connect(&[PROTOCOL, ("origin", origin)]).await;
        assert_eq!(socket.err(), (!is_trusted).then_some(403), "{origin}");
    }
}
