//! Editing posts, and their revisions.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{both_databases, world::TestApp};

#[apply(both_databases)]
#[tokio::test]
async fn editing_a_post_changes_only_its_text_hashtags_and_mentions(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob, _cho] = t.users(["ann", "bob", "cho"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello @bob #old #kept").await);
    t.database.execute("UPDATE posts SET like_count = 3, comment_count = 2").await;
    let before = ann.get(&path).await.json();
    t.clock.advance(Duration::from_secs(60));
    let after = ann.patch(&path, &[], &json!({ "text": "안녕 @cho #kept #new" })).await;
    let after = after.assert_status(200).json();
    assert_eq!(after["text"], "안녕 @cho #kept #new");
    assert_eq!(after["hashtags"], json!(["kept", "new"]));
    assert_eq!(after["mentions"][0]["username"], "cho");
    assert_eq!(after["mentions"].as_array().unwrap().len(), 1);
    assert_eq!(after["edited_at"], "2026-09-21T14:14:20.000Z");
    for same in ["id", "author", "visibility", "like_count", "comment_count", "created_at"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(ann.get(&path).await.json(), after);
}

#[apply(both_databases)]
#[tokio::test]
async fn changing_the_visibility_is_not_an_edit(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let after = ann.patch(&path, &[], &json!({ "visibility": "followers" })).await;
    assert_eq!((&after.json()["edited_at"], &after.json()["text"]), (&json!(null), &json!("hello")));
    bob.get(&path).await.assert_problem(404, "not-found");
    bob.get(&format!("{path}/revisions")).await.assert_problem(404, "not-found");
    bob.patch(&path, &[], &json!({ "text": "x" })).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn edit_without_changes_keeps_the_etag(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let tag = ann.get(&path).await.header("etag").unwrap().to_owned();
    for nothing in
        [json!({}), json!({ "text": " hello " }), json!({ "visibility": "public", "media_ids": [] })]
    {
        let answer = ann.patch(&path, &[], &nothing).await;
        answer.assert_status(200);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    // More requests than database connections: none may wait for another connection while it locks the post.
    let nothing = json!({});
    for answer in join_all((0..24).map(|_| ann.patch(&path, &[], &nothing))).await {
        answer.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn post_edits_are_for_the_author_and_validated(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello").await);
    bob.patch(&path, &[], &json!({ "text": "mine" })).await.assert_problem(403, "forbidden");
    t.stranger().patch(&path, &[], &json!({ "text": "mine" })).await.assert_problem(401, "unauthenticated");
    for blank in [json!(null), json!(""), json!("  ")] {
        ann.patch(&path, &[], &json!({ "text": blank })).await.assert_invalid(&[("/text", "blank")]);
    }
    let body = json!({ "text": 7, "visibility": "friends", "media_ids": ["x"], "title": "no" });
    ann.patch(&path, &[], &body).await.assert_invalid(&[
        ("/text", "wrong-type"),
        ("/media_ids/0", "not-found"),
        ("/visibility", "out-of-range"),
        ("/title", "unknown-field"),
    ]);
    assert_eq!(ann.get(&path).await.json()["text"], "hello");
}

#[apply(both_databases)]
#[tokio::test]
async fn revisions_are_listed_newest_first(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("one").await);
    let list = format!("{path}/revisions");
    let only = t.stranger().get(&list).await;
    assert_eq!(only.items("text"), [json!("one")], "never edited");
    assert_eq!(only.items("edited_at"), [ann.get(&path).await.json()["created_at"].clone()]);
    for text in ["two", "three", "four"] {
        t.clock.advance(Duration::from_secs(60));
        ann.patch(&path, &[], &json!({ "text": text })).await.assert_status(200);
    }
    assert_eq!(t.stranger().get(&list).await.items("text"), ["four", "three", "two", "one"]);

    // Page by page, forward and back.
    let first = ann.get(&format!("{list}?limit=3")).await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let last = ann.get(&format!("{list}?limit=3&cursor={next}")).await;
    assert_eq!(last.items("text"), ["one"]);
    let back = last.json()["prev_cursor"].as_str().unwrap().to_owned();
    let back = ann.get(&format!("{list}?limit=3&cursor={back}")).await;
    assert_eq!(back.items("text"), ["four", "three", "two"]);
    let other = format!("/api/v1/posts/{}/revisions?cursor={next}", ann.posts("other").await);
    ann.get(&other).await.assert_problem(400, "cursor-invalid");

    ann.delete(&path).await.assert_status(204);
    ann.get(&list).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_edits_with_one_etag_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let tag = ann.get(&path).await.header("etag").unwrap().to_owned();
    let bodies: Vec<Value> = (0..100).map(|n| json!({ "text": format!("edit {n}") })).collect();
    let headers = [("if-match", tag.as_str())];
    let answers = join_all(bodies.iter().map(|body| ann.patch(&path, &headers, body))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].json()["text"], ann.get(&path).await.json()["text"]);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.assert_problem(412, "precondition-failed");
    }
    assert_eq!(t.database.count("revisions").await, 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_edits_of_different_fields_are_both_applied(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let path = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let (text, visibility) = (json!({ "text": "edited" }), json!({ "visibility": "followers" }));
    let (one, two) = tokio::join!(ann.patch(&path, &[], &text), ann.patch(&path, &[], &visibility));
    one.assert_status(200);
    two.assert_status(200);
    let post = ann.get(&path).await.json();
    assert_eq!((&post["text"], &post["visibility"]), (&json!("edited"), &json!("followers")));
}
