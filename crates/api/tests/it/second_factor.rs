//! Second factors: their setup, the second step of a login, passkeys, and reauthentication.

use std::time::Duration;

use blegram_domain::Clock;
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::{
    authenticator::Authenticator,
    both_databases,
    world::{Actor, Answer, PASSWORD, Settings, TestApp},
};

pub(crate) const STEP: Duration = Duration::from_secs(30);
const JSON: (&str, &str) = ("content-type", "application/json");

/// An authenticator app.
pub(crate) struct AuthenticatorApp(Totp);

impl AuthenticatorApp {
    /// Sets one up for `actor`, in a step of its own.
    pub(crate) async fn add(t: &TestApp, actor: &Actor<'_>) -> Self {
        let setup = actor.post("/api/v1/me/factors/totp", &json!({ "name": "phone" })).await;
        setup.assert_status(201);
        let setup = setup.json();
        let url = setup["otpauth_url"].as_str().unwrap();
        assert!(url.starts_with("otpauth://totp/localhost:") && url.contains("issuer=localhost"), "{url}");
        let secret = Secret::try_from_base32(setup["secret"].as_str().unwrap()).unwrap();
        let app = Self(Builder::new().with_secret(secret).build().unwrap());
        let path = format!("/api/v1/me/factors/totp/{}", setup["id"].as_str().unwrap());
        actor.put(&path, &json!({ "code": "000000" })).await.assert_problem(403, "wrong-code");
        actor.put(&path, &json!({ "code": app.code(t) })).await.assert_status(200);
        t.clock.advance(STEP);
        app
    }

    pub(crate) fn code(&self, t: &TestApp) -> String {
        self.0.generate(u64::try_from(t.clock.now().as_micros() / 1_000_000).unwrap()).to_string()
    }
}

async fn challenge(actor: &Actor<'_>, name: &str) -> String {
    let answer = actor.log_in(name, PASSWORD).await;
    answer.assert_status(202);
    assert_eq!(answer.header("set-cookie"), None);
    answer.json()["challenge"].as_str().unwrap().to_owned()
}

async fn complete(actor: &Actor<'_>, challenge: &str, code: &str) -> Answer {
    let body = json!({ "challenge": challenge, "method": "totp", "code": code });
    actor.post("/api/v1/auth/login/second-factor", &body).await
}

async fn site(backend: Backend) -> TestApp {
    TestApp::with(backend, Settings::with_domain()).await
}

