//! Compression of responses.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, TestApp},
};

async fn read(actor: &Actor<'_>, path: &str, accepted: &str) -> Answer {
    actor.send(Method::GET, path, &[("accept-encoding", accepted)], Vec::new()).await
}

#[apply(both_databases)]
#[tokio::test]
async fn large_responses_are_compressed_as_the_client_prefers(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for day in 0..5 {
        ann.posts(&format!("오늘의 노을 {day} #제주 #노을")).await;
    }
    for path in [
        "/api/v1/timelines/public",
        "/api/v1/instance",
        "/openapi.json",
        "/openapi.yaml",
        "/asyncapi.json",
        "/problems",
    ] {
        let plain = ann.get(path).await;
        assert!(plain.sent_bytes >= 1024, "{path}");
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip, deflate, br", "br"),
            ("gzip;q=1.0, br;q=0.5", "gzip"),
        ] {
            let compressed = read(&ann, path, accepted).await;
            assert_eq!(compressed.assert_status(200).header("content-encoding"), Some(expected), "{path}");
            assert!(compressed.sent_bytes < plain.sent_bytes / 2, "{path}: {}", compressed.sent_bytes);
            assert_eq!(compressed.body, plain.body, "{path}");
            assert_eq!(compressed.header("vary"), plain.header("vary"), "{path}");
            assert!(compressed.header("vary").unwrap().contains("Accept-Encoding"), "{path}");
        }
        for accepted in ["", "identity", "br;q=0, compress"] {
            let uncompressed = read(&ann, path, accepted).await;
            assert_eq!(uncompressed.header("content-encoding"), None, "{path} {accepted}");
            assert_eq!(uncompressed.body, plain.body, "{path}");
        }
    }
    // Errors, too.
    let fields: serde_json::Map<_, _> = (0..40).map(|number| (format!("no-{number}"), json!(1))).collect();
    let headers = [("accept-encoding", "zstd"), ("content-type", "application/json")];
    let body = Value::from(fields).to_string().into_bytes();
    let rejected = ann.send(Method::POST, "/api/v1/posts", &headers, body).await;
    assert_eq!(rejected.assert_status(422).header("content-encoding"), Some("zstd"));
}

#[apply(both_databases)]
#[tokio::test]
async fn small_responses_and_files_are_not_compressed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let files = ann.uploads(&[("a.png", "image/png", &crate::world::picture(640, 480))]).await.json();
    let file =
        files["items"][0]["url"].as_str().unwrap().trim_start_matches("http://127.0.0.1:8080").to_owned();
    for path in ["/api/v1/me", "/healthz", &file] {
        let answer = read(&ann, path, "gzip, br, zstd").await;
        assert_eq!(answer.assert_status(200).header("content-encoding"), None, "{path}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn compressed_resources_have_weak_tags_that_preconditions_accept(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts(&"노을 ".repeat(600)).await);
    let strong = ann.get(&post).await.header("etag").unwrap().to_owned();
    let compressed = read(&ann, &post, "br").await;
    let weak = compressed.header("etag").unwrap().to_owned();
    assert_eq!((compressed.header("content-encoding"), &weak), (Some("br"), &format!("W/{strong}")));

    for known in [&strong, &weak] {
        let headers = [("accept-encoding", "br"), ("if-none-match", known.as_str())];
        let answer = ann.send(Method::GET, &post, &headers, Vec::new()).await;
        assert_eq!(
            answer.assert_status(304).header("etag"),
            Some(known.as_str()),
            "the tag that the client has"
        );
    }
    ann.patch(&post, &[("if-match", &weak)], &json!({ "text": "밤" })).await.assert_status(200);
    ann.patch(&post, &[("if-match", &weak)], &json!({ "text": "새벽" }))
        .await
        .assert_problem(412, "precondition-failed");
}

#[tokio::test]
async fn responses_with_secrets_are_not_compressed() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    let fields: serde_json::Map<_, _> = (0..40).map(|number| (format!("no-{number}"), json!(1))).collect();
    let headers = [("accept-encoding", "gzip, br, zstd"), ("content-type", "application/json")];
    for path in ["/api/v1/auth/signup", "/api/v1/auth/login", "/api/v1/media/uploads"] {
        let answer = ann
            .send(Method::POST, path, &headers, Value::from(fields.clone()).to_string().into_bytes())
            .await;
        assert!(answer.assert_status(422).sent_bytes > 1024, "{path}");
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
    for path in
        ["/login", "/login/second-factor?challenge=x", "/reset-password?token=x", "/verify-email?token=x"]
    {
        let page = read(&ann, path, "gzip, br, zstd").await;
        assert!(page.assert_status(200).sent_bytes > 1024, "{path}");
        assert_eq!(page.header("content-encoding"), None, "{path}");
    }
}
