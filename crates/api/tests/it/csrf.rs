//! Protection against cross-site request forgery.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, world::TestApp};

// Defect 16 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn write_requires_a_trusted_origin_or_a_csrf_token(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let token = ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let others = bob.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let (own, app, evil) = ("http://127.0.0.1:8080", "https://app.example", "https://evil.example");
    let table: &[(&[(&str, &str)], bool)] = &[
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-origin"), ("origin", evil)], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", app)], true),
        (&[("sec-fetch-site", "cross-site"), ("origin", evil)], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", evil), ("x-csrf-token", &token)], false),
        (&[("origin", own)], true),
        (&[("origin", app)], true),
        (&[("origin", evil)], false),
        (&[("origin", "null")], false),
        (&[("origin", "https://app.example.evil.example")], false),
        (&[("origin", "http://app.example")], false),
        (&[("origin", "https://app.example:8443")], false),
        (&[], false),
        (&[("x-csrf-token", &token)], true),
        (&[("dwitter-csrf-token", &token)], true),
        (&[("x-csrf-token", &others)], false),
        (&[("x-csrf-token", "")], false),
        (&[("x-csrf-token", "AAAA")], false),
        (&[("sec-fetch-site", "same-origin"), ("x-csrf-token", &others)], false),
    ];
    for (headers, is_allowed) in table {
        let headers = [headers, &[("content-type", "application/json")][..]].concat();
        let body = json!({ "text": "hello" }).to_string().into_bytes();
        let answer = ann.send_bare(Method::POST, "/api/v1/posts", &headers, body).await;
        if *is_allowed {
            answer.assert_status(201);
        } else {
            answer.assert_problem(403, "csrf-rejected");
        }
    }
    let written = table.iter().filter(|(_, is_allowed)| *is_allowed).count();
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], written);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_from_another_site_is_rejected_and_from_a_terminal_accepted(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["ann"]).await;
    let body = json!({ "login": "ann", "password": crate::world::PASSWORD, "client": "browser" }).to_string();
    let json = ("content-type", "application/json");
    let send = async |headers: &[(&str, &str)]| {
        t.stranger().send_bare(Method::POST, "/api/v1/auth/login", headers, body.clone().into_bytes()).await
    };
    send(&[json]).await.assert_status(200);
    send(&[json, ("origin", "https://evil.example")]).await.assert_problem(403, "csrf-rejected");
    send(&[json, ("sec-fetch-site", "cross-site")]).await.assert_problem(403, "csrf-rejected");
}

#[apply(both_databases)]
#[tokio::test]
async fn csrf_token_is_null_without_a_login(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    assert_eq!(t.stranger().get("/api/v1/auth/csrf").await.json(), json!({ "csrf_token": null }));
}
