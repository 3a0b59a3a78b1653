//! Idempotency keys: requests that a client repeats because it does not know their outcome.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use poem::http::Method;
use proptest::{
    prelude::{Strategy, any, prop_oneof},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    contract::CONTRACT,
    world::{Actor, Answer, TestApp},
};

async fn write(actor: &Actor<'_>, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    actor.send(Method::POST, "/api/v1/posts", &headers, body.to_string().into_bytes()).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn failed_precondition_can_be_retried_with_the_same_key() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    let post = write(&ann, "one", &json!({ "text": "hello" })).await;
    let (path, tag) = (post.header("location").unwrap().to_owned(), post.header("etag").unwrap().to_owned());
    let edit = json!({ "text": "edited" });
    let stale = [("idempotency-key", "two"), ("if-match", "\"7-0\"")];
    ann.patch(&path, &stale, &edit).await.assert_status(412);
    let fresh = [("idempotency-key", "two"), ("if-match", tag.as_str())];
    let edited = ann.patch(&path, &fresh, &edit).await;
    edited.assert_status(200);
    let again = ann.patch(&path, &fresh, &edit).await;
    assert!(is_replayed(&again) && again.body == edited.body, "{again:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn repeated_request_runs_once_and_is_replayed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    let first = write(&ann, "one", &body).await;
    first.assert_status(201);
    assert!(!is_replayed(&first));
    let again = write(&ann, "one", &body).await;
    again.assert_status(201);
    assert!(is_replayed(&again));
    assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(t.database.count("posts").await, 1);
    // The key expires after a day.
    t.clock.advance(Duration::from_secs(86_400));
    assert!(!is_replayed(&write(&ann, "one", &body).await));
    assert_eq!(t.database.count("posts").await, 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn validation_errors_are_replayed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "" });
    let first = write(&ann, "one", &body).await;
    first.assert_invalid(&[("/text", "blank")]);
    let again = write(&ann, "one", &body).await;
    assert!(is_replayed(&again));
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("content-type"), Some("application/problem+json"));
}

