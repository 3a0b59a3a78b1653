//! Logins with other providers, as browsers, apps and providers see them. The use-cases are tested in `blegram-auth`.

use std::{collections::HashMap, sync::Arc};

use blegram_auth::{
    AppRedirectUri,
    provider::settings::Preset,
    testing::{FakeProvider, FakeUser, Misbehavior},
};
use blegram_domain::{Clock, FixedClock, Timestamp};
use blegram_limits::Quota;
use blegram_persistence::testing::Backend;
use poem::http::{Method, header};
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    second_factor::AuthenticatorApp,
    world::{Actor, Answer, Settings, TestApp},
};

const APP: &str = "org.example.app:/login";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A site with the provider `kakao`, which imitates `preset`.
pub(crate) async fn site(backend: Backend, preset: Preset) -> (TestApp, FakeProvider) {
    site_at(backend, preset, "http://127.0.0.1:8080").await
}

async fn site_at(backend: Backend, preset: Preset, public_url: &'static str) -> (TestApp, FakeProvider) {
    site_with_pages(backend, preset, public_url, public_url).await
}

async fn site_with_pages(
    backend: Backend,
    preset: Preset,
    public_url: &'static str,
    pages_url: &str,
) -> (TestApp, FakeProvider) {
    let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
    let provider = FakeProvider::start(preset, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let mut settings = Settings {
        public_url,
        providers: [provider.provider("kakao")].into_iter().collect(),
        clock: Some(clock),
        ..Settings::default()
    };
    settings.auth.issuer = public_url.to_owned();
    settings.auth.pages_url = pages_url.to_owned();
    settings.auth.quotas.external_logins_per_address = Quota::new(1_000, 60);
    settings.auth.app_redirect_uris = vec![AppRedirectUri::parse(APP).unwrap()];
    (TestApp::with(backend, settings).await, provider)
}

/// A browser: it stores all cookies, which an [`Actor`] does only for those of sessions.
struct Browser<'a> {
    actor: Actor<'a>,
    cookies: std::sync::Mutex<HashMap<String, String>>,
}

impl<'a> Browser<'a> {
    fn of(t: &'a TestApp) -> Self {
        Self { actor: t.stranger(), cookies: std::sync::Mutex::default() }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut all = headers.to_vec();
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        self.actor.set_cookie(None);
        self.actor.set_device(None);
        let answer = self.actor.send_bare(method, path, &all, body.as_bytes().to_vec()).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            assert!(
                set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
                "{set}"
            );
            if set.contains("Max-Age=0") {
                self.cookies.lock().unwrap().remove(name);
            } else {
                self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Follows a link or a redirect, also one from another site.
    async fn opens(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("sec-fetch-site", "cross-site")], "").await
    }

    async fn posts(&self, path: &str, body: &serde_json::Value) -> Answer {
        let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        self.send(Method::POST, path, &headers, &body.to_string()).await
    }

