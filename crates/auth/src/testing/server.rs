//! The server behind the imitated provider: metadata, keys, tokens and profiles, with their deviations.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use blegram_domain::Clock;
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use openidconnect::{
    AuthUrl, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeySetUrl, PrivateSigningKey, ResponseTypes,
    TokenUrl, UserInfoUrl,
    core::{
        CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
        CoreProviderMetadata, CoreResponseType, CoreRsaPrivateSigningKey, CoreSubjectIdentifierType,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};
use url::form_urlencoded;

use super::{CLIENT_ID, CLIENT_SECRET, FakeUser, Misbehavior};
use crate::{external_login::challenge_of, provider::settings::Preset};

/// A code that was issued.
pub(super) struct Grant {
    pub(super) user: FakeUser,
    pub(super) redirect_uri: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) state: String,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) misbehavior: Option<Misbehavior>,
    pub(super) grants: HashMap<String, Grant>,
    pub(super) tokens: HashMap<String, FakeUser>,
    /// The number of requests by path.
    pub(super) requests: HashMap<String, usize>,
    pub(super) issued: u64,
    pub(super) picture: Option<Vec<u8>>,
    /// The users whose link the site ended.
    pub(super) unlinked: Vec<String>,
}

pub(super) struct Shared {
    pub(super) preset: Preset,
    pub(super) url: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) key: CoreEdDsaPrivateSigningKey,
    pub(super) other_key: CoreEdDsaPrivateSigningKey,
    pub(super) rsa: Option<CoreRsaPrivateSigningKey>,
    pub(super) state: Mutex<State>,
}

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            // A client that disconnects is no failure of a test.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

fn json_answer(status: u16, body: &Value) -> Answer {
    answer(status, "application/json;charset=utf-8", body.to_string())
}

fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert("content-type", value);
    }
    response
}

