//! Changing the password.

use std::time::Duration;

use blegram_domain::Clock;
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, PASSWORD, TestApp},
};

const NEW: &str = "old elm behind a green gate";

async fn change(actor: &Actor<'_>, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    actor.send(Method::PUT, "/api/v1/me/password", &headers, body.to_string().into_bytes()).await
}

#[apply(both_databases)]
#[tokio::test]
async fn password_change_ends_other_sessions_and_renews_the_cookie(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let thief = t.stranger();
    thief.log_in("ann", PASSWORD).await.assert_status(200);
    let before = ann.cookie();
    change(&ann, &json!({ "current_password": PASSWORD, "new_password": NEW })).await.assert_status(204);
    assert_ne!(ann.cookie(), before);
    ann.get("/api/v1/me").await.assert_status(200);
    thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    thief.set_cookie(before);
    thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    t.stranger().log_in("ann", PASSWORD).await.assert_problem(401, "invalid-credentials");
    t.stranger().log_in("ann", NEW).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn wrong_current_password_is_rejected_and_keeps_the_session(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for current in [json!("wrong"), json!(null)] {
        let answer = change(&ann, &json!({ "current_password": current, "new_password": NEW })).await;
        answer.assert_problem(403, "wrong-password");
    }
    ann.get("/api/v1/me").await.assert_status(200);
    t.stranger().log_in("ann", PASSWORD).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn wrong_current_passwords_are_rate_limited(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let wrong = json!({ "current_password": "wrong", "new_password": NEW });
    for _ in 0..10 {
        change(&ann, &wrong).await.assert_problem(403, "wrong-password");
    }
    let answer = change(&ann, &wrong).await;
    answer.assert_problem(429, "rate-limited");
    assert_eq!(answer.header("retry-after"), Some("60"));
    change(&bob, &wrong).await.assert_problem(403, "wrong-password");
}

#[apply(both_databases)]
#[tokio::test]
async fn weak_new_passwords_are_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["annabellelee"]).await;
    let own_name = json!({ "current_password": PASSWORD, "new_password": "annabellelee" });
    change(&ann, &own_name).await.assert_invalid(&[("/new_password", "weak-password")]);
    change(&ann, &json!({ "new_password": "short" })).await.assert_invalid(&[("/new_password", "too-short")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn first_password_needs_a_recent_login(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    t.database.execute("UPDATE users SET password_hash = NULL").await;
    let first = json!({ "current_password": null, "new_password": NEW });
    change(&bob, &first).await.assert_status(204);
    t.clock.advance(Duration::from_secs(600));
    change(&ann, &first).await.assert_problem(403, "reauthentication-required");
    // A login in the future of a clock that was set back is not recent, either.
    t.clock.step_wall(t.clock.now() - Duration::from_secs(24 * 60 * 60));
    change(&ann, &first).await.assert_problem(403, "reauthentication-required");
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_password_changes_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let laptop = t.stranger();
    laptop.log_in("ann", PASSWORD).await.assert_status(200);
    let other = "a paper lantern over wet stones";
    let body = |new: &str| json!({ "current_password": PASSWORD, "new_password": new });
    let (first, second) = (body(NEW), body(other));
    let (one, two) = tokio::join!(change(&ann, &first), change(&laptop, &second));
    let statuses = [one.status.as_u16(), two.status.as_u16()];
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    let password = if one.status == 204 { NEW } else { other };
    t.stranger().log_in("ann", password).await.assert_status(200);
}