    async fn submits(&self, path: &str, site: &str, fields: &str) -> Answer {
        let headers = [("sec-fetch-site", site), ("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &headers, fields).await
    }

    fn cookie_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.cookies.lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    /// Opens the start of a login and returns the address at the provider.
    async fn starts(&self, query: &str) -> String {
        let started = self.opens(&format!("/api/v1/auth/kakao/start{query}")).await;
        started.assert_status(302);
        location(&started)
    }

    /// Logs in at the provider, and returns where the browser ends.
    async fn logs_in(&self, provider: &FakeProvider, query: &str, user: &FakeUser) -> Answer {
        let address = self.starts(query).await;
        self.opens(&format!("/api/v1/auth/kakao/callback?{}", provider.approve(&address, user))).await
    }
}

fn location(answer: &Answer) -> String {
    answer.header("location").unwrap().to_owned()
}

fn ann() -> FakeUser {
    FakeUser::new("subject-1", "Ann Lee")
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_log_in_a_browser(#[case] backend: Backend) {
    let (t, provider) = site(backend, Preset::Kakao).await;
    let browser = Browser::of(&t);
    let listed = browser.opens("/api/v1/auth/providers").await.json();
    let start_url = "http://127.0.0.1:8080/api/v1/auth/kakao/start";
    let expected = json!([{ "id": "kakao", "name": "Kakao", "start_url": start_url }]);
    assert_eq!(listed["items"], expected);
    assert_eq!(browser.opens("/api/v1/instance").await.json()["login_providers"], expected);
    let finished = browser.logs_in(&provider, "?redirect_to=/home%3Ftab%3D2", &ann()).await;
    finished.assert_status(302);
    assert_eq!(location(&finished), "/home?tab=2");
    assert_eq!(finished.header("cache-control"), Some("no-store"));
    assert_eq!(browser.cookie_names(), ["auth-blegram", "device-blegram"]);
    let me = browser.opens("/api/v1/me").await.json();
    assert_eq!((&me["username"], &me["has_password"]), (&json!("ann.lee"), &json!(false)));
    let sessions = browser.opens("/api/v1/auth/sessions").await;
    assert_eq!(sessions.items("provider"), [json!("kakao")]);
    let identities = browser.opens("/api/v1/me/identities").await.json();
    assert_eq!(identities["items"][0]["provider"], "kakao");
    assert_eq!(identities["items"][0]["display_name"], "Ann Lee");
    let last =
        browser.send(Method::DELETE, "/api/v1/me/identities/kakao", &[("sec-fetch-site", "same-origin")], "");
    last.await.assert_problem(409, "last-login-method");
}

#[tokio::test]
async fn providers_cookie_is_bound_to_the_host_on_https() {
    let (t, provider) = site_at(Backend::Sqlite, Preset::Oidc, "https://blegram.example/forum").await;
    let browser = Browser::of(&t);
    let address = browser.starts("").await;
    let [name] = browser.cookie_names().try_into().unwrap();
    assert!(name.starts_with("__Host-login-"), "{name}");
    let redirect_uri =
        "redirect_uri=https%3A%2F%2Fblegram.example%2Fforum%2Fapi%2Fv1%2Fauth%2Fkakao%2Fcallback";
    assert!(address.contains(redirect_uri), "{address}");
    let query = provider.approve(&address, &ann());
    let finished = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(location(&finished), "/forum/login/done");
    assert_eq!(browser.cookie_names(), ["__Host-auth-blegram", "__Host-device-blegram"]);
}

#[tokio::test]
async fn providers_errors_go_to_a_page_that_repeats_nothing() {
    let (t, provider) = site(Backend::Sqlite, Preset::Oidc).await;
    let browser = Browser::of(&t);
    let address = browser.starts("").await;
    let query = provider.deny(&address, "access_denied");
    let denied = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(location(&denied), "/login/error?code=login-cancelled&provider=kakao");
    let page = browser.opens(&location(&denied)).await;
    page.assert_status(200);
    assert!(page.text().contains("You cancelled the login."));
    let address = browser.starts("?redirect_to=/home%23top").await;
    let query = provider.deny(&address, "access_denied");
    let denied = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(location(&denied), "/home?login_error=login-cancelled#top");
    // Once more, and in another browser.
    for browser in [&browser, &Browser::of(&t)] {
        let again = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
        assert_eq!(location(&again), "/login/error?code=login-expired&provider=kakao");
    }
    provider.misbehave(Some(Misbehavior::TokenFails));
    let failed = browser.logs_in(&provider, "", &ann()).await;
    assert_eq!(location(&failed), "/login/error?code=provider-unavailable&provider=kakao");
    let hostile = browser.opens("/login/error?code=%3Cscript%3E&provider=%3Cscript%3E").await;
    assert!(!hostile.text().contains("<script"));
    assert_eq!(browser.cookie_names(), [""; 0], "every cookie of a login was removed");
}

#[tokio::test]
async fn providers_unknown_and_unavailable_are_problems() {
    let (t, provider) = site(Backend::Sqlite, Preset::Oidc).await;
    let browser = Browser::of(&t);
    for path in ["start", "callback?state=x&code=y", "unlinked"] {
        for id in ["unknown", "Kakao", "..", "%00"] {
            browser.opens(&format!("/api/v1/auth/{id}/{path}")).await.assert_problem(404, "not-found");
        }
    }
    provider.misbehave(Some(Misbehavior::MetadataFails));
    let down = browser.opens("/api/v1/auth/kakao/start").await;
    down.assert_problem(503, "provider-unavailable");
    assert!(down.json()["detail"].as_str().unwrap().contains("\"kakao\""));
    assert!(down.header("retry-after").is_some());
}

#[tokio::test]
async fn providers_redirect_targets_are_validated() {
    let (t, _provider) = site(Backend::Sqlite, Preset::Oidc).await;
    let browser = Browser::of(&t);
    for target in [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "/%0A/evil.example",
        "evil",
        "/%09/evil.example",
    ] {
        let start = browser.opens(&format!("/api/v1/auth/kakao/start?redirect_to={target}")).await;
        start.assert_invalid(&[("/redirect_to", "invalid-characters")]);
    }
    let native = |rest: &str| format!("/api/v1/auth/kakao/start?client=native{rest}");
    let missing = browser.opens(&native("")).await;
    missing.assert_invalid(&[("/redirect_uri", "required"), ("/code_challenge", "invalid-characters")]);
    browser
        .opens("/api/v1/auth/kakao/start?client=desktop")
        .await
        .assert_invalid(&[("/client", "out-of-range")]);
    let unlisted = format!("&redirect_uri=org.evil.app:/login&code_challenge={CHALLENGE}");
    browser.opens(&native(&unlisted)).await.assert_invalid(&[("/redirect_uri", "not-found")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_log_in_an_app(#[case] backend: Backend) {
    let (t, provider) = site(backend, Preset::Oidc).await;
    let browser = Browser::of(&t);
    let start = format!("?client=native&redirect_uri={APP}&code_challenge={CHALLENGE}&state=of-the-app");
    let finished = browser.logs_in(&provider, &start, &ann()).await;
    let address = location(&finished);
    let query = address.strip_prefix(&format!("{APP}?")).unwrap();
    let parameters: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(parameters["state"], "of-the-app");
    assert_eq!(browser.cookie_names(), [""; 0], "the browser is not logged in");
    let app = t.stranger();
    let grant = |code: &str, verifier: &str| json!({ "grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": APP });
    let tokens = app.post("/api/v1/auth/token", &grant(&parameters["code"], VERIFIER)).await;
    tokens.assert_status(200);
    app.set_authorization(Some(&format!("Bearer {}", tokens.json()["access_token"].as_str().unwrap())));
    assert_eq!(app.get("/api/v1/me").await.json()["username"], "ann.lee");
    assert_eq!(app.get("/api/v1/auth/sessions").await.items("provider"), [json!("kakao")]);
    app.set_authorization(None);
    for (code, verifier) in [(parameters["code"].as_str(), VERIFIER), ("blc_nothing", VERIFIER), ("", "")] {
        app.post("/api/v1/auth/token", &grant(code, verifier)).await.assert_problem(401, "invalid-grant");
    }
    let address = browser.starts(&start).await;
    let query = provider.deny(&address, "access_denied");
    let denied = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    let expected = format!("{APP}?error=access_denied&error_description=login-cancelled&state=of-the-app");
    assert_eq!(location(&denied), expected);
}

/// A site with an account of the provider that has an authenticator app.
async fn with_second_factor(backend: Backend) -> (TestApp, FakeProvider, AuthenticatorApp) {
    let (t, provider) = site_at(backend, Preset::Oidc, "http://localhost:8080").await;
    let app = {
        let browser = Browser::of(&t);
        browser.logs_in(&provider, "", &ann()).await.assert_status(302);
        let session = browser.cookies.lock().unwrap()["auth-blegram"].clone();
        browser.actor.set_cookie(Some(format!("auth-blegram={session}")));
        AuthenticatorApp::add(&t, &browser.actor).await
    };
    (t, provider, app)
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_login_is_completed_with_the_second_factor(#[case] backend: Backend) {
    let (t, provider, app) = with_second_factor(backend).await;
    let browser = Browser::of(&t);
    let finished = browser.logs_in(&provider, "?redirect_to=/home", &ann()).await;
    finished.assert_status(302);
    let address = location(&finished);
    let query = address.strip_prefix("/login/second-factor?").unwrap();
    let parameters: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!((parameters.len(), parameters["redirect_to"].as_str()), (2, "/home"));
    assert_eq!(browser.cookie_names(), [""; 0], "the first step opens no session");
    browser.opens("/api/v1/me").await.assert_problem(401, "unauthenticated");
    let page = browser.opens(&address).await;
    page.assert_status(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.text().contains(&parameters["challenge"]));

    let fields = |code: &str| format!("{query}&code={code}");
    let submits =
        async |site: &str, code: &str| browser.submits("/login/second-factor", site, &fields(code)).await;
    submits("cross-site", &app.code(&t)).await.assert_status(403);
    submits("same-origin", "000000").await.assert_status(401);
    let done = submits("same-origin", &app.code(&t)).await;
    done.assert_status(303);
    assert_eq!(location(&done), "/home");
    assert_eq!(browser.opens("/api/v1/me").await.json()["username"], "ann.lee");
    let sessions = browser.opens("/api/v1/auth/sessions").await;
    assert_eq!(sessions.items("provider"), [json!("kakao"), json!("kakao")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_login_of_an_app_is_completed_with_the_second_factor(#[case] backend: Backend) {
    let (t, provider, authenticator) = with_second_factor(backend).await;
    let start = format!("?client=native&redirect_uri={APP}&code_challenge={CHALLENGE}");
    let address = location(&Browser::of(&t).logs_in(&provider, &start, &ann()).await);
    let code = address.strip_prefix(&format!("{APP}?code=")).unwrap();
    let grant = json!({ "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": APP });
    let app = t.stranger();
    let next = app.post("/api/v1/auth/token", &grant).await;
    next.assert_status(202);
    assert_eq!(next.header("set-cookie"), None);
    let next = next.json();
    for property in ["pending_token", "suggested_username", "provider"] {
        assert_eq!(next[property], json!(null), "{property}");
    }
    assert_eq!((&next["methods"], next.get("access_token")), (&json!(["totp"]), None));
    let challenge = next["challenge"].as_str().unwrap();
    app.set_authorization(Some(&format!("Bearer {challenge}")));
    app.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    app.set_authorization(None);

    let complete = async |code: &str| {
        let body = json!({ "challenge": challenge, "method": "totp", "code": code });
        app.post("/api/v1/auth/login/second-factor", &body).await
    };
    complete("000000").await.assert_problem(401, "second-factor-invalid");
    let completed = complete(&authenticator.code(&t)).await;
    completed.assert_status(200);
    assert_eq!(completed.header("set-cookie"), None);
    let token = completed.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
    app.set_authorization(Some(&format!("Bearer {token}")));
    assert_eq!(app.get("/api/v1/me").await.json()["username"], "ann.lee");
    assert_eq!(app.get("/api/v1/auth/sessions").await.items("provider"), [json!("kakao"), json!("kakao")]);
    app.set_authorization(None);
    app.post("/api/v1/auth/token", &grant).await.assert_problem(401, "invalid-grant");
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_ask_for_a_username_that_is_taken(#[case] backend: Backend) {
    let (t, provider) = site(backend, Preset::Oidc).await;
    let [_ann] = t.users(["ann.lee"]).await;
    let browser = Browser::of(&t);
    let finished = browser.logs_in(&provider, "?redirect_to=/home", &ann()).await;
    assert_eq!(location(&finished), "/signup/complete");
    assert_eq!(browser.cookie_names(), ["signup-blegram"]);
    let pending = browser.opens("/api/v1/auth/signup/pending").await.json();
    assert_eq!(pending["provider"], "kakao");
    let suggested = pending["suggested_username"].as_str().unwrap();
    let page = browser.opens("/signup/complete").await;
    page.assert_status(200);
    assert!(page.text().contains(suggested));
    let submits = async |site: &str, name: &str| {
        browser.submits("/signup/complete", site, &format!("username={name}")).await
    };
    submits("cross-site", "mallory").await.assert_status(403);
    submits("same-origin", "ann.lee").await.assert_status(409);
    submits("same-origin", "x").await.assert_status(422);
    let created = submits("same-origin", suggested).await;
    created.assert_status(303);
    assert_eq!(location(&created), "/home");
    assert_eq!(browser.cookie_names(), ["auth-blegram", "device-blegram"]);
    assert_eq!(browser.opens("/api/v1/me").await.json()["username"], suggested);
    Browser::of(&t).opens("/api/v1/auth/signup/pending").await.assert_problem(401, "invalid-grant");
    Browser::of(&t).opens("/signup/complete").await.assert_status(401);
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_complete_a_sign_up_by_json(#[case] backend: Backend) {
    let (t, provider) = site(backend, Preset::Oidc).await;
    let browser = Browser::of(&t);
    browser.logs_in(&provider, "", &FakeUser::new("1", "민수")).await.assert_status(302);
    let token = browser.opens("/api/v1/auth/signup/pending").await.json()["pending_token"].clone();
    let complete = "/api/v1/auth/signup/complete";
    let bad = browser.posts(complete, &json!({ "pending_token": "blp_nothing", "username": "minsu" })).await;
    bad.assert_problem(401, "invalid-grant");
    browser.posts(complete, &json!({ "username": "admin" })).await.assert_problem(409, "username-taken");
    let created = browser.posts(complete, &json!({ "pending_token": token, "username": "minsu" })).await;
    created.assert_status(201);
    assert_eq!(created.json()["account"]["username"], "minsu");
    assert_eq!(browser.opens("/api/v1/me").await.json()["username"], "minsu");
    browser.posts(complete, &json!({ "username": "minsu2" })).await.assert_problem(401, "invalid-grant");
}

/// Apple sends a cross-site form, with which browsers send no Lax cookie.
#[tokio::test]
async fn providers_form_becomes_a_get() {
    let (t, provider) = site(Backend::Sqlite, Preset::Apple).await;
    let browser = Browser::of(&t);
    let address = browser.starts("").await;
    let query = provider.approve(&address, &ann());
    let form = format!("{query}&user=%7B%22name%22%3A1%7D");
    let callback = "/api/v1/auth/kakao/callback";
    let repeated = Browser::of(&t).submits(callback, "cross-site", &form).await;
    repeated.assert_status(303);
    assert!(repeated.headers.get(header::SET_COOKIE).is_none());
    assert_eq!(location(&repeated), format!("{callback}?{query}"));
    assert_eq!(location(&browser.opens(&location(&repeated)).await), "/login/done");
    browser.opens("/api/v1/me").await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn providers_are_linked_in_the_session_that_asks(#[case] backend: Backend) {
    let (t, provider) = site(backend, Preset::Oidc).await;
    let browser = Browser::of(&t);
    let body = json!({ "username": "bob", "password": crate::world::PASSWORD, "client": "browser" });
    browser.posts("/api/v1/auth/signup", &body).await.assert_status(201);
    let link = "/api/v1/me/identities/kakao";
    let started = browser.posts(&format!("{link}?redirect_to=/settings"), &json!({})).await;
    started.assert_status(200);
    let address = started.json()["authorize_url"].as_str().unwrap().to_owned();
    let query = provider.approve(&address, &ann());
    let linked = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(location(&linked), "/settings");
    browser.posts(link, &json!({})).await.assert_problem(409, "identity-in-use");
    let unlinked = browser.send(Method::DELETE, link, &[("sec-fetch-site", "same-origin")], "").await;
    unlinked.assert_status(204);
    let again = browser.send(Method::DELETE, link, &[("sec-fetch-site", "same-origin")], "").await;
    again.assert_problem(404, "not-found");
    // A page of another site cannot begin a link.
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("content-type", "application/json"),
    ];
    browser.send(Method::POST, link, &foreign, "{}").await.assert_problem(403, "csrf-rejected");
    // Nor does the login of another account end in a link.
    let started = browser.posts(link, &json!({})).await;
    let address = started.json()["authorize_url"].as_str().unwrap().to_owned();
    let query = provider.approve(&address, &ann());
    browser.cookies.lock().unwrap().remove("auth-blegram");
    let ended = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(location(&ended), "/login/error?code=unauthenticated&provider=kakao");
}

/// With `accounts.pages_url`, another server has the pages, and cookies of this one do not reach it.
#[tokio::test]
async fn providers_send_browsers_to_pages_elsewhere() {
    let (site, pages) = ("http://127.0.0.1:8080", "https://app.example");
    let (t, provider) = site_with_pages(Backend::Sqlite, Preset::Oidc, site, pages).await;
    let done = Browser::of(&t).logs_in(&provider, "", &ann()).await;
    assert_eq!(location(&done), "https://app.example/login/done");
    let home = Browser::of(&t).logs_in(&provider, "?redirect_to=/home", &ann()).await;
    assert_eq!(location(&home), "https://app.example/home");
    let other = FakeUser::new("subject-2", "Ann Lee");
    let sign_up = location(&Browser::of(&t).logs_in(&provider, "", &other).await);
    let token = sign_up.strip_prefix("https://app.example/signup/complete#pending_token=").unwrap();
    let finish = serde_json::json!({ "pending_token": token, "username": "ann.second" });
    Browser::of(&t).posts("/api/v1/auth/signup/complete", &finish).await.assert_status(201);
    provider.misbehave(Some(Misbehavior::TokenFails));
    let failed = Browser::of(&t).logs_in(&provider, "", &ann()).await;
    let error = "https://app.example/login/error?code=provider-unavailable&provider=kakao";
    assert_eq!(location(&failed), error);
}

#[tokio::test]
async fn providers_send_unlink_notices_without_a_page() {
    let (t, provider) = site(Backend::Sqlite, Preset::Kakao).await;
    let browser = Browser::of(&t);
    browser.logs_in(&provider, "", &ann()).await.assert_status(302);
    let server = t.stranger();
    let path = "/api/v1/auth/kakao/unlinked";
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = b"app_id=1&user_id=subject-1&referrer_type=UNLINK_FROM_APPS".to_vec();
    let forged =
        server.send_bare(Method::POST, path, &[form, ("authorization", "KakaoAK x")], body.clone()).await;
    forged.assert_problem(401, "unauthenticated");
    server.send_bare(Method::POST, path, &[form], body.clone()).await.assert_problem(401, "unauthenticated");
    let key = ("authorization", "KakaoAK the admin key");
    let by_query =
        server.send_bare(Method::GET, &format!("{path}?user_id=unknown"), &[key], Vec::new()).await;
    by_query.assert_status(200);
    server.send_bare(Method::POST, path, &[form, key], body).await.assert_status(200);
    browser.opens("/api/v1/me").await.assert_problem(401, "unauthenticated");
    let wrong = server
        .send_bare(Method::POST, path, &[("content-type", "application/json"), key], b"{}".to_vec())
        .await;
    wrong.assert_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn providers_steps_are_limited_by_address() {
    let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
    let provider = FakeProvider::start(Preset::Oidc, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let mut settings = Settings {
        providers: [provider.provider("kakao")].into_iter().collect(),
        clock: Some(clock),
        ..Settings::default()
    };
    settings.auth.quotas.external_logins_per_address = Quota::new(2, 60);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let browser = Browser::of(&t);
    browser.starts("").await;
    browser.opens("/api/v1/auth/kakao/callback?state=x").await.assert_status(302);
    let limited = browser.opens("/api/v1/auth/kakao/start").await;
    limited.assert_problem(429, "rate-limited");
    assert!(limited.header("retry-after").is_some());
    assert_eq!(t.database.count("login_transactions").await, 1);
    Browser::of(&t).starts("").await;
}

#[tokio::test]
async fn providers_reveal_nothing_in_responses_and_rows() {
    let (t, provider) = site(Backend::Sqlite, Preset::Oidc).await;
    let browser = Browser::of(&t);
    let address = browser.starts("").await;
    assert!(!address.contains("a+secret") && !address.contains("code_verifier"));
    let secrets: Vec<String> = browser.cookies.lock().unwrap().values().cloned().collect();
    let dump = t.database.dump().await;
    assert!(
        secrets.iter().all(|secret| !dump.contains(secret.as_str()) && !address.contains(secret.as_str()))
    );
    let query = provider.approve(&address, &ann());
    let finished = browser.opens(&format!("/api/v1/auth/kakao/callback?{query}")).await;
    assert_eq!(finished.header("referrer-policy"), Some("no-referrer"));
}
