//! Conditional requests: `If-None-Match` for reads, `If-Match` for writes, and `Cache-Control`.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{Actor, Answer, TestApp},
};

async fn read(actor: &Actor<'_>, method: Method, path: &str, known: &str) -> Answer {
    actor.send(method, path, &[("if-none-match", known)], Vec::new()).await
}

#[apply(both_databases)]
#[tokio::test]
async fn matching_etag_returns_not_modified(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    for path in [
        post.as_str(),
        "/api/v1/me",
        "/api/v1/users/@ann",
        "/api/v1/timelines/public",
        "/api/v1/users/@ann/posts",
        "/api/v1/auth/sessions",
    ] {
        let full = ann.get(path).await;
        let tag = full.assert_status(200).header("etag").unwrap().to_owned();
        assert_eq!(tag.starts_with("W/"), full.json().get("items").is_some(), "{path} {tag}");
        let listed = format!("\"other\", W/{}", tag.trim_start_matches("W/"));
        for known in [tag.as_str(), listed.as_str(), "*"] {
            let answer = read(&ann, Method::GET, path, known).await;
            answer.assert_status(304);
            assert!(answer.body.is_empty());
            for name in ["etag", "cache-control", "vary", "link"] {
                assert_eq!(answer.header(name), full.header(name), "{path} {name}");
            }
            assert_eq!(answer.header("content-type"), None);
        }
        read(&ann, Method::HEAD, path, &tag).await.assert_status(304);
        read(&ann, Method::GET, path, "\"other\"").await.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn etag_depends_on_content_and_viewer(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let tag = async |actor: &Actor<'_>, path: &str| actor.get(path).await.header("etag").unwrap().to_owned();
    let (of_post, of_page) = (tag(&bob, &post).await, tag(&bob, "/api/v1/timelines/public").await);
    // A logged-in viewer gets a different representation than an anonymous one.
    read(&t.stranger(), Method::GET, &post, &of_post).await.assert_status(200);
    t.database.execute("UPDATE posts SET like_count = 1").await;
    read(&bob, Method::GET, &post, &of_post).await.assert_status(200);
    read(&bob, Method::GET, "/api/v1/timelines/public", &of_page).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn if_match_of_a_post_detects_edits_and_ignores_likes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let old = ann.get(&post).await.header("etag").unwrap().to_owned();
    t.database.execute("UPDATE posts SET like_count = 1").await;
    let edit = json!({ "text": "edited" });
    let edited = ann.patch(&post, &[("if-match", old.as_str())], &edit).await;
    let new = edited.assert_status(200).header("etag").unwrap().to_owned();
    let weak = format!("W/{old}");
    for stale in [old.as_str(), weak.as_str(), "nonsense", "\"\""] {
        let answer = ann.patch(&post, &[("if-match", stale)], &json!({ "text": "again" })).await;
        answer.assert_problem(412, "precondition-failed");
        let answer = ann.send(Method::DELETE, &post, &[("if-match", stale)], Vec::new()).await;
        answer.assert_problem(412, "precondition-failed");
    }
    assert_eq!(ann.get(&post).await.json()["text"], "edited");
    // nginx weakens the ETag of a response that it compresses.
    let weak = format!("W/{new}");
    let again = ann.patch(&post, &[("if-match", weak.as_str())], &json!({ "text": "again" })).await;
    let newest = again.assert_status(200).header("etag").unwrap().to_owned();
    let both = format!("{old}, W/{newest}");
    ann.patch(&post, &[("if-match", both.as_str())], &json!({ "text": "at last" })).await.assert_status(200);
    ann.send(Method::DELETE, &post, &[("if-match", "*")], Vec::new()).await.assert_status(204);
}

#[apply(both_databases)]
#[tokio::test]
async fn cache_control_depends_on_route_and_viewer(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    for (path, authenticated, anonymous) in [
        (post.as_str(), "private, no-cache", "no-cache"),
        ("/api/v1/timelines/public", "private, no-cache", "no-cache"),
        ("/api/v1/me", "no-store", "no-store"),
        ("/api/v1/auth/csrf", "no-store", "no-store"),
        ("/api/v1/posts/nonsense", "private, no-cache", "no-cache"),
    ] {
        assert_eq!(ann.get(path).await.header("cache-control"), Some(authenticated), "{path}");
        assert_eq!(t.stranger().get(path).await.header("cache-control"), Some(anonymous), "{path}");
    }
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("no ETag: {}", answer.text())).to_owned()
}

#[apply(both_databases)]
#[tokio::test]
async fn etag_of_a_created_resource_is_valid_for_its_first_edit(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    let text = json!({ "text": "hello" });
    let post = ann.post("/api/v1/posts", &text).await;
    let id = post.json()["id"].as_str().unwrap().to_owned();
    let comment = ann.post(&format!("/api/v1/posts/{id}/comments"), &text).await;
    let direct = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await;
    let group = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"], "title": "tea" })).await;
    let messages = format!("/api/v1/conversations/{}/messages", group.json()["id"].as_str().unwrap());
    let sent = json!({ "client_id": crate::world::client_id(), "text": "hello" });
    let message = ann.post(&messages, &sent).await;
    let key = ("idempotency-key", "once");
    let headers = [("content-type", "application/json"), key];
    let body = text.to_string().into_bytes();
    let first = ann.send(Method::POST, "/api/v1/posts", &headers, body.clone()).await;
    let replayed = ann.send(Method::POST, "/api/v1/posts", &headers, body).await;
    assert_eq!(tag(&first), tag(&replayed));
    assert_eq!(tag(&direct), tag(&ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await));
    assert_eq!(tag(&message), tag(&ann.post(&messages, &sent).await), "a repeated request");
    for (made, base, change, other) in [
        (&post, "/api/v1/posts", json!({ "text": "edited" }), json!({ "text": "again" })),
        (&comment, "/api/v1/comments", json!({ "text": "edited" }), json!({ "text": "again" })),
        (&group, "/api/v1/conversations", json!({ "title": "cake" }), json!({ "title": null })),
        (&message, messages.as_str(), json!({ "text": "edited" }), json!({ "text": "again" })),
    ] {
        let path = format!("{base}/{}", made.json()["id"].as_str().unwrap());
        let old = tag(made.assert_status(201));
        let edited = ann.patch(&path, &[("if-match", &old)], &change).await;
        let new = tag(edited.assert_status(200));
        assert_ne!(old.split('-').next(), new.split('-').next(), "{path}");
        for body in [&other, &change] {
            let stale = ann.patch(&path, &[("if-match", &old)], body).await;
            stale.assert_problem(412, "precondition-failed");
        }
        ann.patch(&path, &[("if-match", &format!("W/{new}"))], &change).await.assert_status(200);
        ann.patch(&path, &[], &other).await.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn if_match_of_a_message_guards_its_deletion(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let conversation = ann.starts_conversation(&["@bob"], None).await;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let sent = ann.sends(&conversation, crate::world::client_id(), "hello").await;
    let path = format!("{messages}/{}", sent.json()["id"].as_str().unwrap());
    let edited = ann.patch(&path, &[], &json!({ "text": "edited" })).await;
    let delete = async |tag: &str| ann.send(Method::DELETE, &path, &[("if-match", tag)], Vec::new()).await;
    delete(&tag(&sent)).await.assert_problem(412, "precondition-failed");
    assert_eq!(bob.get(&messages).await.items("text"), [json!("edited")]);
    delete(&tag(&edited)).await.assert_status(204);
    assert_eq!(bob.get(&messages).await.items("is_deleted"), [json!(true)]);
}

#[apply(both_databases)]
#[tokio::test]
async fn if_match_of_a_group_ignores_new_messages(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, _cat] = t.users(["ann", "bob", "cat"]).await;
    let group = ann.starts_conversation(&["@bob"], Some("tea")).await;
    let path = format!("/api/v1/conversations/{group}");
    let read = ann.get(&path).await;
    let old = tag(&read);
    ann.send(Method::GET, &path, &[("if-none-match", &old)], Vec::new()).await.assert_status(304);
    bob.sends_message(&group, "hello").await;
    ann.send(Method::GET, &path, &[("if-none-match", &old)], Vec::new()).await.assert_status(200);
    let added = ann.post(&format!("{path}/members"), &json!({ "members": ["@cat"] })).await;
    assert_eq!(tag(&added), tag(&ann.get(&path).await));
    ann.patch(&path, &[("if-match", &old)], &json!({ "title": "cake" })).await.assert_status(200);
    for body in [json!({ "title": "pie" }), json!({ "title": "cake" }), json!({})] {
        bob.patch(&path, &[("if-match", &old)], &body).await.assert_problem(412, "precondition-failed");
    }
    assert_eq!(bob.get(&path).await.json()["title"], "cake");
    bob.patch(&path, &[("if-match", "*")], &json!({})).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn if_match_of_the_account_guards_username_changes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let old = tag(&ann.get("/api/v1/me").await);
    ann.patch("/api/v1/me", &[], &json!({ "bio": "from another device" })).await.assert_status(200);
    let put = async |tag: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        let body = json!({ "username": "ann.lee" }).to_string().into_bytes();
        ann.send(Method::PUT, "/api/v1/me/username", &headers, body).await
    };
    put(&old).await.assert_problem(412, "precondition-failed");
    let changed = put(&tag(&ann.get("/api/v1/me").await)).await;
    changed.assert_status(200);
    assert_eq!(tag(&changed), tag(&ann.get("/api/v1/me").await));
}
