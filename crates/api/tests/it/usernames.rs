//! Changing usernames, and the reservation of former ones.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{Actor, Answer, PASSWORD, TestApp},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn rename(actor: &Actor<'_>, name: &str) -> Answer {
    actor.put("/api/v1/me/username", &json!({ "username": name })).await
}

#[apply(both_databases)]
#[tokio::test]
async fn new_username_replaces_the_old_one_everywhere(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/api/v1/posts/{}", ann.posts("hello").await);
    let tag = ann.get("/api/v1/me").await.header("etag").unwrap().to_owned();
    assert_eq!(rename(&ann, " Ann.Lee ").await.assert_status(200).json()["username"], "ann.lee");
    assert_ne!(ann.get("/api/v1/me").await.header("etag"), Some(tag.as_str()));
    assert_eq!(ann.get(&post).await.json()["author"]["username"], "ann.lee");
    t.stranger().get("/api/v1/users/@ann").await.assert_problem(404, "not-found");
    t.stranger().log_in("ann", PASSWORD).await.assert_problem(401, "invalid-credentials");
    t.stranger().log_in("ann.lee", PASSWORD).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn former_username_is_reserved_for_its_owner_for_90_days(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    rename(&ann, "lee").await.assert_status(200);
    rename(&bob, "ann").await.assert_problem(409, "username-taken");
    t.stranger().sign_up("ann").await.assert_problem(409, "username-taken");
    rename(&ann, "ann").await.assert_status(200);
    rename(&bob, "ann").await.assert_problem(409, "username-taken");
    rename(&bob, "lee").await.assert_problem(409, "username-taken");

    rename(&ann, "lee").await.assert_status(200);
    t.clock.advance(90 * DAY - Duration::from_secs(1));
    t.stranger().sign_up("ann").await.assert_problem(409, "username-taken");
    t.clock.advance(Duration::from_secs(1));
    t.stranger().sign_up("ann").await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn taken_lookalike_and_reserved_usernames_are_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob] = t.users(["ann", "b0b"]).await;
    for name in ["b0b", "bob", "admin"] {
        rename(&ann, name).await.assert_problem(409, "username-taken");
    }
    ann.put("/api/v1/me/username", &json!({ "username": "a" }))
        .await
        .assert_invalid(&[("/username", "too-short")]);
    assert_eq!(ann.get("/api/v1/me").await.json()["username"], "ann");
}

#[apply(both_databases)]
#[tokio::test]
async fn own_username_may_change_to_a_lookalike(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [bob] = t.users(["b0b"]).await;
    let tag = bob.get("/api/v1/me").await.header("etag").unwrap().to_owned();
    rename(&bob, "B0B").await.assert_status(200);
    assert_eq!(
        bob.get("/api/v1/me").await.header("etag"),
        Some(tag.as_str()),
        "the same username is no change"
    );
    assert_eq!(rename(&bob, "bob").await.assert_status(200).json()["username"], "bob");
    t.stranger().sign_up("b0b").await.assert_problem(409, "username-taken");
}

#[apply(both_databases)]
#[tokio::test]
async fn username_changes_are_rate_limited(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for name in ["ann1", "ann2", "ann3", "ann4", "ann5"] {
        rename(&ann, &format!("{name}.x")).await.assert_status(200);
    }
    let answer = rename(&ann, "ann6.x").await;
    answer.assert_problem(429, "rate-limited");
    assert_eq!(answer.header("retry-after"), Some("17280"));
    rename(&bob, "ann6.x").await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_changes_to_one_username_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let people = join_all((0..20).map(|n| {
        let t = &t;
        async move {
            let [person] = t.users([format!("person{n}").as_str()]).await;
            person
        }
    }))
    .await;
    let newcomer = t.stranger();
    let requests = join_all(people.iter().map(|person| rename(person, "wanted")));
    let (answers, signed_up) = tokio::join!(requests, newcomer.sign_up("want3d"));
    let got = answers.iter().filter(|answer| answer.status == 200).count();
    let rejected = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((got, rejected), (1, 19));
    assert_eq!(signed_up.status, 201, "not similar enough to count as a lookalike");
}
