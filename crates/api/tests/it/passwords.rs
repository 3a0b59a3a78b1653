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
async fn a_new_password_ends_every_other_session_and_renews_the_cookie(#[case] backend: Backend) {
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
async fn a_wrong_password_changes_nothing_and_is_no_reason_to_log_in_again(#[case] backend: Backend) {
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
async fn guesses_within_a_session_are_counted(#[case] backend: Backend) {
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
async fn what_a_guesser_knows_is_no_password(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["annabellelee"]).await;
    let own_name = json!({ "current_password": PASSWORD, "new_password": "annabellelee" });
    change(&ann, &own_name).await.assert_refused(&[("/new_password", "weak-password")]);
    change(&ann, &json!({ "new_password": "short" })).await.assert_refused(&[("/new_password", "too-short")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn without_a_password_a_fresh_login_is_asked_for(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    t.database.execute("UPDATE users SET password_hash = NULL").await;
    let first = json!({ "current_password": null, "new_password": NEW });
    change(&bob, &first).await.assert_status(204);
    t.clock.advance(Duration::from_secs(600));
    change(&ann, &first).await.assert_problem(403, "reauthentication-required");
    // Nor is a login fresh that lies ahead of a clock that was set back.
    t.clock.step_wall(t.clock.now() - Duration::from_secs(24 * 60 * 60));
    change(&ann, &first).await.assert_problem(403, "reauthentication-required");
}

#[apply(both_databases)]
#[tokio::test]
async fn of_two_changes_at_once_one_wins(#[case] backend: Backend) {
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
