//! Native apps: access and refresh tokens instead of a cookie.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, PASSWORD, TestApp},
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// A native app and its tokens.
struct Phone<'a> {
    actor: Actor<'a>,
    tokens: Value,
}

impl<'a> Phone<'a> {
    async fn sign_up(t: &'a TestApp, name: &str) -> Self {
        let actor = t.stranger();
        let body = json!({ "username": name, "password": PASSWORD, "client": "native" });
        let answer = actor.post("/api/v1/auth/signup", &body).await;
        answer.assert_status(201);
        assert_eq!((answer.header("set-cookie"), actor.cookie()), (None, None));
        Self { actor, tokens: Value::Null }.with(answer.json()["tokens"].clone())
    }

    fn with(mut self, tokens: Value) -> Self {
        self.actor.set_authorization(Some(&format!("Bearer {}", text(&tokens["access_token"]))));
        self.tokens = tokens;
        self
    }

    /// Requests new tokens but does not store them, as when the response is lost.
    async fn refresh(&self) -> Answer {
        refresh(&self.actor, text(&self.tokens["refresh_token"])).await
    }

    /// Requests new tokens and stores them.
    async fn renew(self) -> Self {
        let answer = self.refresh().await;
        answer.assert_status(200);
        self.with(answer.json())
    }

    async fn me(&self) -> Answer {
        self.actor.get("/api/v1/me").await
    }
}

/// Refreshes without the access token, as an app does whose access token may have expired.
async fn refresh(actor: &Actor<'_>, token: &str) -> Answer {
    let stranger = actor.stranger();
    stranger
        .post("/api/v1/auth/token", &json!({ "grant_type": "refresh_token", "refresh_token": token }))
        .await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

// Defect 17 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn native_sign_up_uses_tokens_and_no_cookie(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    assert_eq!(
        (&ann.tokens["token_type"], &ann.tokens["expires_in"], &ann.tokens["refresh_expires_in"]),
        (&json!("Bearer"), &json!(600), &json!(30 * 86_400))
    );
    assert_eq!(ann.me().await.json()["username"], "ann");
    // Pages of other sites cannot add the bearer token, so the write needs no CSRF protection.
    let json = ("content-type", "application/json");
    let post = json!({ "text": "from the train" }).to_string().into_bytes();
    let headers = [json, ("origin", "https://evil.example")];
    ann.actor.send_bare(Method::POST, "/api/v1/posts", &headers, post).await.assert_status(201);
    ann.actor.post("/api/v1/auth/logout", &json!(null)).await.assert_status(204);
    ann.me().await.assert_problem(401, "unauthenticated");
    refresh(&ann.actor, text(&ann.tokens["refresh_token"])).await.assert_problem(401, "invalid-grant");
}

#[apply(both_databases)]
#[tokio::test]
async fn access_token_follows_rfc_9068(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    let me = ann.me().await.json();
    let parts: Vec<&str> = text(&ann.tokens["access_token"]).split('.').collect();
    let (header, payload) = (decode(parts[0]), decode(parts[1]));
    let keys = ann.actor.get("/.well-known/jwks.json").await;
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    let keys = keys.json();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
    assert_eq!(keys["keys"][0].get("d"), None);
    assert_eq!((&payload["iss"], &payload["aud"]), (&json!("http://127.0.0.1:8080"), &payload["iss"]));
    assert_eq!(payload["sub"], me["id"]);
    assert_eq!((&payload["iat"], &payload["exp"]), (&json!(1_790_000_000), &json!(1_790_000_600)));
}

#[apply(both_databases)]
#[tokio::test]
async fn tokens_expire_and_are_refreshed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let mut ann = Phone::sign_up(&t, "ann").await;
    t.clock.advance(10 * MINUTE - Duration::from_secs(1));
    ann.me().await.assert_status(200);
    t.clock.advance(Duration::from_secs(1));
    ann.me().await.assert_problem(401, "unauthenticated");
    ann = ann.renew().await;
    ann.me().await.assert_status(200);

    // The session expires after a month without use, and after half a year in any case.
    for _ in 0..5 {
        t.clock.advance(30 * DAY - MINUTE);
        ann = ann.renew().await;
        ann.me().await.assert_status(200);
    }
    let rest = ann.tokens["refresh_expires_in"].as_u64().unwrap();
    assert!(rest <= 30 * 86_400, "{rest}");
    t.clock.advance(30 * DAY);
    ann.refresh().await.assert_problem(401, "invalid-grant");
}