#[apply(both_databases)]
#[tokio::test]
async fn login_with_an_authenticator_app_takes_two_steps(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let laptop = t.stranger();
    let answer = laptop.log_in("ann", PASSWORD).await;
    answer.assert_status(202);
    assert_eq!(answer.json()["methods"], json!(["totp"]));
    assert_eq!((laptop.cookie(), laptop.device()), (None, None));
    let challenge = challenge(&laptop, "ann").await;

    complete(&laptop, &challenge, "000000").await.assert_problem(401, "second-factor-invalid");
    laptop.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    let code = app.code(&t);
    complete(&laptop, &challenge, &code).await.assert_status(200);
    assert!(laptop.cookie().is_some() && laptop.device().is_some());
    assert_eq!(laptop.get("/api/v1/me").await.json()["username"], "ann");
    // The other node knows that the challenge and the code are used.
    let node = t.another_node();
    complete(&node.stranger(), &challenge, &code).await.assert_problem(401, "login-challenge-invalid");
    let again = self::challenge(&t.stranger(), "ann").await;
    complete(&node.stranger(), &again, &code).await.assert_problem(401, "second-factor-invalid");
    t.clock.advance(STEP);
    complete(&node.stranger(), &again, &app.code(&t)).await.assert_status(200);

    let list = ann.get("/api/v1/me/factors").await;
    assert_eq!(list.header("cache-control"), Some("no-store"));
    assert_eq!(list.items("name"), ["phone"]);
    assert!(list.json()["items"][0]["last_used_at"].is_string());
    assert_eq!(ann.get("/api/v1/auth/sessions").await.items("id").len(), 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn native_login_with_a_second_factor_returns_tokens_at_the_end(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let phone = t.stranger();
    let body = json!({ "login": "ann", "password": PASSWORD, "client": "native", "device_name": "phone" });
    let answer = phone.post("/api/v1/auth/login", &body).await;
    answer.assert_status(202);
    let completed = complete(&phone, answer.json()["challenge"].as_str().unwrap(), &app.code(&t)).await;
    completed.assert_status(200);
    assert_eq!((completed.header("set-cookie"), phone.cookie()), (None, None));
    let tokens = completed.json()["tokens"].clone();
    phone.set_authorization(Some(&format!("Bearer {}", tokens["access_token"].as_str().unwrap())));
    let names = phone.get("/api/v1/auth/sessions").await.items("device_name");
    assert_eq!(names, [json!("phone"), json!(null)]);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_challenge_is_no_session(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    AuthenticatorApp::add(&t, &ann).await;
    let thief = t.stranger();
    let challenge = challenge(&thief, "ann").await;
    let own = ("origin", "http://localhost:8080");
    for authorization in [None, Some(format!("Bearer {challenge}"))] {
        thief.set_authorization(authorization.as_deref());
        thief.set_cookie(Some(format!("auth-blegram={challenge}")));
        thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
        let ticket = thief.send(Method::POST, "/api/v1/gateway/tickets", &[own], Vec::new()).await;
        ticket.assert_problem(401, "unauthenticated");
        thief.delete("/api/v1/auth/sessions").await.assert_problem(401, "unauthenticated");
    }
    thief.set_authorization(None);
    thief.set_cookie(None);
    let body = json!({ "grant_type": "refresh_token", "refresh_token": challenge });
    thief.post("/api/v1/auth/token", &body).await.assert_problem(401, "invalid-grant");
}

#[apply(both_databases)]
#[tokio::test]
async fn login_completion_from_another_site_is_rejected(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let challenge = challenge(&t.stranger(), "ann").await;
    let body = json!({ "challenge": challenge, "method": "totp", "code": app.code(&t) }).to_string();
    let send = async |headers: &[(&str, &str)]| {
        let path = "/api/v1/auth/login/second-factor";
        t.stranger().send_bare(Method::POST, path, headers, body.clone().into_bytes()).await
    };
    send(&[JSON, ("origin", "https://evil.example")]).await.assert_problem(403, "csrf-rejected");
    send(&[JSON, ("sec-fetch-site", "cross-site")]).await.assert_problem(403, "csrf-rejected");
    send(&[("sec-fetch-site", "same-origin")]).await.assert_problem(415, "unsupported-media-type");
    send(&[JSON]).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_completion_reports_all_invalid_values(#[case] backend: Backend) {
    let t = site(backend).await;
    let stranger = t.stranger();
    let post = async |body: Value| stranger.post("/api/v1/auth/login/second-factor", &body).await;
    post(json!({})).await.assert_invalid(&[("/challenge", "required"), ("/method", "required")]);
    post(json!({ "challenge": 7, "method": "sms", "code": 123456 })).await.assert_invalid(&[
        ("/challenge", "wrong-type"),
        ("/method", "out-of-range"),
        ("/code", "wrong-type"),
    ]);
    post(json!({ "challenge": "x", "method": "totp" })).await.assert_invalid(&[("/code", "required")]);
    post(json!({ "challenge": "x", "method": "recovery_code", "code": null }))
        .await
        .assert_invalid(&[("/code", "required")]);
    post(json!({ "challenge": "x", "method": "passkey", "credential": "x" }))
        .await
        .assert_invalid(&[("/credential", "wrong-type")]);
    post(json!({ "challenge": "x".repeat(1025), "method": "totp", "code": "1".repeat(101) }))
        .await
        .assert_invalid(&[("/challenge", "too-long"), ("/code", "too-long")]);
    post(json!({ "challenge": "blc_x", "method": "totp", "code": "" }))
        .await
        .assert_problem(401, "login-challenge-invalid");
}

#[apply(both_databases)]
#[tokio::test]
async fn recovery_codes_log_in_without_mail(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    AuthenticatorApp::add(&t, &ann).await;
    let created = ann.send(Method::POST, "/api/v1/me/factors/recovery-codes", &[], Vec::new()).await;
    created.assert_status(201);
    let codes = created.json()["codes"].clone();
    let code = |at: usize| codes[at].as_str().unwrap();
    let laptop = t.stranger();
    let answer = laptop.log_in("ann", PASSWORD).await.json();
    assert_eq!(answer["methods"], json!(["totp", "recovery_code"]));
    let complete = async |challenge: &str, code: &str| {
        let body = json!({ "challenge": challenge, "method": "recovery_code", "code": code });
        laptop.post("/api/v1/auth/login/second-factor", &body).await
    };
    complete(answer["challenge"].as_str().unwrap(), code(0)).await.assert_status(200);
    assert_eq!(laptop.get("/api/v1/me/factors").await.json()["recovery_codes_remaining"], 9);
    let next = challenge(&t.stranger(), "ann").await;
    complete(&next, code(0)).await.assert_problem(401, "second-factor-invalid");
    complete(&next, code(1)).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_completions_are_rate_limited(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    AuthenticatorApp::add(&t, &ann).await;
    let thief = t.stranger();
    for _ in 0..2 {
        let challenge = challenge(&thief, "ann").await;
        for _ in 0..5 {
            complete(&thief, &challenge, "000000").await.assert_problem(401, "second-factor-invalid");
        }
    }
    let limited = complete(&thief, &challenge(&thief, "ann").await, "000000").await;
    limited.assert_problem(429, "rate-limited");
    assert_eq!(limited.header("retry-after"), Some("60"));
    assert!(limited.json()["detail"].as_str().unwrap().contains("second-factor-address"));
}

#[apply(both_databases)]
#[tokio::test]
async fn factor_changes_demand_reauthentication(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let factor = ann.get("/api/v1/me/factors").await.items("id")[0].as_str().unwrap().to_owned();
    t.clock.advance(Duration::from_secs(600));
    let path = format!("/api/v1/me/factors/{factor}");
    for (method, path) in [
        (Method::DELETE, path.as_str()),
        (Method::POST, "/api/v1/me/factors/recovery-codes"),
        (Method::POST, "/api/v1/me/factors/totp"),
        (Method::POST, "/api/v1/me/factors/passkeys"),
    ] {
        let answer = ann.send(method, path, &[JSON], b"{}".to_vec()).await;
        answer.assert_problem(403, "reauthentication-required");
    }
    let reauthenticate = async |body: Value| ann.post("/api/v1/auth/reauthentication", &body).await;
    reauthenticate(json!({})).await.assert_problem(403, "wrong-password");
    reauthenticate(json!({ "password": PASSWORD })).await.assert_problem(403, "second-factor-required");
    reauthenticate(json!({ "password": PASSWORD, "code": "000000" })).await.assert_problem(403, "wrong-code");
    let before = ann.cookie();
    reauthenticate(json!({ "password": PASSWORD, "code": app.code(&t) })).await.assert_status(204);
    assert_ne!(ann.cookie(), before);
    ann.delete(&path).await.assert_status(204);
    ann.delete(&path).await.assert_problem(404, "not-found");
    ann.delete("/api/v1/me/factors/nonsense").await.assert_problem(404, "not-found");
    t.stranger().log_in("ann", PASSWORD).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_registers_and_logs_in(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    assert_eq!(ann.get("/api/v1/instance").await.json()["features"]["passkeys"], true);
    let mut key = Authenticator::new("http://localhost:8080", "localhost");
    let setup = ann.post("/api/v1/me/factors/passkeys", &json!({ "name": "laptop" })).await;
    setup.assert_status(201);
    let setup = setup.json();
    let path = format!("/api/v1/me/factors/passkeys/{}", setup["id"].as_str().unwrap());
    let mut created = key.create(&setup["options"]);
    // Members of a later version of the standard.
    created["clientExtensionResults"]["credProps"] = json!({ "rk": true });
    created["later"] = json!({ "a": 1 });
    ann.put(&path, &json!({ "credential": {} })).await.assert_problem(422, "passkey-rejected");
    let factor = ann.put(&path, &json!({ "credential": created })).await;
    factor.assert_status(200);
    assert_eq!((&factor.json()["kind"], &factor.json()["name"]), (&json!("passkey"), &json!("laptop")));

    let start = async |body: Value| {
        let started = t.stranger().post("/api/v1/auth/passkeys/login/start", &body).await;
        started.assert_status(200);
        started.json()["options"].clone()
    };
    // The other node finishes what this one started.
    let node = t.another_node();
    let laptop = node.stranger();
    let assertion = key.get(&start(json!({})).await, 0);
    let body = json!({ "credential": assertion, "client": "browser" });
    let finish = "/api/v1/auth/passkeys/login/finish";
    laptop.post(finish, &body).await.assert_status(200);
    assert_eq!(laptop.get("/api/v1/me").await.json()["username"], "ann");
    laptop.post(finish, &body).await.assert_problem(401, "second-factor-invalid");
    let assertion = key.get(&start(json!({})).await, 0);
    let native = json!({ "credential": assertion, "client": "native", "device_name": "phone" });
    let tokens = t.stranger().post(finish, &native).await;
    assert!(tokens.json()["tokens"]["access_token"].is_string() && tokens.header("set-cookie").is_none());

    let login = t.stranger().log_in("ann", PASSWORD).await;
    login.assert_status(202);
    assert_eq!(login.json()["methods"], json!(["passkey"]));
    let challenge = login.json()["challenge"].clone();
    let assertion = key.get(&start(json!({ "challenge": challenge })).await, 0);
    let body = json!({ "challenge": challenge, "method": "passkey", "credential": assertion });
    node.stranger().post("/api/v1/auth/login/second-factor", &body).await.assert_status(200);

    t.clock.advance(Duration::from_secs(3600));
    let assertion = key.get(&start(json!({})).await, 0);
    let body = json!({ "credential": assertion });
    ann.post("/api/v1/auth/reauthentication", &body).await.assert_status(204);
    ann.post("/api/v1/me/factors/passkeys", &json!({})).await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkeys_are_not_found_without_a_domain(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    assert_eq!(ann.get("/api/v1/instance").await.json()["features"]["passkeys"], false);
    ann.post("/api/v1/me/factors/passkeys", &json!({})).await.assert_problem(404, "not-found");
    let started = t.stranger().post("/api/v1/auth/passkeys/login/start", &json!({})).await;
    started.assert_problem(404, "not-found");
    assert!(started.json()["detail"].as_str().unwrap().contains("domain name"));
}
