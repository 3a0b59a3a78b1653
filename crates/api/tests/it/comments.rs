//! Comments, replies and tombstones, and their notifications.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{Actor, TestApp},
};

async fn counts(actor: &Actor<'_>, post: &str) -> u64 {
    actor.get(&format!("/api/v1/posts/{post}")).await.json()["comment_count"].as_u64().unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn reply_to_a_reply_joins_the_thread_and_notifies_its_author(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = ann.posts("hello").await;
    let top = bob.comments(&post, "first").await;
    let reply = chul.replies(&post, &top, "second").await;
    let nested = ann.replies(&post, &reply, "third").await;
    let thread = t.stranger().get(&format!("/api/v1/comments/{top}/replies")).await;
    assert_eq!(thread.items("id"), [&*reply, &*nested], "oldest first");
    assert_eq!(thread.items("parent_id"), [&*top, &*top]);
    let listed = t.stranger().get(&format!("/api/v1/posts/{post}/comments")).await;
    assert_eq!((listed.items("id"), listed.items("reply_count")), (vec![json!(top)], vec![json!(2)]));
    assert_eq!(counts(&ann, &post).await, 3);
    assert_eq!(ann.notifications().await, ["comment", "comment"]);
    assert_eq!(bob.notifications().await, ["reply"]);
    assert_eq!(chul.notifications().await, ["reply"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_notifies_each_recipient_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello").await;
    let top = ann.comments(&post, "to myself").await;
    bob.replies(&post, &top, "@ann @ann님 hi").await;
    assert_eq!(
        ann.notifications().await,
        ["reply"],
        "a reply takes precedence over a mention, and a mention over a comment"
    );
    bob.comments(&post, "@ann again").await;
    assert_eq!(ann.notifications().await, ["mention", "reply"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_comment_is_a_tombstone_while_it_has_replies(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello").await;
    let top = bob.comments(&post, "first @ann").await;
    let reply = ann.replies(&post, &top, "second").await;
    let path = format!("/api/v1/comments/{top}");
    bob.delete(&path).await.assert_status(204);
    let tombstone = ann.get(&path).await.json();
    assert_eq!((&tombstone["author"], &tombstone["text"]), (&json!(null), &json!(null)));
    assert_eq!((&tombstone["is_deleted"], &tombstone["mentions"]), (&json!(true), &json!([])));
    assert_eq!(counts(&ann, &post).await, 1);
    // A tombstone accepts no actions and no direct replies; replies to its replies still work.
    bob.delete(&path).await.assert_problem(404, "not-found");
    ann.put_empty(&format!("{path}/like")).await.assert_problem(404, "not-found");
    ann.get(&format!("{path}/revisions")).await.assert_problem(404, "not-found");
    let body = json!({ "text": "hello?", "parent_id": top });
    ann.post(&format!("/api/v1/posts/{post}/comments"), &body)
        .await
        .assert_invalid(&[("/parent_id", "not-found")]);
    let last = bob.replies(&post, &reply, "third").await;
    for reply in [&reply, &last] {
        ann.delete(&format!("/api/v1/comments/{reply}")).await.assert_status(204);
    }
    ann.get(&path).await.assert_problem(404, "not-found");
    assert_eq!(ann.get(&format!("/api/v1/posts/{post}/comments")).await.items("id").len(), 0);
    assert_eq!(counts(&ann, &post).await, 0);
}

// Defects 2 and 3 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn comment_changes_by_others_are_rejected_except_deletion_by_the_post_author(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = ann.posts("hello").await;
    let comment = bob.comments(&post, "mine").await;
    let path = format!("/api/v1/comments/{comment}");
    for other in [&ann, &chul] {
        other.patch(&path, &[], &json!({ "text": "yours" })).await.assert_problem(403, "forbidden");
    }
    chul.delete(&path).await.assert_problem(403, "forbidden");
    ann.delete(&path).await.assert_status(204);
    bob.get(&path).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn own_likes_bookmarks_and_comments_can_be_removed_across_a_block(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = bob.posts("hello").await;
    let comment = ann.comments(&post, "mine").await;
    let by_bob = bob.comments(&post, "his").await;
    let [comment, liked] = [comment, by_bob].map(|id| format!("/api/v1/comments/{id}"));
    let post = format!("/api/v1/posts/{post}");
    let of_ann = [format!("{post}/like"), format!("{liked}/like"), format!("{post}/bookmark")];
    for path in &of_ann {
        ann.put_empty(path).await.assert_success();
    }
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);
    chul.put_empty("/api/v1/users/@bob/block").await.assert_status(200);
    for path in of_ann.iter().chain([&comment]) {
        chul.delete(path).await.assert_problem(404, "not-found");
    }
    ann.patch(&comment, &[], &json!({ "text": "other" })).await.assert_problem(404, "not-found");
    for path in of_ann.iter().chain([&comment]) {
        ann.delete(path).await.assert_success();
        ann.delete(path).await.assert_problem(404, "not-found");
    }
    let seen = bob.get(&post).await.json();
    assert_eq!((&seen["like_count"], &seen["comment_count"]), (&json!(0), &json!(1)));
    assert_eq!(bob.get(&liked).await.json()["like_count"], 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn own_likes_bookmarks_and_comments_can_be_removed_from_a_hidden_post(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = bob.posts("hello").await;
    let post = format!("/api/v1/posts/{id}");
    let comment = format!("/api/v1/comments/{}", ann.comments(&id, "mine").await);
    let of_ann = [format!("{post}/like"), format!("{post}/bookmark")];
    for path in &of_ann {
        ann.put_empty(path).await.assert_success();
    }
    bob.patch(&post, &[], &json!({ "visibility": "followers" })).await.assert_status(200);
    for path in of_ann.iter().chain([&comment]) {
        ann.delete(path).await.assert_success();
    }
    let seen = bob.get(&post).await.json();
    assert_eq!((&seen["like_count"], &seen["comment_count"]), (&json!(0), &json!(0)));
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_revisions_are_visible_to_moderators_across_a_block(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello").await;
    let path = format!("/api/v1/comments/{}", ann.comments(&post, "before").await);
    ann.patch(&path, &[], &json!({ "text": "after" })).await.assert_status(200);
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);
    ann.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    let list = format!("{path}/revisions");
    bob.get(&list).await.assert_problem(404, "not-found");
    t.database.execute("UPDATE users SET role = 'moderator' WHERE username = 'bob'").await;
    // Sessions are cached for a second.
    t.clock.advance(Duration::from_secs(2));
    assert_eq!(bob.get(&list).await.items("text"), [json!("after"), json!("before")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_edits_store_revisions_and_notify_new_mentions(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = ann.posts("hello").await;
    let comment = bob.comments(&post, "for @chul").await;
    let path = format!("/api/v1/comments/{comment}");
    assert_eq!(chul.notifications().await, ["mention"]);
    t.clock.advance(Duration::from_secs(60));
    let tag = bob.get(&path).await.header("etag").unwrap().to_owned();
    let edited = bob.patch(&path, &[("if-match", &tag)], &json!({ "text": "for @ann" })).await;
    assert_eq!(edited.assert_status(200).json()["edited_at"], "2026-09-21T14:14:20.000Z");
    bob.patch(&path, &[("if-match", &tag)], &json!({ "text": "lost" }))
        .await
        .assert_problem(412, "precondition-failed");
    assert_eq!(chul.notifications().await, [""; 0], "no longer mentioned");
    assert_eq!(ann.notifications().await, ["comment"], "already notified about the comment, so not again");
    let texts = bob.get(&format!("{path}/revisions")).await.items("text");
    assert_eq!(texts, ["for @ann", "for @chul"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_revisions_are_visible_to_the_author_and_moderators_only(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul, mod_user, admin] = t.users(["ann", "bob", "chul", "judge", "boss"]).await;
    for (name, role) in [("judge", "moderator"), ("boss", "admin")] {
        t.database.execute(&format!("UPDATE users SET role = '{role}' WHERE username = '{name}'")).await;
    }
    t.clock.advance(Duration::from_secs(1));
    let post = ann.posts("hello").await;
    let comment = bob.comments(&post, "taken back").await;
    let reply = bob.replies(&post, &comment, "unedited").await;
    bob.patch(&format!("/api/v1/comments/{comment}"), &[], &json!({ "text": "kept" }))
        .await
        .assert_status(200);
    for (of, texts) in [(&comment, &["kept", "taken back"][..]), (&reply, &["unedited"])] {
        let path = format!("/api/v1/comments/{of}/revisions");
        for reader in [&bob, &mod_user, &admin] {
            assert_eq!(reader.get(&path).await.items("text"), texts);
        }
        // Not even the post's author, who may delete the comment.
        for other in [&ann, &chul] {
            other.get(&path).await.assert_problem(403, "forbidden");
        }
        t.stranger().get(&path).await.assert_problem(401, "unauthenticated");
    }
    let path = format!("/api/v1/comments/{comment}/revisions");
    bob.put_empty("/api/v1/users/@chul/block").await.assert_status(200);
    chul.get(&path).await.assert_problem(404, "not-found");
    bob.delete(&format!("/api/v1/comments/{comment}")).await.assert_status(204);
    for reader in [&bob, &mod_user] {
        reader.get(&path).await.assert_problem(404, "not-found");
    }
    // Revisions of posts are public.
    ann.patch(&format!("/api/v1/posts/{post}"), &[], &json!({ "text": "edited" })).await.assert_status(200);
    let texts = t.stranger().get(&format!("/api/v1/posts/{post}/revisions")).await.items("text");
    assert_eq!(texts, ["edited", "hello"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_comments_and_deletions_leave_exact_counts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("busy").await;
    let top = ann.comments(&post, "top").await;
    let replies = join_all((0..30).map(|n| {
        let (who, text) = (if n % 2 == 0 { &ann } else { &bob }, n.to_string());
        let (post, top) = (post.clone(), top.clone());
        async move { who.replies(&post, &top, &text).await }
    }))
    .await;
    assert_eq!(counts(&ann, &post).await, 31);
    // Two concurrent requests delete each comment; one of them comes too late.
    let paths: Vec<String> = replies.iter().map(|reply| format!("/api/v1/comments/{reply}")).collect();
    let answers = join_all(paths.iter().take(20).flat_map(|path| [ann.delete(path), ann.delete(path)])).await;
    let done = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!((done, counts(&ann, &post).await), (20, 11));
    assert_eq!(ann.get(&format!("/api/v1/comments/{top}")).await.json()["reply_count"], 10);
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_needs_text_and_an_existing_post_and_parent(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let [post, other] = [ann.posts("one").await, ann.posts("two").await];
    let elsewhere = ann.comments(&other, "elsewhere").await;
    let path = format!("/api/v1/posts/{post}/comments");
    for (text, code) in [
        ("", "blank"),
        ("\u{3164}", "blank"),
        (&*"가".repeat(1001), "too-long"),
        ("a\0", "invalid-characters"),
    ] {
        ann.post(&path, &json!({ "text": text })).await.assert_invalid(&[("/text", code)]);
    }
    for parent in [&*elsewhere, &*post, "nonsense", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        let body = json!({ "text": "hello", "parent_id": parent });
        ann.post(&path, &body).await.assert_invalid(&[("/parent_id", "not-found")]);
    }
    ann.delete(&format!("/api/v1/posts/{post}")).await.assert_status(204);
    ann.post(&path, &json!({ "text": "late" })).await.assert_problem(404, "not-found");
    ann.get(&path).await.assert_problem(404, "not-found");
}