#[apply(both_databases)]
#[tokio::test]
async fn refresh_can_be_repeated_after_a_lost_response(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    let lost = ann.refresh().await.json();
    let again = ann.refresh().await;
    again.assert_status(200);
    assert_eq!(again.json()["refresh_token"], lost["refresh_token"]);
    assert_ne!(again.json()["refresh_token"], ann.tokens["refresh_token"]);
    let ann = ann.with(again.json());
    ann.me().await.assert_status(200);
    ann.renew().await.me().await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn reused_refresh_token_ends_the_session(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    // The thief uses it after the owner's app has used its new access token, or its new refresh token.
    for uses_access in [true, false] {
        let ann = Phone::sign_up(&t, if uses_access { "ann" } else { "bob" }).await;
        let stolen = text(&ann.tokens["refresh_token"]).to_owned();
        let ann = ann.renew().await;
        let ann = if uses_access {
            ann.me().await.assert_status(200);
            ann
        } else {
            ann.renew().await
        };
        refresh(&ann.actor, &stolen).await.assert_problem(401, "invalid-grant");
        ann.me().await.assert_problem(401, "unauthenticated");
        ann.refresh().await.assert_problem(401, "invalid-grant");
    }
    assert_eq!(t.database.count("sessions").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_refreshes_return_one_new_token(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    let answers = futures_util::future::join_all((0..50).map(|_| ann.refresh())).await;
    let tokens: Vec<Value> = answers.iter().map(|answer| answer.assert_status(200).json()).collect();
    assert!(tokens.iter().all(|pair| pair["refresh_token"] == tokens[0]["refresh_token"]));
    assert_eq!(t.database.count("refresh_tokens").await, 2);
    // The app can continue with any of the responses.
    let ann = ann.with(tokens[17].clone());
    ann.me().await.assert_status(200);
    ann.renew().await.me().await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn tokens_are_accepted_by_every_node(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let other_node = t.another_node();
    let ann = Phone::sign_up(&t, "ann").await;
    let bob = Phone::sign_up(&other_node, "bob").await;
    let elsewhere = other_node.stranger();
    elsewhere.set_authorization(Some(&format!("Bearer {}", text(&ann.tokens["access_token"]))));
    elsewhere.get("/api/v1/me").await.assert_status(200);
    let here = t.stranger();
    here.set_authorization(Some(&format!("Bearer {}", text(&bob.tokens["access_token"]))));
    here.get("/api/v1/me").await.assert_status(200);
    assert_eq!(t.database.count("signing_keys").await, 1);

    // A session that ends on one node ends on the other within a second.
    ann.actor.post("/api/v1/auth/logout", &json!(null)).await.assert_status(204);
    t.clock.advance(Duration::from_secs(1));
    elsewhere.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn invalid_bearer_is_rejected_everywhere_and_never_falls_back(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let phone = Phone::sign_up(&t, "bob").await;
    for value in ["Bearer", "Bearer ", "Bearer nonsense", "bearer a.b.c", "Bearer \u{e9}"] {
        ann.set_authorization(Some(value));
        for path in ["/api/v1/me", "/api/v1/timelines/public", "/api/v1/instance"] {
            let answer = ann.get(path).await;
            answer.assert_problem(401, "unauthenticated");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            assert!(ann.cookie().is_some(), "the cookie is valid and is not cleared");
        }
    }
    // A proxy may read these in another way, so they do not fall back either. RFC 6750, 3: no error code for them.
    for value in ["Bearer\tnonsense", "Basic YTpi, Bearer nonsense", "Digest username=ann", "nonsense", ""] {
        ann.set_authorization(Some(value));
        for path in ["/api/v1/me", "/api/v1/timelines/public", "/api/v1/instance"] {
            let answer = ann.get(path).await;
            answer.assert_problem(401, "unauthenticated");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("Bearer") && !challenge.contains("error"), "{challenge}");
        }
    }
    // The bearer token takes precedence over the cookie.
    ann.set_authorization(Some(&format!("Bearer {}", text(&phone.tokens["access_token"]))));
    assert_eq!(ann.get("/api/v1/me").await.json()["username"], "bob");
    // The password for a proxy is ignored, and so is a token in the query.
    ann.set_authorization(Some("Basic YW5uOnNlY3JldA=="));
    assert_eq!(ann.get("/api/v1/me").await.json()["username"], "ann");
    let stranger = t.stranger();
    let path = format!("/api/v1/me?access_token={}", text(&phone.tokens["access_token"]));
    stranger.get(&path).await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn forged_tokens_are_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    let access = text(&ann.tokens["access_token"]);
    let parts: Vec<&str> = access.split('.').collect();
    let (header, payload) = (decode(parts[0]), decode(parts[1]));
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header_with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        encode(&header)
    };
    let payload_with = |name: &str, value: Value| {
        let mut payload = payload.clone();
        payload[name] = value;
        encode(&payload)
    };
    let none = encode(&json!({ "alg": "none", "typ": "at+jwt", "kid": header["kid"] }));
    let mut tricks = vec![
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], payload_with("exp", json!(1_890_000_000)), parts[2]),
        format!("{}.{}.{}A", parts[0], parts[1], parts[2]),
        format!("{access}.{}", parts[2]),
        text(&ann.tokens["refresh_token"]).to_owned(),
        "A".repeat(100_000),
    ];
    for (name, value) in [
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("typ", json!("JWT")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("' OR 1=1 --")),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" })),
    ] {
        tricks.push(format!("{}.{}.{}", header_with(name, value), parts[1], parts[2]));
    }
    for trick in tricks {
        let thief = t.stranger();
        thief.set_authorization(Some(&format!("Bearer {trick}")));
        thief.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    }
    ann.me().await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn invalid_grants_are_rejected_with_a_reason(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let app = t.stranger();
    let request_token = async |body: Value| app.post("/api/v1/auth/token", &body).await;
    request_token(json!({})).await.assert_invalid(&[("/grant_type", "required")]);
    request_token(json!({ "grant_type": "password", "scope": "all" }))
        .await
        .assert_invalid(&[("/grant_type", "out-of-range"), ("/scope", "unknown-field")]);
    request_token(json!({ "grant_type": "refresh_token" }))
        .await
        .assert_invalid(&[("/refresh_token", "required")]);
    request_token(json!({ "grant_type": "authorization_code", "code": "x" }))
        .await
        .assert_invalid(&[("/code_verifier", "required"), ("/redirect_uri", "required")]);
    let code =
        json!({ "grant_type": "authorization_code", "code": "x", "code_verifier": "y", "redirect_uri": "z" });
    request_token(code).await.assert_problem(401, "invalid-grant");
    for token in ["", "nonsense", "blr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        refresh(&app, token).await.assert_problem(401, "invalid-grant");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn suspended_account_cannot_refresh_tokens(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await;
    t.database.execute("UPDATE users SET status = 'suspended'").await;
    t.clock.advance(Duration::from_secs(1));
    ann.me().await.assert_problem(401, "unauthenticated");
    ann.refresh().await.assert_problem(401, "invalid-grant");
}

#[apply(both_databases)]
#[tokio::test]
async fn tokens_are_not_stored_in_plain_text(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let ann = Phone::sign_up(&t, "ann").await.renew().await;
    ann.me().await.assert_status(200);
    let rows = t.database.dump().await;
    for secret in ["access_token", "refresh_token"] {
        let secret = text(&ann.tokens[secret]);
        let (_, bits) = secret.split_at(secret.len() - 40);
        assert!(!rows.contains(bits));
    }
}
