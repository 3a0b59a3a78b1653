//! Likes of posts and comments, and bookmarks.

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, world::TestApp};

// Defect 20 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn liking_twice_counts_and_notifies_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("노을 #제주").await;
    let like = format!("/api/v1/posts/{post}/like");
    for _ in 0..2 {
        let state = bob.put_empty(&like).await;
        assert_eq!(state.assert_status(200).json(), json!({ "liked": true, "like_count": 1 }));
    }
    assert_eq!(ann.notifications().await, ["post_like"]);
    assert_eq!(bob.get(&format!("/api/v1/posts/{post}")).await.json()["viewer"]["liked"], true);
    for _ in 0..2 {
        let state = bob.delete(&like).await;
        assert_eq!(state.assert_status(200).json(), json!({ "liked": false, "like_count": 0 }));
    }
    assert_eq!(ann.notifications().await, [""; 0], "unliking deletes the notification");
}

#[apply(both_databases)]
#[tokio::test]
async fn liking_own_content_does_not_notify(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = ann.posts("mine").await;
    ann.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
    let comment = ann.comments(&post, "mine, too @ann").await;
    ann.put_empty(&format!("/api/v1/comments/{comment}/like")).await.assert_status(200);
    assert_eq!(ann.notifications().await, [""; 0]);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_likes_leave_an_exact_count(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("popular").await;
    let like = format!("/api/v1/posts/{post}/like");
    let many = join_all((0..50).map(|_| bob.put_empty(&like))).await;
    assert!(many.iter().all(|answer| answer.status == 200));
    let mut fans = Vec::new();
    for n in 0..50 {
        let fan = t.stranger();
        fan.sign_up(&format!("fan{n}")).await.assert_status(201);
        fans.push(fan);
    }
    join_all(fans.iter().map(|fan| fan.put_empty(&like))).await;
    assert_eq!(ann.get(&format!("/api/v1/posts/{post}")).await.json()["like_count"], 51);
    join_all(fans.iter().flat_map(|fan| [fan.delete(&like), fan.delete(&like)])).await;
    assert_eq!(ann.get(&format!("/api/v1/posts/{post}")).await.json()["like_count"], 1);
    assert_eq!(ann.notifications().await, ["post_like"]);
}

// Defect 22 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn likers_are_listed_latest_first_in_pages(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul, dana] = t.users(["ann", "bob", "chul", "dana"]).await;
    let post = ann.posts("hello").await;
    for fan in [&bob, &chul, &dana] {
        fan.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
    }
    let list = format!("/api/v1/posts/{post}/likes?limit=2");
    let first = t.stranger().get(&list).await;
    assert_eq!(first.items("username"), ["dana", "chul"]);
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(t.stranger().get(&format!("{list}&cursor={next}")).await.items("username"), ["bob"]);
    assert_eq!(bob.get("/api/v1/me/likes").await.items("id"), [post]);
}

// Defect 23 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn bookmarks_are_private_and_sorted_by_bookmark_time(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let [old, new] = [ann.posts("old").await, ann.posts("new").await];
    for post in [&new, &old, &old] {
        let bookmarked = bob.put_empty(&format!("/api/v1/posts/{post}/bookmark")).await;
        assert_eq!(bookmarked.assert_status(200).json(), json!({ "bookmarked": true }));
    }
    let first = bob.get("/api/v1/me/bookmarks?limit=1").await;
    assert_eq!(first.items("id"), [&*old], "the cursor points at the bookmark, not at the post");
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(bob.get(&format!("/api/v1/me/bookmarks?limit=1&cursor={next}")).await.items("id"), [&*new]);
    assert_eq!(ann.get("/api/v1/me/bookmarks").await.items("id").len(), 0);
    assert_eq!(ann.notifications().await, [""; 0]);
    bob.delete(&format!("/api/v1/posts/{old}/bookmark")).await.assert_status(200);
    assert_eq!(bob.get("/api/v1/me/bookmarks").await.items("id"), [new]);
}
