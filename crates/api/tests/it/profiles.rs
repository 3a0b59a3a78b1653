//! Updating the caller's profile.

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, TestApp},
};

async fn update(actor: &Actor<'_>, body: &Value) -> Answer {
    actor.patch("/api/v1/me", &[], body).await
}

#[apply(both_databases)]
#[tokio::test]
async fn profile_update_changes_only_the_sent_fields(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let before = ann.get("/api/v1/me").await.json();
    let after = update(&ann, &json!({ "display_name": "앤", "bio": "빛을 찍습니다" })).await;
    let after = after.assert_status(200).json();
    let mut expected = before;
    expected["display_name"] = json!("앤");
    expected["bio"] = json!("빛을 찍습니다");
    assert_eq!(after, expected);
    assert_eq!(ann.get("/api/v1/me").await.json(), expected);
    let seen = bob.get("/api/v1/users/@ann").await.json();
    assert_eq!((&seen["display_name"], &seen["bio"]), (&json!("앤"), &json!("빛을 찍습니다")));

    let cleared = update(&ann, &json!({ "display_name": null, "bio": null })).await.json();
    assert_eq!((&cleared["display_name"], &cleared["bio"]), (&json!("ann"), &json!("")));
    let flags = update(&ann, &json!({ "is_private": true, "discoverable": false })).await.json();
    assert_eq!((&flags["is_private"], &flags["discoverable"]), (&json!(true), &json!(false)));
}

#[apply(both_databases)]
#[tokio::test]
async fn private_account_hides_its_posts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello #jeju").await);
    update(&ann, &json!({ "is_private": true })).await.assert_status(200);
    bob.get(&post).await.assert_problem(404, "not-found");
    for list in ["timelines/public", "timelines/hashtags/jeju"] {
        assert_eq!(bob.get(&format!("/api/v1/{list}")).await.items("id"), [json!(null); 0], "{list}");
    }
    bob.get("/api/v1/users/@ann/posts").await.assert_problem(403, "account-private");
    ann.get(&post).await.assert_status(200);
    assert_eq!(bob.get("/api/v1/users/@ann").await.assert_status(200).json()["is_private"], true);
}

// Defect 4 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn profile_update_reports_all_errors_and_changes_nothing(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let before = ann.get("/api/v1/me").await;
    let bad = json!({
        "display_name": " ", "bio": "가".repeat(301), "is_private": 1, "discoverable": "yes", "role": "admin",
    });
    update(&ann, &bad).await.assert_invalid(&[
        ("/display_name", "blank"),
        ("/bio", "too-long"),
        ("/is_private", "wrong-type"),
        ("/discoverable", "wrong-type"),
        ("/role", "unknown-field"),
    ]);
    let after = ann.get("/api/v1/me").await;
    assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_profile_updates_with_one_etag_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let tag = ann.get("/api/v1/me").await.header("etag").unwrap().to_owned();
    let bodies: Vec<_> = (0..20).map(|n| json!({ "bio": format!("bio {n}") })).collect();
    let headers = [("if-match", tag.as_str())];
    let requests = bodies.iter().map(|body| ann.patch("/api/v1/me", &headers, body));
    let answers = join_all(requests).await;
    let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 19);
    let now = ann.get("/api/v1/me").await;
    assert_eq!((now.json(), now.header("etag")), (winners[0].json(), winners[0].header("etag")));
    // An update that changes nothing keeps the ETag.
    let same = json!({ "bio": now.json()["bio"] });
    assert_eq!(update(&ann, &same).await.header("etag"), now.header("etag"));
}
