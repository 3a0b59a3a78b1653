//! Reading what is new, and changing what one has read.

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
async fn who_has_it_already_is_told_so(#[case] backend: Backend) {
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
async fn news_are_told(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let tag = async |actor: &Actor<'_>, path: &str| actor.get(path).await.header("etag").unwrap().to_owned();
    let (of_post, of_page) = (tag(&bob, &post).await, tag(&bob, "/api/v1/timelines/public").await);
    // Somebody logged in sees more than nobody does.
    read(&t.stranger(), Method::GET, &post, &of_post).await.assert_status(200);
    t.database.execute("UPDATE posts SET like_count = 1").await;
    read(&bob, Method::GET, &post, &of_post).await.assert_status(200);
    read(&bob, Method::GET, "/api/v1/timelines/public", &of_page).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_change_is_bound_to_the_edit_that_was_read_and_not_to_likes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let old = ann.get(&post).await.header("etag").unwrap().to_owned();
    t.database.execute("UPDATE posts SET like_count = 1").await;
    let edit = json!({ "text": "edited" });
    let edited = ann.patch(&post, &[("if-match", old.as_str())], &edit).await;
    let new = edited.assert_status(200).header("etag").unwrap().to_owned();
    let weak = format!("W/{new}");
    for stale in [old.as_str(), weak.as_str(), "nonsense", "\"\""] {
        let answer = ann.patch(&post, &[("if-match", stale)], &json!({ "text": "again" })).await;
        answer.assert_problem(412, "precondition-failed");
        let answer = ann.send(Method::DELETE, &post, &[("if-match", stale)], Vec::new()).await;
        answer.assert_problem(412, "precondition-failed");
    }
    assert_eq!(ann.get(&post).await.json()["text"], "edited");
    let both = format!("{old}, {new}");
    ann.patch(&post, &[("if-match", both.as_str())], &json!({ "text": "again" })).await.assert_status(200);
    ann.send(Method::DELETE, &post, &[("if-match", "*")], Vec::new()).await.assert_status(204);
}

#[apply(both_databases)]
#[tokio::test]
async fn caches_keep_what_they_may(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    for (path, mine, everybodys) in [
        (post.as_str(), "private, no-cache", "no-cache"),
        ("/api/v1/timelines/public", "private, no-cache", "no-cache"),
        ("/api/v1/me", "no-store", "no-store"),
        ("/api/v1/auth/csrf", "no-store", "no-store"),
        ("/api/v1/posts/nonsense", "private, no-cache", "no-cache"),
    ] {
        assert_eq!(ann.get(path).await.header("cache-control"), Some(mine), "{path}");
        assert_eq!(t.stranger().get(path).await.header("cache-control"), Some(everybodys), "{path}");
    }
}
