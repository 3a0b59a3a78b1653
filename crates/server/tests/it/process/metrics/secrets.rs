//! Neither the log, in every detail, nor the metrics contain a secret or what people write.

use std::{path::Path, time::Duration};

use blegram_persistence::testing::{Backend, TestDatabase};
use rstest::rstest;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    super::{home::Home, people::PASSWORD},
    Measured, OPEN_METRICS, traffic,
};
use crate::client::in_time;

const SITE_KEY: &str = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=";
const DATABASE_PASSWORD: &str = "planted-database-password";
const PROVIDER_SECRET: &str = "planted-provider-secret";
const METRICS_TOKEN: &str = "planted-metrics-token";
const WRONG_METRICS_TOKEN: &str = "planted-wrong-metrics-token";
const WRONG_PASSWORD: &str = "planted wrong password";
const NEW_PASSWORD: &str = "planted new sea view password";
const EMAIL: &str = "planted.address@example.com";
const POST: &str = "planted text of a post";
const MESSAGE: &str = "planted text of a message";
const CODE: &str = "planted-authorization-code";
const STATE: &str = "planted-authorization-state";
const BEARER: &str = "planted.bearer.token";

/// The values of the `token=` in the links of all mails in `folder`, once there are `count` mails.
async fn mailed_tokens(folder: &Path, count: usize) -> Vec<String> {
    let read = || -> Vec<String> {
        let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
        let mails = files.filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
        let texts = mails.map(|mail| std::fs::read_to_string(mail).unwrap());
        // Quoted-printable breaks lines with `=`, and encodes it.
        texts.map(|text| text.replace("=\r\n", "").replace("=3D", "=")).collect()
    };
    in_time(async {
        loop {
            let mails = read();
            if mails.len() >= count {
                let token = |mail: &String| {
                    let rest = mail.split("token=").nth(1).unwrap_or_else(|| panic!("{mail}"));
                    rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap().to_owned()
                };
                return mails.iter().map(token).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is not in {value}"))
}

#[rstest]
#[tokio::test]
async fn log_and_metrics_contain_no_secrets(#[values("json", "pretty")] format: &str) {
    let database = TestDatabase::new(Backend::Postgres).await;
    // The server of the tests trusts its clients, and ignores the password.
    let url = database.url().replacen("postgres@", &format!("postgres:{DATABASE_PASSWORD}@"), 1);
    assert!(url.contains(DATABASE_PASSWORD), "{url}");
    let site = Measured::new(Home::new(&[
        ("BLEGRAM_LOG__FILTER", "trace"),
        ("BLEGRAM_LOG__FORMAT", format),
        ("BLEGRAM_DATABASE__URL", &url),
        ("BLEGRAM_SECRETS__KEY", SITE_KEY),
        ("BLEGRAM_METRICS__TOKEN", METRICS_TOKEN),
        ("BLEGRAM_LOGIN__PROVIDERS__0__PRESET", "naver-oauth2"),
        ("BLEGRAM_LOGIN__PROVIDERS__0__CLIENT_ID", "site"),
        ("BLEGRAM_LOGIN__PROVIDERS__0__CLIENT_SECRET", PROVIDER_SECRET),
    ]));
    let (home, process) = (&site.home, site.home.serve().await);
    let stranger = home.stranger();
    let mut secrets: Vec<String> = [
        SITE_KEY,
        DATABASE_PASSWORD,
        PROVIDER_SECRET,
        METRICS_TOKEN,
        WRONG_METRICS_TOKEN,
        WRONG_PASSWORD,
        NEW_PASSWORD,
        PASSWORD,
        EMAIL,
        POST,
        MESSAGE,
        CODE,
        STATE,
        BEARER,
    ]
    .map(ToOwned::to_owned)
    .to_vec();

    // A browser: password, cookie, CSRF token, address, a post, a rejected password.
    let body = json!({ "username": "ann", "password": PASSWORD, "email": EMAIL, "client": "browser" });
    let signed_up = stranger.post("/api/v1/auth/signup", &body).await;
    assert_eq!(signed_up.status, 201, "{signed_up:?}");
    let ann = home.with_cookie(&signed_up);
    secrets.push(ann.token().to_owned());
    secrets.push(text(&ann.get("/api/v1/auth/csrf").await.json(), "/csrf_token").to_owned());
    assert_eq!(ann.write(POST).await.status, 201);
    for login in ["ann", EMAIL] {
        let wrong = json!({ "login": login, "password": WRONG_PASSWORD, "client": "browser" });
        assert_eq!(stranger.post("/api/v1/auth/login", &wrong).await.status, 401);
    }
    // An app: access token and refresh token, both used; a foreign bearer token.
    let body = json!({ "username": "bob", "password": PASSWORD, "client": "native" });
    let tokens = stranger.post("/api/v1/auth/signup", &body).await.json();
    let (access, refresh) = (text(&tokens, "/tokens/access_token"), text(&tokens, "/tokens/refresh_token"));
    for (token, status) in [(access, 200), (BEARER, 401)] {
        let head = stranger.bare_head("GET /api/v1/me", &format!("authorization: Bearer {token}\r\n"));
        assert_eq!(stranger.send(&head).await.unwrap().status, status);
    }
    let grant = json!({ "grant_type": "refresh_token", "refresh_token": refresh });
    let renewed = stranger.post("/api/v1/auth/token", &grant).await.json();
    secrets.extend(
        [access, refresh, text(&renewed, "/refresh_token"), text(&renewed, "/access_token")]
            .map(ToOwned::to_owned),
    );
    // Mails: the token that verifies the address, and one that resets the password, which is used.
    let mails = home.path("data/mail");
    let verifying = mailed_tokens(&mails, 1).await;
    let verify = json!({ "token": verifying[0] });
    assert_eq!(stranger.post("/api/v1/auth/email-verifications/complete", &verify).await.status, 204);
    assert_eq!(stranger.post("/api/v1/auth/password-resets", &json!({ "email": EMAIL })).await.status, 202);
    let tokens = mailed_tokens(&mails, 2).await;
    let resetting = tokens.iter().find(|token| **token != verifying[0]).unwrap();
    assert_eq!(stranger.get(&format!("/reset-password?token={resetting}")).await.status, 200);
    let reset = json!({ "token": resetting, "new_password": NEW_PASSWORD });
    assert_eq!(stranger.post("/api/v1/auth/password-resets/complete", &reset).await.status, 204);
    secrets.extend(tokens.iter().cloned());
    let login = json!({ "login": "ann", "password": NEW_PASSWORD, "client": "browser" });
    let ann = home.with_cookie(&stranger.post("/api/v1/auth/login", &login).await);
    secrets.push(ann.token().to_owned());
    // A second factor, and a login with a provider that fails.
    let secret = ann.post("/api/v1/me/factors/totp", &json!({})).await.json();
    secrets.push(text(&secret, "/secret").to_owned());
    stranger.get("/api/v1/auth/naver-oauth2/start").await;
    let callback = format!("/api/v1/auth/naver-oauth2/callback?code={CODE}&state={STATE}");
    assert!(stranger.get(&callback).await.status >= 300);
    // Chat over HTTP and the gateway.
    let conversation = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await.json();
    let path = format!("/api/v1/conversations/{}/messages", text(&conversation, "/id"));
    let message = json!({ "client_id": "01890a5d-ac96-774b-bcce-000000000001", "text": MESSAGE });
    assert_eq!(ann.post(&path, &message).await.status, 201);
    let ticket = ann.post("/api/v1/gateway/tickets", &json!({})).await.json();
    secrets.push(text(&ticket, "/ticket").to_owned());
    traffic::command(home, &ann, "sync").await;
    // The metrics.
    let wrong = site.get("/metrics", &format!("authorization: Bearer {WRONG_METRICS_TOKEN}\r\n")).await;
    assert_eq!(wrong.status, 401);
    let authorized = format!("authorization: Bearer {METRICS_TOKEN}\r\n");
    let plain = site.get("/metrics", &authorized).await;
    let open = site.get("/metrics", &format!("{authorized}accept: {OPEN_METRICS}\r\n")).await;
    assert_eq!((plain.status, open.status), (200, 200));

    process.signal(Signal::TERM);
    let ended = process.end().await;
    ended.assert_success();
    assert!(ended.stderr.contains("TRACE"), "the log has every detail");
    for secret in &secrets {
        assert!(secret.len() > 8, "{secret:?} could be anywhere");
        let encoded = [
            secret.clone(),
            secret.replace(' ', "+"),
            secret.replace(' ', "%20"),
            secret.replace('@', "%40"),
        ];
        for form in encoded {
            for (place, output) in [
                ("log", &ended.stderr),
                ("output", &ended.stdout),
                ("metrics", &plain.body),
                ("metrics", &open.body),
            ] {
                let line = output.lines().find(|line| line.contains(&form));
                assert!(line.is_none(), "{form:?} is in the {place}: {line:?}");
            }
        }
    }
}
