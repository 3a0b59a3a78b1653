//! The audit log: who may read it, and what it says.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, PASSWORD, TestApp},
};

const LOG: &str = "/api/v1/admin/audit";

async fn kinds(admin: &Actor<'_>, query: &str) -> Vec<String> {
    let log = admin.get(&format!("{LOG}{query}")).await;
    log.assert_status(200);
    log.items("kind").iter().map(|kind| kind.as_str().unwrap().to_owned()).collect()
}

#[apply(both_databases)]
#[tokio::test]
async fn audit_log_requires_the_role_admin(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    t.stranger().get(LOG).await.assert_problem(401, "unauthenticated");
    for (role, status) in [("user", 403), ("moderator", 403), ("admin", 200), ("user", 403)] {
        t.set_role("ann", role).await;
        let answer = ann.get(LOG).await;
        answer.assert_status(status);
        if status == 403 {
            let problem = answer.json();
            assert_eq!(
                (&problem["code"], &problem["detail"]),
                (&json!("forbidden"), &json!("This requires the role admin."))
            );
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn audit_log_says_who_did_what_to_whom_and_from_where(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, boss] = t.users(["ann", "boss"]).await;
    t.set_role("boss", "admin").await;
    let phone = t.stranger();
    phone.log_in("ann", PASSWORD).await.assert_status(200);
    let changed = json!({ "current_password": PASSWORD, "new_password": "old elm behind a green gate" });
    ann.put("/api/v1/me/password", &changed).await.assert_status(204);
    ann.put("/api/v1/me/username", &json!({ "username": "anna" })).await.assert_status(200);
    ann.delete("/api/v1/auth/sessions").await.assert_status(204);
    t.stranger().log_in("anna", PASSWORD).await.assert_problem(401, "invalid-credentials");

    let own = [
        "authn_token_revoked",
        "user_updated",
        "authn_password_change",
        "authn_login_success",
        "user_created",
    ];
    assert_eq!(kinds(&boss, "?user=@anna").await, own);
    assert_eq!(kinds(&boss, "?kind=authn_login_success").await, ["authn_login_success"]);
    assert_eq!(kinds(&boss, "?kind=user_created&user=@anna").await, ["user_created"]);
    assert_eq!(kinds(&boss, "").await.len(), own.len() + 1, "and the sign-up of boss");
    let log = boss.get(&format!("{LOG}?user=@anna")).await.json();
    for (item, actor) in [(2, &ann), (3, &phone)] {
        let entry = &log["items"][item];
        assert_eq!(entry["address"], json!(actor.address().to_string()), "{entry}");
        assert_eq!(
            (&entry["actor"]["username"], &entry["target"]["username"]),
            (&json!("anna"), &json!("anna"))
        );
    }
    let id = log["items"][0]["target"]["id"].as_str().unwrap().to_owned();
    assert_eq!(kinds(&boss, &format!("?user={id}")).await, own);
    assert!(!log.to_string().contains("elm"), "no secrets: {log}");
}

/// A write with an idempotency key continues in a task of its own.
#[apply(both_databases)]
#[tokio::test]
async fn audit_log_has_the_address_of_a_request_with_a_key(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, boss] = t.users(["ann", "boss"]).await;
    t.set_role("boss", "admin").await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "rename-once-0001")];
    let body = json!({ "username": "anna" }).to_string().into_bytes();
    ann.send("PUT".parse().unwrap(), "/api/v1/me/username", &headers, body).await.assert_status(200);
    let log = boss.get(&format!("{LOG}?kind=user_updated")).await.json();
    assert_eq!(log["items"][0]["address"], json!(ann.address().to_string()));
}

#[apply(both_databases)]
#[tokio::test]
async fn audit_log_pages_and_rejects_unknown_filters(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [boss, _ann, _bob] = t.users(["boss", "ann", "bob"]).await;
    t.set_role("boss", "admin").await;
    let first = boss.get(&format!("{LOG}?limit=2")).await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = boss.get(&format!("{LOG}?limit=2&cursor={next}")).await.json();
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["target"]["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!([names(&first), names(&second)].concat(), ["bob", "ann", "boss"]);
    // A cursor belongs to its filters.
    boss.get(&format!("{LOG}?kind=user_created&cursor={next}")).await.assert_problem(400, "cursor-invalid");
    for (query, pointer) in [("kind=x", "/kind"), ("user=ann", "/user"), ("user=@a%20b", "/user")] {
        let problem = boss.get(&format!("{LOG}?{query}")).await;
        problem.assert_problem(422, "invalid");
        assert_eq!(problem.json()["errors"][0]["pointer"], pointer);
    }
    boss.get(&format!("{LOG}?user=@absent")).await.assert_problem(404, "not-found");
}

/// Rejected attempts make one entry per hour, whatever their number.
#[apply(both_databases)]
#[tokio::test]
async fn audit_log_has_one_entry_for_a_limited_account(#[case] backend: Backend) {
    let mut settings = crate::world::Settings::default();
    settings.auth.quotas.login_per_account = blegram_limits::Quota::new(2, 3_600);
    let t = TestApp::with(backend, settings).await;
    let [_ann, boss] = t.users(["ann", "boss"]).await;
    t.set_role("boss", "admin").await;
    for _ in 0..2 {
        t.stranger().log_in("ann", "wrong").await.assert_problem(401, "invalid-credentials");
    }
    for _ in 0..3 {
        t.stranger().log_in("ann", "wrong").await.assert_problem(429, "rate-limited");
    }
    assert_eq!(kinds(&boss, "?kind=authn_login_fail_max").await.len(), 1);
}
