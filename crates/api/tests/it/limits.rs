//! Rate limits, and what others cannot take from the owner of an account.

use std::time::Duration;

use blegram_auth::Config;
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;

use crate::{
    both_databases,
    world::{PASSWORD, Settings, TestApp, form, picture, plenty},
};

async fn limited(backend: Backend) -> TestApp {
    let settings = Settings::default();
    let quotas = Quotas {
        password_per_account: Quota::new(2, 600),
        username_per_account: Quota::new(2, 600),
        uploads_per_user: Quota::new(2, 600),
        login_per_address: Quota::new(3, 30),
        login_per_account_and_address: Quota::new(2, 600),
        login_per_account: Quota::new(3, 3600),
        signup_per_address: Quota::new(1, 60),
        signup_from_loopback: Quota::new(2, 60),
        ..plenty()
    };
    TestApp::with(backend, Settings { auth: Config { quotas, ..settings.auth }, ..settings }).await
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_ups_are_limited_per_address(#[case] backend: Backend) {
    let t = limited(backend).await;
    let first = t.stranger().at("192.0.2.1").sign_up("ann").await;
    first.assert_status(201);
    assert_eq!(first.header("ratelimit-policy"), Some("\"signup\";q=1;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"signup\";r=0;t=60"));

    t.clock.advance(Duration::from_millis(1));
    let second = t.stranger().at("192.0.2.1").sign_up("bob").await;
    second.assert_problem(429, "rate-limited");
    assert_eq!(second.header("retry-after"), Some("60"));
    t.stranger().at("192.0.2.2").sign_up("bob").await.assert_status(201);

    t.clock.advance(Duration::from_secs(60));
    t.stranger().at("192.0.2.1").sign_up("cho").await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_ups_over_loopback_have_their_own_limit(#[case] backend: Backend) {
    let t = limited(backend).await;
    let local = t.stranger().at("127.0.0.1");
    assert_eq!(local.sign_up("ann").await.header("ratelimit-policy"), Some("\"signup\";q=2;w=60"));
    local.sign_up("bob").await.assert_status(201);
    local.sign_up("cho").await.assert_problem(429, "rate-limited");
    // Logins over loopback have the usual limit.
    assert_eq!(local.log_in("ann", "wrong").await.header("ratelimit-policy"), Some("\"login\";q=3;w=30"));
}

#[apply(both_databases)]
#[tokio::test]
async fn logins_are_limited_per_address_even_with_invalid_bodies(#[case] backend: Backend) {
    let t = limited(backend).await;
    let guesser = t.stranger().at("192.0.2.1");
    for name in ["ann", "bob", "cho"] {
        guesser.log_in(name, "wrong").await.assert_problem(401, "invalid-credentials");
    }
    let rejected = guesser.log_in("dan", "wrong").await;
    rejected.assert_problem(429, "rate-limited");
    assert_eq!(rejected.header("ratelimit-policy"), Some("\"login\";q=3;w=30"));
    guesser.post("/api/v1/auth/login", &serde_json::json!({})).await.assert_problem(429, "rate-limited");
}

#[apply(both_databases)]
#[tokio::test]
async fn logins_are_limited_per_account_whether_it_exists_or_not(#[case] backend: Backend) {
    let t = limited(backend).await;
    t.stranger().sign_up("ann").await.assert_status(201);
    for name in ["ann", "nobody"] {
        for login in [name, &format!("@{}", name.to_uppercase())] {
            t.stranger()
                .at("192.0.2.1")
                .log_in(login, "wrong")
                .await
                .assert_problem(401, "invalid-credentials");
        }
        let rejected = t.stranger().at("192.0.2.1").log_in(name, PASSWORD).await;
        rejected.assert_problem(429, "rate-limited");
        assert_eq!(rejected.header("ratelimit-policy"), Some("\"login-account-address\";q=2;w=600"));
        assert_eq!(rejected.header("retry-after"), Some("300"));
        t.clock.advance(Duration::from_secs(30));
    }
    // The owner can still log in from another address.
    t.stranger().at("192.0.2.9").log_in("ann", PASSWORD).await.assert_status(200);
    let rejected = t.stranger().at("192.0.2.10").log_in("ann", PASSWORD).await;
    rejected.assert_problem(429, "rate-limited");
    assert_eq!(rejected.header("ratelimit-policy"), Some("\"login-account\";q=3;w=3600"));
}

#[apply(both_databases)]
#[tokio::test]
async fn rejected_logins_carry_the_rate_limit_status(#[case] backend: Backend) {
    let t = limited(backend).await;
    let rejected = t.stranger().at("192.0.2.1").log_in("nobody", "wrong").await;
    rejected.assert_problem(401, "invalid-credentials");
    assert_eq!(rejected.header("ratelimit"), Some("\"login\";r=2;t=10"));
    assert!(rejected.header("www-authenticate").is_some());
}

/// Uses up the limit of logins to an account, by wrong passwords from many addresses.
async fn besiege(t: &TestApp, name: &str) {
    for n in 1..=3 {
        let attacker = t.stranger().at(&format!("198.51.{n}.1"));
        attacker.log_in(name, "wrong").await.assert_problem(401, "invalid-credentials");
    }
    let rejected = t.stranger().at("198.51.4.1").log_in(name, PASSWORD).await;
    rejected.assert_problem(429, "rate-limited");
    assert_eq!(rejected.header("ratelimit-policy"), Some("\"login-account\";q=3;w=3600"));
}

/// OWASP calls it a device cookie.
#[apply(both_databases)]
#[tokio::test]
async fn owner_on_a_known_device_is_not_locked_out(#[case] backend: Backend) {
    let t = limited(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.post("/api/v1/auth/logout", &serde_json::json!({})).await.assert_status(204);
    besiege(&t, "ann").await;
    let device = ann.device().unwrap();
    assert!(device.starts_with("device-blegram="), "{device}");
    let at_home = t.stranger().at("203.0.113.1");
    at_home.set_device(Some(device.clone()));
    at_home.log_in("ann", PASSWORD).await.assert_status(200);
    assert_eq!(at_home.device().unwrap(), device, "it stays as long as it is valid");
    // It is neither another account's nor anybody's who changes a character.
    let (at, last) = (device.len() - 1, if device.ends_with('A') { 'E' } else { 'A' });
    let forged = format!("{}{last}", &device[..at]);
    for (n, other) in [Some(forged), bob.device(), None].into_iter().enumerate() {
        let stranger = t.stranger().at(&format!("203.0.{n}.2"));
        stranger.set_device(other);
        stranger.log_in("ann", PASSWORD).await.assert_problem(429, "rate-limited");
    }
    // It has a limit, too.
    at_home.log_in("ann", "wrong").await.assert_problem(401, "invalid-credentials");
    let moved = t.stranger().at("203.0.114.1");
    moved.set_device(Some(device.clone()));
    moved.log_in("ann", PASSWORD).await.assert_problem(429, "rate-limited");
    // A year later it is unknown.
    t.clock.advance(Duration::from_secs(366 * 24 * 3600));
    besiege(&t, "ann").await;
    let late = t.stranger().at("203.0.115.1");
    late.set_device(Some(device));
    late.log_in("ann", PASSWORD).await.assert_problem(429, "rate-limited");
}

#[apply(both_databases)]
#[tokio::test]
async fn owner_in_the_network_of_a_session_is_not_locked_out(#[case] backend: Backend) {
    let t = limited(backend).await;
    let app = t.stranger().at("2001:db8:7:1::1");
    let sign_up = serde_json::json!({ "username": "ann", "password": PASSWORD, "client": "native" });
    let tokens = app.post("/api/v1/auth/signup", &sign_up).await.json()["tokens"].clone();
    besiege(&t, "ann").await;
    t.stranger().at("2001:db8:7:1::2").log_in("ann", PASSWORD).await.assert_status(200);
    t.stranger().at("2001:db8:8:1::2").log_in("ann", PASSWORD).await.assert_problem(429, "rate-limited");
    // The app moves on with its session.
    let refresh =
        serde_json::json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"] });
    let refreshed = t.stranger().at("2001:db8:9:1::1").post("/api/v1/auth/token", &refresh).await;
    refreshed.assert_status(200);
    t.stranger().at("2001:db8:9:1::2").log_in("ann", PASSWORD).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn every_request_counts_for_its_user_or_its_address(#[case] backend: Backend) {
    let quotas = Quotas {
        global_per_address: Quota::new(3, 60),
        global_per_user: Quota::new(5, 60),
        posts_per_user: Quota::new(2, 60),
        ..plenty()
    };
    let settings = Settings::default();
    let t = TestApp::with(backend, Settings { auth: Config { quotas, ..settings.auth }, ..settings }).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let read = async |actor: &crate::world::Actor<'_>| actor.get("/api/v1/timelines/public").await;
    // Without a login, and with credentials that are worth nothing.
    let stranger = t.stranger().at("192.0.2.1");
    assert_eq!(read(&stranger).await.header("ratelimit-policy"), Some("\"global\";q=3;w=60"));
    stranger.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    stranger.set_authorization(Some("Bearer junk"));
    let rejected = read(&stranger).await;
    rejected.assert_problem(401, "unauthenticated");
    assert_eq!(rejected.header("ratelimit"), Some("\"global\";r=0;t=20"));
    let limited = read(&stranger).await;
    limited.assert_problem(429, "rate-limited");
    assert_eq!(limited.header("retry-after"), Some("20"));
    t.stranger().at("192.0.2.1").get("/healthz").await.assert_status(200);
    // Logins have limits of their own: a page of another site, in a visitor's browser, can use up the others.
    t.stranger().at("192.0.2.1").log_in("ann", PASSWORD).await.assert_status(200);
    // A user has a quota of their own at the same address, and so has each kind of operation.
    let ann = ann.at("192.0.2.1");
    for left in [1, 0] {
        let created = ann.post("/api/v1/posts", &serde_json::json!({ "text": "a" })).await;
        created.assert_status(201);
        assert_eq!(created.header("ratelimit"), Some(&*format!("\"post\";r={left};t=30")));
    }
    let limited = ann.post("/api/v1/posts", &serde_json::json!({ "text": "a" })).await;
    limited.assert_problem(429, "rate-limited");
    assert_eq!(limited.header("ratelimit-policy"), Some("\"post\";q=2;w=60"));
    for left in [2, 1, 0] {
        let status = format!("\"global\";r={left};t=12");
        assert_eq!(read(&ann).await.header("ratelimit"), Some(&*status), "rejected posts do not count");
    }
    read(&ann).await.assert_problem(429, "rate-limited");
    read(&bob).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn failures_of_the_server_do_not_count(#[case] backend: Backend) {
    let quotas = Quotas { global_per_address: Quota::new(1, 60), ..plenty() };
    let settings = Settings::default();
    let t = TestApp::with(backend, Settings { auth: Config { quotas, ..settings.auth }, ..settings }).await;
    let [ann] = t.users(["ann"]).await;
    // A node that has not seen the session yet has to ask the database.
    let other = t.another_node();
    let visitor = other.stranger();
    visitor.set_cookie(ann.cookie());
    t.database.db().clone().close().await.unwrap();
    for _ in 0..3 {
        let failed = visitor.get("/api/v1/me").await;
        assert!(failed.status.is_server_error(), "{failed:?}");
    }
}

/// A page of another site can send requests in the name of its visitors, but not use up their limits.
#[apply(both_databases)]
#[tokio::test]
async fn foreign_pages_do_not_use_up_the_uploads_of_a_user(#[case] backend: Backend) {
    let t = limited(backend).await;
    let [ann] = t.users(["ann"]).await;
    let (content_type, body) = form(&[("a.png", "image/png", &picture(8, 6))], &[]);
    let headers = [("content-type", &*content_type), ("sec-fetch-site", "cross-site")];
    for _ in 0..5 {
        let visitor = t.stranger().at(&ann.address().to_string());
        let rejected = visitor.send_bare(Method::POST, "/api/v1/media", &headers, body.clone()).await;
        rejected.assert_problem(401, "unauthenticated");
        let rejected = ann.send_bare(Method::POST, "/api/v1/media", &headers, body.clone()).await;
        rejected.assert_problem(403, "csrf-rejected");
    }
    ann.uploads_picture().await;
    ann.uploads_picture().await;
    let limited = ann.uploads(&[("a.png", "image/png", &picture(8, 6))]).await;
    limited.assert_problem(429, "rate-limited");
    assert_eq!(limited.header("ratelimit-policy"), Some("\"upload\";q=2;w=600"));
}
