//! Request headers as browsers, proxies and other applications on the same domain send them in practice.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    socket::PROTOCOL,
    world::{PASSWORD, TestApp},
};

const JSON: (&str, &str) = ("content-type", "application/json");
const OWN: (&str, &str) = ("origin", "http://127.0.0.1:8080");

#[apply(both_databases)]
#[tokio::test]
async fn cookies_of_other_applications_do_not_hide_the_session(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let session = ann.cookie().unwrap();
    for cookie in [
        format!("utm=가을세일; {session}"),
        format!("{session}; utm=가을세일"),
        format!("이름=값; x; =; ;{session}"),
        format!("auth-blegram=가을; {session}"),
        format!("auth-blegram=; auth-blegram; {session}"),
        format!("auth-blegram=bls_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; {session}"),
        session.replace('=', "=\"") + "\"",
    ] {
        ann.set_cookie(Some(cookie.clone()));
        ann.get("/api/v1/me").await.assert_status(200);
        assert!(ann.get(&post).await.json()["viewer"].is_object(), "{cookie}");
        assert!(ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].is_string(), "{cookie}");
        assert!(ann.tries_to_connect(&[PROTOCOL, OWN]).await.is_ok(), "{cookie}");
    }
    ann.set_cookie(Some(format!("utm=가을세일; {session}")));
    ann.post("/api/v1/auth/logout", &json!({})).await.assert_status(204);
    ann.set_cookie(Some(session));
    ann.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn cookies_of_other_applications_do_not_bypass_the_csrf_check(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    ann.set_cookie(Some(format!("utm=가을세일; {}", ann.cookie().unwrap())));
    let body = json!({ "text": "hello" }).to_string().into_bytes();
    for headers in [
        &[JSON, ("origin", "https://evil.example")][..],
        &[JSON, ("origin", "가을")],
        &[JSON, OWN, ("origin", "https://evil.example")],
        &[JSON, ("sec-fetch-site", "가을")],
        &[JSON, ("x-csrf-token", "가을")],
        &[JSON, ("sec-fetch-site", "same-origin"), ("x-csrf-token", "가을")],
        &[JSON],
    ] {
        let answer = ann.send_bare(Method::POST, "/api/v1/posts", headers, body.clone()).await;
        answer.assert_problem(403, "csrf-rejected");
    }
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn non_ascii_bytes_invalidate_only_their_own_value(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let send =
        async |headers: &[(&str, &str)]| ann.send(Method::GET, "/api/v1/me", headers, Vec::new()).await;
    let tag = send(&[]).await.header("etag").unwrap().to_owned();
    send(&[("if-none-match", &format!("\"가을\", {tag}"))]).await.assert_status(304);
    send(&[("authorization", "Basic 가을")]).await.assert_status(200);
    send(&[("authorization", "Bearer 가을")]).await.assert_problem(401, "unauthenticated");
    send(&[("x-request-id", "가을"), ("accept-language", "가을"), ("x-forwarded-for", "가을")])
        .await
        .assert_status(200);
    let patch =
        async |tag: &str| ann.patch("/api/v1/me", &[("if-match", tag)], &json!({ "bio": "hi" })).await;
    patch(&format!("\"가을\", {tag}")).await.assert_status(200);
    patch("\"가을\"").await.assert_problem(412, "precondition-failed");
    let body = json!({ "text": "hello" }).to_string().into_bytes();
    let post = async |headers: &[(&str, &str)]| {
        ann.send(Method::POST, "/api/v1/posts", &[&[JSON], headers].concat(), body.clone()).await
    };
    post(&[("idempotency-key", "가을")]).await.assert_invalid(&[("/Idempotency-Key", "invalid-characters")]);
    post(&[("content-encoding", "가을")]).await.assert_problem(415, "unsupported-media-type");
}

#[apply(both_databases)]
#[tokio::test]
async fn user_agent_is_stored_in_any_script(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "login": "ann", "password": PASSWORD, "client": "native" }).to_string();
    let headers = [JSON, ("user-agent", "제주앱/1.0 \u{202e}(가을)")];
    t.stranger()
        .send(Method::POST, "/api/v1/auth/login", &headers, body.into_bytes())
        .await
        .assert_status(200);
    let sessions = ann.get("/api/v1/auth/sessions").await;
    assert!(sessions.items("user_agent").contains(&json!("제주앱/1.0 (가을)")));
}
