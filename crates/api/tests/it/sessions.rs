//! Listing and revoking sessions.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{Actor, PASSWORD, Settings, TestApp},
};

const SESSIONS: &str = "/api/v1/auth/sessions";

async fn id_of_current(actor: &Actor<'_>) -> String {
    let page = actor.get(SESSIONS).await.json();
    let mut items = page["items"].as_array().unwrap().iter();
    items.find(|item| item["is_current"] == true).unwrap()["id"].as_str().unwrap().to_owned()
}

#[apply(both_databases)]
#[tokio::test]
async fn sessions_are_listed_with_their_devices(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    t.clock.advance(Duration::from_secs(60));
    let body =
        json!({ "login": "ann", "password": PASSWORD, "client": "native", "device_name": " 앤의 휴대폰 " });
    let headers = [("content-type", "application/json"), ("user-agent", "app/1")];
    let phone = t.stranger();
    let login = phone
        .send("POST".parse().unwrap(), "/api/v1/auth/login", &headers, body.to_string().into_bytes())
        .await;
    login.assert_status(200);

    let page = ann.get(SESSIONS).await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let page = page.json();
    let [phone, laptop] = [&page["items"][0], &page["items"][1]];
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "only the caller's sessions");
    assert_eq!(
        (&phone["kind"], &phone["device_name"], &phone["user_agent"], &phone["is_current"]),
        (&json!("native"), &json!("앤의 휴대폰"), &json!("app/1"), &json!(false))
    );
    assert_eq!((&laptop["kind"], &laptop["is_current"]), (&json!("browser"), &json!(true)));
    assert_eq!(phone["created_at"], "2026-09-21T14:14:20.000Z");
    assert_eq!((&phone["provider"], &laptop["provider"]), (&json!(null), &json!(null)));
}

/// Who shows the list to others does not show where they live.
#[apply(both_databases)]
#[tokio::test]
async fn sessions_have_device_and_place_but_no_address(#[case] backend: Backend) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/places.mmdb");
    let places = Some(blegram_api::Places::open(file.as_ref()).unwrap());
    let t = TestApp::with(backend, Settings { places, ..Settings::default() }).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "login": "ann", "password": PASSWORD, "client": "native" }).to_string();
    let cases = [
        ("203.0.113.77", "curl/8.5.0", json!(["curl", "203.0.113.0/24", "Seoul, South Korea"])),
        (
            "2001:db8:7:1::9",
            "Mozilla/5.0 (Android 16) Firefox/145.0",
            json!(["Firefox on Android", "2001:db8:7::/48", "Iceland"]),
        ),
        ("192.0.2.1", "?", json!([null, "192.0.2.0/24", null])),
    ];
    for (address, user_agent, expected) in cases {
        t.clock.advance(Duration::from_secs(1));
        let headers = [("content-type", "application/json"), ("user-agent", user_agent)];
        let phone = t.stranger().at(address);
        let path = "/api/v1/auth/login";
        phone
            .send("POST".parse().unwrap(), path, &headers, body.clone().into_bytes())
            .await
            .assert_status(200);
        let newest = ann.get(SESSIONS).await.json()["items"][0].clone();
        assert_eq!(json!([newest["device"], newest["address"], newest["place"]]), expected);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn expired_sessions_are_not_listed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [_expired] = t.users(["ann"]).await;
    t.clock.advance(Duration::from_secs(7 * 86_400));
    let ann = t.stranger();
    ann.log_in("ann", PASSWORD).await.assert_status(200);
    assert_eq!(ann.get(SESSIONS).await.items("is_current"), [json!(true)]);
}

#[apply(both_databases)]
#[tokio::test]
async fn revoked_session_ends_at_once_and_within_a_second_on_other_nodes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let other_node = t.another_node();
    let [ann] = t.users(["ann"]).await;
    let thief = t.stranger();
    thief.log_in("ann", PASSWORD).await.assert_status(200);
    let elsewhere = other_node.stranger();
    elsewhere.set_cookie(thief.cookie());
    elsewhere.get("/api/v1/me").await.assert_status(200);

    let stolen = id_of_current(&thief).await;
    ann.delete(&format!("{SESSIONS}/{stolen}")).await.assert_status(204);
    thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    t.clock.advance(Duration::from_secs(1));
    elsewhere.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    ann.get("/api/v1/me").await.assert_status(200);
    ann.delete(&format!("{SESSIONS}/{stolen}")).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn revoking_the_current_session_clears_its_cookie(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let own = id_of_current(&ann).await;
    let ended = ann.delete(&format!("{SESSIONS}/{own}")).await;
    ended.assert_status(204);
    assert_eq!((ann.cookie(), ended.header("clear-site-data")), (None, Some("\"cache\", \"storage\"")));
}

#[apply(both_databases)]
#[tokio::test]
async fn session_of_another_user_is_not_found(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let anns = id_of_current(&ann).await;
    for id in [anns.as_str(), "00000000-0000-7000-8000-000000000000", "nonsense"] {
        bob.delete(&format!("{SESSIONS}/{id}")).await.assert_problem(404, "not-found");
    }
    ann.get("/api/v1/me").await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn revoking_other_sessions_keeps_the_current_one_and_other_users(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let others = [t.stranger(), t.stranger()];
    for other in &others {
        other.log_in("ann", PASSWORD).await.assert_status(200);
    }
    ann.delete(SESSIONS).await.assert_status(204);
    for other in &others {
        other.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    }
    ann.get("/api/v1/me").await.assert_status(200);
    bob.get("/api/v1/me").await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn ended_session_is_rejected_within_a_second_under_constant_use(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let other = t.another_node();
    let [ann] = t.users(["ann"]).await;
    let busy = other.stranger();
    busy.set_cookie(ann.cookie());
    busy.get("/api/v1/me").await.assert_status(200);
    ann.post("/api/v1/auth/logout", &json!({})).await.assert_status(204);
    for _ in 0..3 {
        t.clock.advance(Duration::from_millis(300));
        busy.get("/api/v1/me").await.assert_status(200);
    }
    t.clock.advance(Duration::from_millis(100));
    busy.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}
