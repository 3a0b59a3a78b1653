//! Rate limits of sign-ups and logins.

use std::time::Duration;

use blegram_auth::{Config, Limits};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{
    both_databases,
    world::{PASSWORD, Settings, TestApp, quota},
};

async fn limited(backend: Backend) -> TestApp {
    let settings = Settings::default();
    let limits = Limits {
        password_per_account: quota(2, 600),
        username_per_account: quota(2, 600),
        upload_per_address: quota(2, 600),
        login_per_address: quota(3, 30),
        login_per_account_and_address: quota(2, 600),
        login_per_account: quota(3, 3600),
        signup_per_address: quota(1, 60),
        signup_from_loopback: quota(2, 60),
        ..Limits::default()
    };
    TestApp::with(backend, Settings { auth: Config { limits, ..settings.auth }, ..settings }).await
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