fn redirect(to: &str) -> Answer {
    // 307: a client that follows it repeats the form.
    let mut response = answer(307, "text/plain", "");
    if let Ok(value) = to.parse() {
        response.headers_mut().insert("location", value);
    }
    response
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self, what: &str) -> String {
        let mut state = self.state();
        state.issued += 1;
        format!("{what}-{}", state.issued)
    }

    fn does(&self, misbehavior: Misbehavior) -> bool {
        self.state().misbehavior == Some(misbehavior)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_micros() / 1_000_000
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        *self.state().requests.entry(path.clone()).or_default() += 1;
        match path.as_str() {
            "/.well-known/openid-configuration" => self.metadata(),
            "/jwks" => self.keys(),
            "/token" => self.token(request).await,
            "/me" => self.profile(&request),
            "/picture" => match self.state().picture.clone() {
                Some(picture) => answer(200, "image/png", picture),
                None => answer(404, "text/plain", "no picture"),
            },
            "/unlink" => self.unlink_by_admin_key(request).await,
            graph if graph.starts_with("/graph/") => self.unlink_by_app_token(&request),
            // Where redirects lead: a client that follows them gets a valid response.
            "/moved/token" => self.exchange(request).await,
            "/moved/jwks" => json_answer(200, &self.key_set()),
            _ => answer(404, "text/plain", "not found"),
        }
    }

    /// As Kakao does it.
    async fn unlink_by_admin_key(&self, request: Request<Incoming>) -> Answer {
        if self.does(Misbehavior::UnlinkFails) {
            return answer(503, "text/html", "<h1>down</h1>");
        }
        let is_authorized = request.method() == Method::POST
            && request.headers().get("authorization").is_some_and(|key| key == "KakaoAK the admin key");
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
        let is_user_id = form.get("target_id_type").is_some_and(|kind| kind == "user_id");
        let Some(subject) = form.get("target_id").filter(|_| is_authorized && is_user_id) else {
            return json_answer(401, &json!({ "msg": "no authentication key!", "code": -401 }));
        };
        if self.does(Misbehavior::UnlinkOfNoUser) {
            return json_answer(400, &json!({ "msg": "NotRegisteredUserException", "code": -101 }));
        }
        self.state().unlinked.push(subject.clone());
        json_answer(200, &json!({ "id": subject }))
    }

    /// As Facebook does it.
    fn unlink_by_app_token(&self, request: &Request<Incoming>) -> Answer {
        if self.does(Misbehavior::UnlinkFails) {
            return answer(503, "text/html", "<h1>down</h1>");
        }
        let authorization = format!("Bearer {CLIENT_ID}|{CLIENT_SECRET}");
        let is_authorized = request.method() == Method::DELETE
            && request.headers().get("authorization").is_some_and(|token| *token == *authorization)
            && request.uri().query().is_some_and(|query| query.starts_with("appsecret_proof="));
        let subject = request.uri().path().strip_prefix("/graph/");
        let subject = subject.and_then(|rest| rest.strip_suffix("/permissions"));
        let Some(subject) = subject.filter(|_| is_authorized) else {
            return json_answer(400, &json!({ "error": { "message": "no", "code": 190 } }));
        };
        if self.does(Misbehavior::UnlinkOfNoUser) {
            return json_answer(400, &json!({ "error": { "message": "no object", "code": 100 } }));
        }
        self.state().unlinked.push(subject.to_owned());
        json_answer(200, &json!({ "success": true }))
    }

    fn metadata(&self) -> Answer {
        if self.does(Misbehavior::MetadataFails) {
            return answer(500, "text/html", "<h1>down</h1>");
        }
        let issuer =
            if self.does(Misbehavior::MetadataOfOther) { "https://other.example" } else { &self.url };
        let elsewhere = self.does(Misbehavior::MetadataElsewhere);
        let token =
            if elsewhere { "https://evil.example/token".to_owned() } else { format!("{}/token", self.url) };
        let metadata = CoreProviderMetadata::new(
            IssuerUrl::new(issuer.to_owned()).expect("a URL"),
            AuthUrl::new(format!("{}/authorize", self.url)).expect("a URL"),
            JsonWebKeySetUrl::new(format!("{}/jwks", self.url)).expect("a URL"),
            vec![ResponseTypes::new(vec![CoreResponseType::Code])],
            vec![CoreSubjectIdentifierType::Public],
            vec![CoreJwsSigningAlgorithm::EdDsa],
            EmptyAdditionalProviderMetadata {},
        )
        .set_token_endpoint(Some(TokenUrl::new(token).expect("a URL")))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(format!("{}/me", self.url)).expect("a URL")));
        json_answer(200, &serde_json::to_value(metadata).expect("JSON"))
    }

    fn keys(&self) -> Answer {
        if self.does(Misbehavior::KeysRedirect) {
            return redirect(&format!("{}/moved/jwks", self.url));
        }
        if self.does(Misbehavior::KeysHtml) {
            return answer(200, "text/html", self.key_set().to_string());
        }
        let mut keys = self.key_set();
        if self.does(Misbehavior::KeysHuge) {
            keys["padding"] = json!("x".repeat(70 * 1024));
        }
        json_answer(200, &keys)
    }

    fn key_set(&self) -> Value {
        let mut keys: Vec<CoreJsonWebKey> = vec![self.key.as_verification_key()];
        if let Some(rsa) = &self.rsa {
            keys.push(rsa.as_verification_key());
        }
        let is_second = self.state().requests.get("/jwks").copied().unwrap_or(0) > 1;
        if self.does(Misbehavior::NewKey) && is_second {
            keys.push(self.other_key.as_verification_key());
        }
        serde_json::to_value(CoreJsonWebKeySet::new(keys)).expect("JSON")
    }

    async fn token(&self, request: Request<Incoming>) -> Answer {
        if self.does(Misbehavior::TokenFails) {
            return answer(500, "text/html", "<h1>down</h1>");
        }
        if self.does(Misbehavior::TokenHangs) {
            std::future::pending::<()>().await;
        }
        if self.does(Misbehavior::TokenRedirects) {
            return redirect(&format!("{}/moved/token", self.url));
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: Request<Incoming>) -> Answer {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let basic = authorization.and_then(|value| value.strip_prefix("Basic ")).map(ToOwned::to_owned);
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
        match self.redeem(&form, basic.as_deref()) {
            Ok(grant) if !self.does(Misbehavior::ErrorInSuccess) => json_answer(200, &self.tokens(&grant)),
            // Naver reports errors with status 200.
            outcome => {
                let is_success = self.preset == Preset::Naver || self.preset == Preset::NaverOAuth2;
                let status = if is_success || outcome.is_ok() { 200 } else { 400 };
                let error = outcome.err().unwrap_or("invalid_grant");
                json_answer(status, &json!({ "error": error, "error_description": "no" }))
            }
        }
    }

    fn redeem(&self, form: &HashMap<String, String>, basic: Option<&str>) -> Result<Grant, &'static str> {
        let parameter = |name: &str| form.get(name).map(String::as_str);
        let is_authenticated = match (self.preset, basic) {
            (Preset::Apple, None) => parameter("client_secret").is_some_and(is_apple_secret),
            (Preset::Oidc, Some(pair)) => {
                let expected: String = form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
                STANDARD.decode(pair).is_ok_and(|pair| pair == format!("{CLIENT_ID}:{expected}").as_bytes())
            }
            (Preset::Oidc, None) => false,
            (_, None) => parameter("client_secret") == Some(CLIENT_SECRET),
            (_, Some(_)) => false,
        };
        if !is_authenticated || parameter("client_id") != Some(CLIENT_ID) {
            return Err("invalid_client");
        }
        let code = parameter("code").ok_or("invalid_request")?;
        let grant = self.state().grants.remove(code).ok_or("invalid_grant")?;
        let verifier = parameter("code_verifier").map(challenge_of);
        let repeats_state = self.preset == Preset::Naver || self.preset == Preset::NaverOAuth2;
        let is_valid = parameter("grant_type") == Some("authorization_code")
            && parameter("redirect_uri") == Some(grant.redirect_uri.as_str())
            && verifier == grant.challenge
            && (!repeats_state || parameter("state") == Some(grant.state.as_str()));
        if is_valid { Ok(grant) } else { Err("invalid_grant") }
    }

    fn tokens(&self, grant: &Grant) -> Value {
        let access_token = self.next("access");
        self.state().tokens.insert(access_token.clone(), grant.user.clone());
        let is_naver = self.preset == Preset::Naver || self.preset == Preset::NaverOAuth2;
        let is_text = is_naver || self.does(Misbehavior::TextExpiresIn);
        let mut body = json!({
            "access_token": access_token,
            "token_type": if self.does(Misbehavior::OtherTokenType) { "mac" } else { "bearer" },
            "expires_in": if is_text { json!("3600") } else { json!(3600) },
        });
        if self.does(Misbehavior::TokenHuge) {
            body["padding"] = json!("x".repeat(2 << 20));
        }
        let is_oauth2 = self.preset == Preset::NaverOAuth2;
        if !is_oauth2 && !self.does(Misbehavior::NoIdToken) {
            body["id_token"] = json!(self.id_token(grant, &access_token));
        }
        body
    }

    fn id_token(&self, grant: &Grant, access_token: &str) -> String {
        if self.does(Misbehavior::Malformed) {
            return "not.a.token".to_owned();
        }
        let now = self.now();
        let hashed = if self.does(Misbehavior::OtherAccessToken) { "another" } else { access_token };
        let mut claims = match &grant.user.claims {
            Value::Object(claims) if self.has_profile_in_token() => Value::Object(claims.clone()),
            _ => json!({}),
        };
        let (issued, expires) = match self.state().misbehavior {
            Some(Misbehavior::Expired) => (now - 300, now - 120),
            Some(Misbehavior::JustExpired) => (now - 300, now - 30),
            Some(Misbehavior::Future) => (now + 120, now + 600),
            Some(Misbehavior::NearFuture) => (now + 30, now + 600),
            Some(Misbehavior::Old) => (now - 3600, now + 600),
            _ => (now, now + 600),
        };
        claims["iss"] =
            json!(if self.does(Misbehavior::OtherIssuer) { "https://other.example" } else { &self.url });
        claims["sub"] = json!(grant.user.subject);
        claims["aud"] = match self.state().misbehavior {
            Some(Misbehavior::OtherAudience) => json!("another-client"),
            Some(Misbehavior::TwoAudiences) => json!([CLIENT_ID, "another-client"]),
            _ => json!([CLIENT_ID]),
        };
        claims["iat"] = json!(issued);
        claims["exp"] = json!(expires);
        claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(&Sha256::digest(hashed)[..16]));
        if self.does(Misbehavior::OtherParty) {
            claims["azp"] = json!("another-client");
        }
        match self.state().misbehavior {
            Some(Misbehavior::NoNonce) => {}
            Some(Misbehavior::OtherNonce) => claims["nonce"] = json!("another"),
            _ => claims["nonce"] = json!(grant.nonce),
        }
        self.sign(&claims)
    }

    /// Naver's ID tokens contain no profile.
    fn has_profile_in_token(&self) -> bool {
        let is_elsewhere =
            self.does(Misbehavior::ProfileElsewhere) || self.does(Misbehavior::ProfileOfAnother);
        self.preset != Preset::Naver && !is_elsewhere
    }

    fn sign(&self, claims: &Value) -> String {
        let (algorithm, id) = match self.state().misbehavior {
            Some(Misbehavior::AlgorithmNone) => ("none", "one"),
            Some(Misbehavior::AlgorithmHs256) => ("HS256", "one"),
            Some(Misbehavior::UnknownKeyId) => ("EdDSA", "three"),
            Some(Misbehavior::NewKey) => ("EdDSA", "two"),
            _ if self.rsa.is_some() => ("RS256", "rsa"),
            _ => ("EdDSA", "one"),
        };
        let header = json!({ "alg": algorithm, "kid": id, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let uses_other = matches!(
            self.state().misbehavior,
            Some(Misbehavior::OtherKey | Misbehavior::UnknownKeyId | Misbehavior::NewKey)
        );
        let signature = match (algorithm, &self.rsa) {
            ("none", _) => Vec::new(),
            ("HS256", _) => CoreHmacKey::new(CLIENT_SECRET)
                .sign(&CoreJwsSigningAlgorithm::HmacSha256, message.as_bytes())
                .expect("a signature"),
            ("RS256", Some(rsa)) => rsa
                .sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, message.as_bytes())
                .expect("a signature"),
            _ => {
                let key = if uses_other { &self.other_key } else { &self.key };
                key.sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes()).expect("a signature")
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn profile(&self, request: &Request<Incoming>) -> Answer {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let user = token.and_then(|token| self.state().tokens.get(token).cloned());
        let Some(user) = user else {
            return json_answer(401, &json!({ "resultcode": "024", "message": "Authentication failed" }));
        };
        let mut profile = user.claims.clone();
        if !self.does(Misbehavior::ProfileOfNoUser) {
            let id =
                if self.preset == Preset::Naver { format!("id-of-{}", user.subject) } else { user.subject };
            profile["id"] = json!(id);
            profile["sub"] = profile["id"].clone();
        }
        if self.does(Misbehavior::ProfileOfAnother) {
            profile["sub"] = json!("subject-2");
        }
        if self.preset == Preset::Facebook {
            let query = request.uri().query().unwrap_or_default();
            if !query.contains("appsecret_proof=") {
                return json_answer(400, &json!({ "error": { "message": "a proof is required" } }));
            }
        }
        let has_envelope = self.preset == Preset::Naver || self.preset == Preset::NaverOAuth2;
        if self.does(Misbehavior::ProfileError) {
            return json_answer(200, &json!({ "resultcode": "999", "message": "internal error" }));
        }
        if has_envelope {
            return json_answer(
                200,
                &json!({ "resultcode": "00", "message": "success", "response": profile }),
            );
        }
        json_answer(200, &profile)
    }
}

/// Whether a client secret is a token that is signed for Apple. Its signature is not verified here.
fn is_apple_secret(secret: &str) -> bool {
    let payload = secret.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Option<Value> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    claims.is_some_and(|claims| {
        claims["aud"] == "https://appleid.apple.com" && claims["sub"] == CLIENT_ID && claims["iss"] == "team"
    })
}
