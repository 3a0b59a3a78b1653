//! Signing up, logging in and out, and sessions in a browser.

use std::time::Duration;

use blegram_auth::{Config, Registration};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use crate::{
    both_databases,
    world::{PASSWORD, Settings, TestApp},
};

const DAY: Duration = Duration::from_secs(86_400);

#[apply(both_databases)]
#[tokio::test]
async fn sign_up_logs_in(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = t.stranger();
    let body = json!({
        "username": "Ann.Lee", "password": PASSWORD, "display_name": "  앤 🌊 ", "email": "Ann@Example.COM", "client": "browser",
    });
    let answer = ann.post("/api/v1/auth/signup", &body).await;
    answer.assert_status(201);
    assert_eq!(answer.header("location"), Some("/api/v1/me"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["tokens"], json!(null));

    let me = ann.get("/api/v1/me").await.json();
    assert_eq!(answer.json()["account"], me);
    assert_eq!(
        (&me["username"], &me["display_name"], &me["email"]),
        (&json!("ann.lee"), &json!("앤 🌊"), &json!("Ann@example.com"))
    );
    assert_eq!(
        (&me["email_verified"], &me["has_password"], &me["role"]),
        (&json!(false), &json!(true), &json!("user"))
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn lookalike_and_reserved_usernames_are_taken(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["paypal"]).await;
    for name in ["paypal", "PayPal", "paypa1", "admin", "r00t"] {
        t.stranger().sign_up(name).await.assert_problem(409, "username-taken");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_sign_ups_with_one_username_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let strangers: Vec<_> = (0..20).map(|_| t.stranger()).collect();
    let answers =
        futures_util::future::join_all(strangers.iter().map(|stranger| stranger.sign_up("ann"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.assert_problem(409, "username-taken");
    }
}

// Defect 5 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn sign_up_reports_all_errors_at_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let body = json!({
        "username": "a b", "password": "short", "display_name": "\u{3164}", "email": "nobody", "client": "fridge", "age": 7,
    });
    t.stranger().post("/api/v1/auth/signup", &body).await.assert_invalid(&[
        ("/username", "invalid-characters"),
        ("/display_name", "blank"),
        ("/email", "invalid-characters"),
        ("/password", "too-short"),
        ("/client", "out-of-range"),
        ("/age", "unknown-field"),
    ]);
    t.stranger().post("/api/v1/auth/signup", &json!({})).await.assert_invalid(&[
        ("/username", "required"),
        ("/password", "required"),
        ("/client", "required"),
    ]);
    // The username is what an attacker tries first.
    let body = json!({ "username": "annabellelee", "password": "annabellelee", "client": "browser" });
    t.stranger().post("/api/v1/auth/signup", &body).await.assert_invalid(&[("/password", "weak-password")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_up_is_rejected_when_registration_is_closed(#[case] backend: Backend) {
    let settings = Settings::default();
    let auth = Config { registration: Registration::Closed, ..settings.auth };
    let t = TestApp::with(backend, Settings { auth, ..settings }).await;
    t.stranger().sign_up("ann").await.assert_problem(403, "registration-closed");
    assert_eq!(t.stranger().get("/api/v1/instance").await.json()["registration"], "closed");
}

#[apply(both_databases)]
#[tokio::test]
async fn login_accepts_the_username_in_any_form(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let mut cookies = vec![ann.cookie().unwrap()];
    for login in ["ann", "ANN", "@ann", " @Ann "] {
        let again = t.stranger();
        again.log_in(login, PASSWORD).await.assert_status(200);
        assert_eq!(again.get("/api/v1/me").await.json()["username"], "ann");
        cookies.push(again.cookie().unwrap());
    }
    cookies.sort();
    cookies.dedup();
    assert_eq!(cookies.len(), 5, "each login issues its own session token");
}

// Defect 11 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn failed_login_does_not_reveal_the_reason(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["ann", "zoe"]).await;
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'zoe'").await;
    let mut answers = Vec::new();
    for (login, password) in [
        ("ann", "wrong"),
        ("nobody", "wrong"),
        ("zoe", "wrong"),
        ("no such name!", "wrong"),
        ("ann@example.com", "wrong"),
    ] {
        let answer = t.stranger().log_in(login, password).await;
        answer.assert_problem(401, "invalid-credentials");
        let mut problem = answer.json();
        problem["request_id"] = json!(null);
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((problem, headers));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn suspended_account_is_hidden_and_cannot_log_in(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [zoe, ann] = t.users(["zoe", "ann"]).await;
    let post = zoe.posts("hello").await;
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'zoe'").await;
    t.clock.advance(Duration::from_secs(1));

    t.stranger().log_in("zoe", PASSWORD).await.assert_problem(403, "account-suspended");
    ann.get("/api/v1/users/@zoe").await.assert_problem(404, "not-found");
    ann.get(&format!("/api/v1/posts/{post}")).await.assert_problem(404, "not-found");
    assert_eq!(ann.get("/api/v1/timelines/public").await.items("id"), Vec::<String>::new());
    zoe.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

// Defect 18 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn logout_ends_the_session_permanently(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let cookie = ann.cookie();
    let answer = ann.post("/api/v1/auth/logout", &json!(null)).await;
    answer.assert_status(204);
    assert_eq!(answer.header("set-cookie"), Some("auth-blegram=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"));
    // The device cookie must outlive the logout.
    assert_eq!(answer.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert!(ann.cookie().is_none() && ann.device().is_some());

    ann.set_cookie(cookie.clone());
    ann.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    assert_eq!(ann.cookie(), None, "an invalid cookie is cleared");
    ann.set_cookie(cookie);
    ann.post("/api/v1/auth/logout", &json!(null)).await.assert_status(204);
}

#[apply(both_databases)]
#[tokio::test]
async fn invalid_cookie_is_anonymous_on_public_routes(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = ann.posts("hello").await;
    for invalid in ["auth-blegram=bls_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "auth-blegram=nonsense"] {
        let reader = t.stranger();
        reader.set_cookie(Some(invalid.to_owned()));
        let answer = reader.get(&format!("/api/v1/posts/{post}")).await;
        assert_eq!(answer.json()["viewer"], json!(null));
        assert_eq!(reader.cookie(), None);

        reader.set_cookie(Some(invalid.to_owned()));
        reader.get("/api/v1/posts/nonsense").await.assert_problem(404, "not-found");
        assert_eq!(reader.cookie(), None, "an error response clears it, too");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn login_ends_the_session_that_it_replaces(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let before = ann.cookie();
    ann.log_in("ann", PASSWORD).await.assert_status(200);
    let thief = t.stranger();
    thief.set_cookie(before);
    thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    ann.get("/api/v1/me").await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn longest_password_logs_in_composed_and_decomposed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    // The longest password, of syllables that some keyboards send decomposed, as three letters each.
    let password: String = "강낭콩 열두 포기와 초록 대문 앞 느티나무 ".chars().cycle().take(128).collect();
    let decomposed: String = password.nfd().collect();
    let body = json!({ "username": "ann", "password": decomposed, "client": "browser" });
    t.stranger().post("/api/v1/auth/signup", &body).await.assert_status(201);
    for password in [&password, &decomposed] {
        t.stranger().log_in("ann", password).await.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn session_expires_after_a_week_idle_or_a_month(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [idle, busy] = t.users(["idle", "busy"]).await;
    for _ in 0..4 {
        t.clock.advance(7 * DAY - Duration::from_secs(1));
        busy.get("/api/v1/me").await.assert_status(200);
    }
    idle.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    t.clock.advance(2 * DAY);
    busy.get("/api/v1/me").await.assert_status(200);
    t.clock.advance(Duration::from_secs(4));
    busy.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn cookie_is_bound_to_the_host_on_https(#[case] backend: Backend) {
    let t = TestApp::with(backend, Settings { public_url: "https://blegram.example", ..Settings::default() })
        .await;
    let ann = t.stranger();
    let answer = ann.sign_up("ann").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-auth-blegram=bls_"), "{cookie}");
    assert!(cookie.ends_with("; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000; includeSubDomains"));
    ann.get("/api/v1/me").await.assert_status(200);

    // Without the `__Host-` prefix, the cookie could have been set over http or by a subdomain.
    let plain = ann.cookie().unwrap().replace("__Host-", "");
    ann.set_cookie(Some(plain));
    ann.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn secrets_are_not_stored_in_plain_text(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let token = ann.cookie().unwrap().split_once('=').unwrap().1.to_owned();
    let rows = t.database.dump().await;
    assert!(rows.contains("ann"), "{rows}");
    assert!(!rows.contains(PASSWORD) && !rows.contains(&token) && !rows.contains(&token[4..]), "{rows}");
}
