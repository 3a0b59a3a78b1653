//! Addresses, password resets and the link pages, as clients see them. `blegram-auth` has the tests of the rules.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{PASSWORD, TestApp},
};

const NEW: &str = "another room, without a view";

#[apply(both_databases)]
#[tokio::test]
async fn address_is_verified_changed_and_used(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    let change = json!({ "email": "ann@example.com", "password": PASSWORD });
    let answer = ann.put("/api/v1/me/email", &change).await;
    answer.assert_status(202);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let me = ann.get("/api/v1/me").await.json();
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("ann@example.com"), &json!(false)));

    let token = t.mail().await.token();
    let complete = json!({ "token": token });
    t.stranger().post("/api/v1/auth/email-verifications/complete", &complete).await.assert_status(204);
    t.stranger()
        .post("/api/v1/auth/email-verifications/complete", &complete)
        .await
        .assert_problem(422, "email-token-invalid");
    assert_eq!(ann.get("/api/v1/me").await.json()["email_verified"], true);
    t.stranger().log_in("Ann@example.com", PASSWORD).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn address_of_another_account_is_a_conflict_for_its_reader_only(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for actor in [&ann, &bob] {
        let change = json!({ "email": "ann@example.com", "password": PASSWORD });
        actor.put("/api/v1/me/email", &change).await.assert_status(202);
        let complete = json!({ "token": t.mail().await.token() });
        let answer = t.stranger().post("/api/v1/auth/email-verifications/complete", &complete).await;
        match actor.get("/api/v1/me").await.json()["username"].as_str() {
            Some("ann") => answer.assert_status(204),
            _ => answer.assert_problem(409, "email-taken"),
        };
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn reset_ends_all_sessions(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    t.verify(&ann, "ann@example.com").await;
    let mut answers = Vec::new();
    for email in ["ann@example.com", "stranger@example.com"] {
        let answer = t.stranger().post("/api/v1/auth/password-resets", &json!({ "email": email })).await;
        answer.assert_status(202);
        answers.push((answer.status, answer.text().to_owned()));
    }
    assert_eq!(answers[0], answers[1]);
    let token = t.mail().await.token();
    let path = "/api/v1/auth/password-resets/complete";
    let weak = json!({ "token": token, "new_password": "short" });
    t.stranger().post(path, &weak).await.assert_invalid(&[("/new_password", "too-short")]);
    let weak = json!({ "token": token, "new_password": "ann@example.com" });
    t.stranger().post(path, &weak).await.assert_invalid(&[("/new_password", "weak-password")]);
    let mut socket = ann.connects().await;
    let reset = json!({ "token": token, "new_password": NEW });
    t.stranger().post(path, &reset).await.assert_status(204);
    assert_eq!(socket.closed().await, 4500);
    ann.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    t.stranger().log_in("ann", NEW).await.assert_status(200);
    t.stranger().post(path, &reset).await.assert_problem(422, "email-token-invalid");
}

#[apply(both_databases)]
#[tokio::test]
async fn invalid_bodies_are_rejected(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    ann.put("/api/v1/me/email", &json!({ "email": "a b@c", "passwort": "x" }))
        .await
        .assert_invalid(&[("/email", "invalid-characters"), ("/passwort", "unknown-field")]);
    ann.put("/api/v1/me/email", &json!({ "email": "ann@example.com", "password": "wrong" }))
        .await
        .assert_problem(403, "wrong-password");
    t.stranger()
        .post("/api/v1/auth/password-resets", &json!({ "email": "ann@example.com\r\nBcc: b@example.com" }))
        .await
        .assert_invalid(&[("/email", "invalid-characters")]);
    for token in ["", "ble_AAAA", "한글", "\u{1}"] {
        t.stranger()
            .post("/api/v1/auth/email-verifications/complete", &json!({ "token": token }))
            .await
            .assert_problem(422, "email-token-invalid");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn site_without_mail_says_so(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    assert_eq!(ann.get("/api/v1/instance").await.json()["features"]["mail"], false);
    let change = json!({ "email": "ann@example.com", "password": PASSWORD });
    ann.put("/api/v1/me/email", &change).await.assert_problem(403, "mail-disabled");
    let reset = json!({ "email": "ann@example.com" });
    t.stranger().post("/api/v1/auth/password-resets", &reset).await.assert_status(202);
    let page = t.stranger().get("/reset-password?lang=en").await;
    page.assert_status(200);
    assert!(page.text().contains("This site sends no mail") && !page.text().contains("<form"));
}

#[apply(both_databases)]
#[tokio::test]
async fn login_notices_can_be_switched_off(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    t.verify(&ann, "ann@example.com").await;
    assert_eq!(ann.get("/api/v1/me").await.json()["login_notices"], true);
    t.stranger().log_in("ann", PASSWORD).await.assert_status(200);
    assert!(t.mail().await.subject.ends_with("New login to your account"));
    let changed = ann.patch("/api/v1/me", &[], &json!({ "login_notices": false })).await;
    assert_eq!(changed.json()["login_notices"], false);
    t.stranger().log_in("ann", PASSWORD).await.assert_status(200);
    assert!(t.mails().await.is_empty());
}

#[apply(both_databases)]
#[tokio::test]
async fn use_of_mails_is_limited_per_address(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let sender = t.stranger().at("192.0.2.1");
    for n in 0..20 {
        let body = json!({ "email": format!("ann{n}@example.com") });
        sender.post("/api/v1/auth/password-resets", &body).await.assert_status(202);
    }
    let body = json!({ "token": "ble_nothing" });
    let limited = sender.post("/api/v1/auth/email-verifications/complete", &body).await;
    limited.assert_problem(429, "rate-limited");
    assert_eq!(limited.header("ratelimit-policy"), Some("\"email-token\";q=20;w=3600"));
    // One recipient, from many addresses.
    for n in 0..6 {
        let body = json!({ "email": "victim@example.com" });
        let answer = t.stranger().post("/api/v1/auth/password-resets", &body).await;
        answer.assert_status(if n < 5 { 202 } else { 429 });
    }
    let rate_limits = t.stranger().get("/api/v1/instance").await.json()["rate_limits"].clone();
    let find =
        |name: &str| rate_limits.as_array().unwrap().iter().find(|limit| limit["name"] == name).cloned();
    assert_eq!(find("mail").unwrap()["subject"], "recipient");
    assert_eq!(find("email-token").unwrap()["subject"], "address");
}