#[apply(both_databases)]
#[tokio::test]
async fn key_is_bound_to_one_request_of_one_user(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let body = json!({ "text": "hello" });
    let post = write(&ann, "one", &body).await.json();
    write(&ann, "one", &json!({ "text": "other" })).await.assert_problem(422, "idempotency-key-reused");
    assert!(!is_replayed(&write(&bob, "one", &body).await));
    let path = format!("/api/v1/posts/{}", post["id"].as_str().unwrap());
    let key = [("idempotency-key", "one")];
    let deleted = ann.send(Method::DELETE, &path, &key, Vec::new()).await;
    deleted.assert_status(204);
    assert!(!is_replayed(&deleted));
    let again = ann.send(Method::DELETE, &path, &key, Vec::new()).await;
    again.assert_status(204);
    assert!(is_replayed(&again), "a replay, not 404");
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_requests_with_one_key_run_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    let answers = join_all((0..20).map(|_| write(&ann, "one", &body))).await;
    assert_eq!(t.database.count("posts").await, 1);
    let new = answers.iter().filter(|answer| answer.status == 201 && !is_replayed(answer)).count();
    assert_eq!(new, 1);
    for waiting in answers.iter().filter(|answer| answer.status != 201) {
        waiting.assert_problem(409, "request-in-progress");
        assert_eq!(waiting.header("retry-after"), Some("1"));
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn request_of_a_disconnected_client_completes_and_is_replayed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    {
        let mut hangs_up = Box::pin(write(&ann, "one", &body));
        // Polls until the request has begun, then drops the client.
        loop {
            assert!(futures_util::poll!(&mut hangs_up).is_pending());
            // Checked before other tasks may run: by then, the request might be complete.
            if !t.tasks.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    t.tasks.close();
    t.tasks.wait().await;
    assert_eq!(t.database.count("posts").await, 1);
    let again = write(&ann, "one", &body).await;
    again.assert_status(201);
    assert!(is_replayed(&again));
    assert_eq!(t.database.count("posts").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn request_of_a_crashed_node_runs_again_after_its_lease(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    write(&ann, "one", &body).await.assert_status(201);
    // The state that a node leaves behind when it crashes before it stores its response.
    t.database.execute("UPDATE idempotency_keys SET status = NULL").await;
    t.clock.advance(Duration::from_secs(59));
    write(&ann, "one", &body).await.assert_problem(409, "request-in-progress");
    t.clock.advance(Duration::from_secs(1));
    let again = write(&ann, "one", &body).await;
    again.assert_status(201);
    assert!(!is_replayed(&again));
    assert!(is_replayed(&write(&ann, "one", &body).await));
}

#[apply(both_databases)]
#[tokio::test]
async fn server_errors_are_not_replayed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    t.database.execute("ALTER TABLE posts RENAME TO gone").await;
    write(&ann, "one", &body).await.assert_problem(500, "internal");
    t.database.execute("ALTER TABLE gone RENAME TO posts").await;
    let again = write(&ann, "one", &body).await;
    again.assert_status(201);
    assert!(!is_replayed(&again));
}

#[apply(both_databases)]
#[tokio::test]
async fn keys_are_stored_only_for_authorized_writes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "text": "hello" });
    write(&t.stranger(), "one", &body).await.assert_problem(401, "unauthenticated");
    let evil = [
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
        ("origin", "https://evil.example"),
    ];
    ann.send_bare(Method::POST, "/api/v1/posts", &evil, body.to_string().into_bytes())
        .await
        .assert_problem(403, "csrf-rejected");
    ann.send(Method::GET, "/api/v1/me", &[("idempotency-key", "one")], Vec::new()).await.assert_status(200);
    assert_eq!(t.database.count("idempotency_keys").await, 0);
    for (key, code) in
        [("", "invalid-characters"), ("a b", "invalid-characters"), (&*"k".repeat(256), "too-long")]
    {
        write(&ann, key, &body).await.assert_invalid(&[("/Idempotency-Key", code)]);
    }
    write(&ann, &"k".repeat(255), &body).await.assert_status(201);
}

/// The server accepts exactly the keys that the document allows.
#[tokio::test]
async fn keys_are_validated_as_documented() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    let schema = &CONTRACT.raw["components"]["parameters"]["IdempotencyKeyParam"]["schema"];
    let mut runner = TestRunner::deterministic();
    let some = prop_oneof![
        "[ -~]{0,12}",
        "[!-~]{1,40}",
        "[!-~]{250,260}",
        "[\t -~]{1,3}",
        any::<[u8; 3]>()
            .prop_map(|bytes| bytes.iter().map(|byte| char::from(byte | 0x80)).collect::<String>()),
    ];
    let edges = ["", " ", "!", "~", "a b", "\t", "é"].map(ToOwned::to_owned);
    let sizes = [1, 254, 255, 256].map(|count| "k".repeat(count));
    let random = (0..200).map(|_| some.new_tree(&mut runner).unwrap().current());
    let (mut accepted, mut rejected) = (0, 0);
    for key in edges.into_iter().chain(sizes).chain(random) {
        // Not a valid header value, so it is rejected before the API sees it.
        if poem::http::HeaderValue::from_str(&key).is_err() {
            continue;
        }
        let is_valid = CONTRACT.validate(schema, &json!(key)).is_ok();
        let answer = write(&ann, &key, &json!({ "text": "" })).await;
        let pointer = answer.json()["errors"][0]["pointer"].clone();
        assert_eq!(pointer != "/Idempotency-Key", is_valid, "{key:?}: {pointer}");
        *(if is_valid { &mut accepted } else { &mut rejected }) += 1;
    }
    assert!(accepted > 50 && rejected > 50, "{accepted} {rejected}");
}
