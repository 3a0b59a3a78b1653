//! Account deletion and its immediate effects. The server's tests cover the jobs that run afterwards.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, PASSWORD, TestApp, client_id},
};

async fn delete(actor: &Actor<'_>, password: &Value) -> Answer {
    actor.post("/api/v1/me/deletion", &json!({ "password": password })).await
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_account_disappears_immediately(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello #jeju").await;
    let mention = bob.posts("for @ann").await;
    let laptop = t.stranger();
    laptop.log_in("ann", PASSWORD).await.assert_status(200);
    laptop.get("/api/v1/me").await.assert_status(200);

    let deleted = delete(&ann, &json!(PASSWORD)).await;
    deleted.assert_status(204);
    assert!(deleted.header("set-cookie").unwrap().contains("Max-Age=0"));
    laptop.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    for path in
        ["users/@ann", "users/@ann/posts", &format!("posts/{post}"), &format!("posts/{post}/revisions")]
    {
        bob.get(&format!("/api/v1/{path}")).await.assert_problem(404, "not-found");
    }
    for list in ["timelines/public", "timelines/hashtags/jeju"] {
        let ids = bob.get(&format!("/api/v1/{list}")).await.items("id");
        assert!(!ids.contains(&json!(post)), "{list}");
    }
    assert_eq!(bob.get(&format!("/api/v1/posts/{mention}")).await.json()["mentions"], json!([]));
    t.stranger().log_in("ann", PASSWORD).await.assert_problem(401, "invalid-credentials");
}

/// Everything that shows content of an account, requested by another user. `{post}` and `{comment}` are of that user,
/// `{text}` is a comment of the account.
const CONTENT: [&str; 18] = [
    "users/@quixote",
    "users/@bob/followers",
    "users/@bob/following",
    "posts/{post}/comments",
    "posts/{post}/likes",
    "comments/{comment}/replies",
    "comments/{comment}/likes",
    "comments/{text}",
    "timelines/home",
    "timelines/public",
    "timelines/hashtags/quixotic",
    "search/suggestions?q=quix",
    "search/users?q=quixote",
    "search/posts?q=quixotic",
    "notifications",
    "conversations",
    "conversations/{direct}/messages",
    "conversations/{group}/events?after=0",
];

#[apply(both_databases)]
#[tokio::test]
async fn content_of_a_deleted_account_is_hidden_before_jobs_purge_it(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [quixote, bob] = t.users(["quixote", "bob"]).await;
    let post = bob.posts("a mill").await;
    let comment = bob.comments(&post, "and another").await;
    quixote.replies(&post, &comment, "quixotic").await;
    let text = quixote.comments(&post, "quixotic").await;
    quixote.posts("quixotic #quixotic @bob").await;
    for path in
        [format!("posts/{post}/like"), format!("comments/{comment}/like"), "users/@bob/follow".to_owned()]
    {
        quixote.put_empty(&format!("/api/v1/{path}")).await.assert_success();
    }
    bob.put_empty("/api/v1/users/@quixote/follow").await.assert_success();
    let direct = bob.starts_conversation(&["@quixote"], None).await;
    let group = bob.starts_conversation(&["@quixote"], Some("us")).await;
    let picture = quixote.uploads_picture().await;
    for conversation in [&direct, &group] {
        quixote.sends_message(conversation, "quixotic").await;
    }
    let image = json!({ "client_id": client_id(), "text": "", "media_ids": [picture] });
    let messages = format!("/api/v1/conversations/{direct}/messages");
    quixote.post(&messages, &image).await.assert_status(201);
    let contents = CONTENT.map(|path| {
        let path = path.replace("{post}", &post).replace("{comment}", &comment).replace("{text}", &text);
        format!("/api/v1/{}", path.replace("{direct}", &direct).replace("{group}", &group))
    });
    let shows = async |path: &str| {
        let answer = bob.get(path).await;
        let text = answer.text();
        answer.status == 200 && (text.contains("quixot") || text.contains(&picture))
    };
    for path in &contents {
        assert!(shows(path).await, "{path}");
    }

    delete(&quixote, &json!(PASSWORD)).await.assert_status(204);
    assert_eq!(t.database.count("messages").await, 3, "no job has run");
    for path in &contents {
        assert!(!shows(path).await, "{path}");
    }
    for message in bob.get(&messages).await.json()["items"].as_array().unwrap() {
        assert_eq!([&message["sender"], &message["text"]], [&json!(null); 2]);
        assert_eq!([&message["is_deleted"], &message["media"]], [&json!(true), &json!([])]);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_account_keeps_its_usernames_reserved(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    ann.put("/api/v1/me/username", &json!({ "username": "lee" })).await.assert_status(200);
    delete(&ann, &json!(PASSWORD)).await.assert_status(204);
    for name in ["ann", "lee"] {
        t.stranger().sign_up(name).await.assert_problem(409, "username-taken");
    }
}

// Defect 12 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn account_deletion_needs_the_password_and_is_rate_limited(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for wrong in [json!("wrong password here"), json!(null)] {
        delete(&ann, &wrong).await.assert_problem(403, "wrong-password");
    }
    ann.post("/api/v1/me/deletion", &json!({ "password": 7 }))
        .await
        .assert_invalid(&[("/password", "wrong-type")]);
    ann.get("/api/v1/me").await.assert_status(200);
    t.stranger().log_in("ann", PASSWORD).await.assert_status(200);
    for _ in 0..8 {
        delete(&ann, &json!("wrong password here")).await.assert_problem(403, "wrong-password");
    }
    delete(&ann, &json!(PASSWORD)).await.assert_problem(429, "rate-limited");
}

#[apply(both_databases)]
#[tokio::test]
async fn account_deletion_without_a_password_needs_a_recent_login(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    t.database.execute("UPDATE users SET password_hash = NULL").await;
    delete(&bob, &json!(null)).await.assert_status(204);
    t.clock.advance(Duration::from_secs(600));
    delete(&ann, &json!(null)).await.assert_problem(403, "reauthentication-required");
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_account_deletions_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let laptop = t.stranger();
    laptop.log_in("ann", PASSWORD).await.assert_status(200);
    let password = json!(PASSWORD);
    let (one, two) = tokio::join!(delete(&ann, &password), delete(&laptop, &password));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [204, 401] || statuses == [204, 403], "{statuses:?}");
    assert_eq!(t.database.count("jobs").await, 1);
}
