//! Notifications, unread counts and read positions, and reports.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, world::TestApp};

#[apply(both_databases)]
#[tokio::test]
async fn read_position_is_shared_and_never_moves_back(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = ann.posts("hello").await;
    bob.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
    chul.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
    let unread = async || ann.get("/api/v1/notifications/unread-count").await.json();
    assert_eq!(unread().await, json!({ "notifications": 2, "messages": 0 }));
    let ids = ann.get("/api/v1/notifications").await.items("id");
    let read = async |id: &serde_json::Value| {
        ann.put("/api/v1/notifications/read", &json!({ "up_to": id })).await.json()
    };
    assert_eq!(read(&ids[1]).await, json!({ "unread_count": 1, "read_up_to": ids[1] }));
    assert_eq!(ann.get("/api/v1/notifications").await.items("is_read"), [false, true]);
    assert_eq!(read(&ids[0]).await["unread_count"], 0);
    assert_eq!(read(&ids[1]).await["read_up_to"], ids[0], "the read position never moves back");
    // A read position in the future is clamped to the newest notification, so that later ones are unread.
    assert_eq!(read(&json!("ffffffff-ffff-7fff-bfff-ffffffffffff")).await["read_up_to"], ids[0]);
    bob.comments(&post, "later").await;
    assert_eq!(unread().await["notifications"], 1);
    ann.put("/api/v1/notifications/read", &json!({ "up_to": 7 }))
        .await
        .assert_invalid(&[("/up_to", "wrong-type")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn hidden_notifications_are_not_counted(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = bob.posts("for @ann").await;
    let comment = chul.comments(&bob.posts("other").await, "for @ann, too").await;
    let notification_count = async || {
        let count =
            ann.get("/api/v1/notifications/unread-count").await.json()["notifications"].as_u64().unwrap();
        let list = ann.notifications().await;
        assert_eq!(u64::try_from(list.len()).unwrap(), count);
        list.len()
    };
    assert_eq!(notification_count().await, 2);
    bob.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    assert_eq!(notification_count().await, 0, "both posts are bob's");
    bob.patch("/api/v1/me", &[], &json!({ "is_private": false })).await.assert_status(200);
    bob.patch(&format!("/api/v1/posts/{post}"), &[], &json!({ "visibility": "followers" }))
        .await
        .assert_status(200);
    assert_eq!(notification_count().await, 1);
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'chul'").await;
    assert_eq!(notification_count().await, 0);
    t.database.execute("UPDATE users SET status = 'active' WHERE username = 'chul'").await;
    chul.delete(&format!("/api/v1/comments/{comment}")).await.assert_status(204);
    assert_eq!(notification_count().await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn followers_only_post_notifies_only_mentioned_followers(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    let body = json!({ "text": "dear @bob and @chul", "visibility": "followers" });
    let post = ann.post("/api/v1/posts", &body).await.json();
    assert_eq!((bob.notifications().await.len(), chul.notifications().await.len()), (1, 0));
    let path = format!("/api/v1/posts/{}", post["id"].as_str().unwrap());
    ann.patch(&path, &[], &json!({ "visibility": "public" })).await.assert_status(200);
    assert_eq!(
        (bob.notifications().await.len(), chul.notifications().await.len()),
        (1, 1),
        "no recipient is notified twice"
    );
    ann.patch(&path, &[], &json!({ "text": "dear @bob" })).await.assert_status(200);
    assert_eq!((bob.notifications().await.len(), chul.notifications().await.len()), (1, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn listing_notifications_takes_a_constant_number_of_statements(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    for n in 0..6 {
        let post = ann.posts(&format!("{n}")).await;
        for one in [&bob, &chul] {
            one.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
            let comment = ann.comments(&post, "hello").await;
            one.replies(&post, &comment, "@ann").await;
        }
    }
    let mut counts = Vec::new();
    for limit in [1, 4, 20] {
        ann.get("/api/v1/me").await;
        t.database.take_statements();
        ann.get(&format!("/api/v1/notifications?limit={limit}")).await.assert_status(200);
        counts.push(t.database.take_statements().len());
    }
    // Ids, notifications, read position, actors; posts; comments, their accounts and likes.
    assert_eq!(counts, [8, 8, 8]);
}

#[apply(both_databases)]
#[tokio::test]
async fn reports_are_stored_once_and_validated(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("buy now").await;
    let comment = ann.comments(&post, "really").await;
    let report = async |body: serde_json::Value| bob.post("/api/v1/reports", &body).await;
    let first = report(json!({ "post_id": post, "reason": "spam", "note": "again" })).await;
    first.assert_status(201);
    t.clock.advance(Duration::from_secs(1));
    let again = report(json!({ "post_id": post, "reason": "hate" })).await;
    assert_eq!(again.json(), first.json());
    report(json!({ "comment_id": comment, "reason": "self_harm" })).await.assert_status(201);
    let id = ann.get("/api/v1/me").await.json()["id"].clone();
    report(json!({ "user_id": id, "reason": "impersonation" })).await.assert_status(201);
    assert_eq!((t.database.count("reports").await, ann.notifications().await), (3, Vec::<String>::new()));
    report(json!({ "reason": "spam" })).await.assert_invalid(&[("", "out-of-range")]);
    report(json!({ "post_id": post, "comment_id": comment, "reason": "dull" }))
        .await
        .assert_invalid(&[("/reason", "out-of-range")]);
    report(json!({ "post_id": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": "spam" }))
        .await
        .assert_problem(404, "not-found");
    ann.post("/api/v1/reports", &json!({ "post_id": post, "reason": "spam" }))
        .await
        .assert_invalid(&[("", "self")]);
}
