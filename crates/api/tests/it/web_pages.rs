//! The pages for people, through the router.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    second_factor::{AuthenticatorApp, STEP},
    world::{Actor, Answer, PASSWORD, Settings, TestApp},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const NEW: &str = "another room, without a view";

/// Sends a form as a browser does from a page of the site.
async fn submit(actor: &Actor<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
    actor.send(Method::POST, path, &[FORM], encode(fields)).await
}

fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish().into_bytes()
}

fn assert_is_page(answer: &Answer) {
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8", "{}", answer.text());
    assert_eq!(
        (header("cache-control"), header("referrer-policy")),
        ("no-store".into(), "no-referrer".into())
    );
    let policy = header("content-security-policy");
    for directive in [
        "default-src 'none'",
        "style-src 'sha256-",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = answer.text();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<html lang=\""), "{html}");
    for forbidden in ["<script", "javascript:", "http://", "https://", " onclick", "<img"] {
        assert!(!html.contains(forbidden), "{forbidden}: {html}");
    }
    assert_eq!(html.matches("<link").count(), html.matches("<link rel=\"icon\"").count(), "{html}");
}

#[apply(both_databases)]
#[tokio::test]
async fn pages_are_self_contained_and_never_stored(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let reader = t.stranger();
    for path in [
        "/login",
        "/login/error?code=cancelled",
        "/login/second-factor?challenge=x",
        "/verify-email",
        "/verify-email?token=x",
        "/reset-password",
        "/reset-password?token=x",
    ] {
        let answer = reader.get(path).await;
        answer.assert_status(200);
        assert_is_page(&answer);
        assert!(answer.header("ratelimit").is_some(), "{path} is counted");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn language_is_that_of_the_browser_unless_chosen(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let reader = t.stranger();
    for (path, header, expected) in [
        ("/login", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("/login", "en-US,en;q=0.9", "en"),
        ("/login", "fr", "en"),
        ("/login?lang=ko", "en", "ko"),
        ("/login?lang=en", "ko", "en"),
        ("/login?lang=xx", "ko", "ko"),
    ] {
        let answer = reader.send(Method::GET, path, &[("accept-language", header)], Vec::new()).await;
        assert!(answer.text().contains(&format!("<html lang=\"{expected}\">")), "{path} {header}");
        assert!(answer.header("vary").unwrap().contains("Accept-Language"));
    }
    // The other language keeps the token.
    let answer = reader.get("/verify-email?token=a%26b&lang=ko").await;
    assert!(answer.text().contains("href=\"/verify-email?token=a%26b&amp;lang=en\""), "{}", answer.text());
}

// Programs that scan mails open the links in them.
#[apply(both_databases)]
#[tokio::test]
async fn opening_a_link_changes_nothing(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    let change = json!({ "email": "ann@example.com", "password": PASSWORD });
    ann.put("/api/v1/me/email", &change).await.assert_status(202);
    let token = t.mail().await.token();
    let scanner = t.stranger();
    for _ in 0..3 {
        scanner.get(&format!("/verify-email?token={token}")).await.assert_status(200);
        scanner.send(Method::HEAD, &format!("/verify-email?token={token}"), &[], Vec::new()).await;
    }
    assert_eq!(ann.get("/api/v1/me").await.json()["email_verified"], false);
    let done = submit(&t.stranger(), "/verify-email?lang=en", &[("token", &token)]).await;
    done.assert_status(200);
    assert_is_page(&done);
    assert!(done.text().contains("Your address is confirmed"), "{}", done.text());
    assert_eq!(ann.get("/api/v1/me").await.json()["email_verified"], true);
    let again = submit(&t.stranger(), "/verify-email?lang=ko", &[("token", &token)]).await;
    again.assert_status(422);
    assert!(again.text().contains("링크가 만료되었거나"), "{}", again.text());
}

#[apply(both_databases)]
#[tokio::test]
async fn password_is_reset_without_a_script(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    t.verify(&ann, "ann@example.com").await;
    let person = t.stranger();
    let mut sent = Vec::new();
    for email in ["ann@example.com", "stranger@example.com"] {
        let answer = submit(&person, "/reset-password?lang=ko", &[("email", email)]).await;
        answer.assert_status(200);
        sent.push(answer.text().to_owned());
    }
    assert_eq!(sent[0], sent[1]);
    let mail = t.mail().await;
    assert_eq!(mail.subject, "[blegram] 비밀번호 재설정");
    let token = mail.token();
    person.get(&format!("/reset-password?token={token}")).await.assert_status(200);
    ann.get("/api/v1/me").await.assert_status(200);

    let weak =
        submit(&person, "/reset-password?lang=en", &[("token", &token), ("new_password", "short")]).await;
    weak.assert_status(422);
    assert!(weak.text().contains("too easy to guess") && weak.text().contains(&token), "{}", weak.text());
    let fields = [("token", token.as_str()), ("new_password", NEW)];
    let done = submit(&person, "/reset-password?lang=en", &fields).await;
    done.assert_status(200);
    assert_is_page(&done);
    ann.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    t.stranger().log_in("ann", NEW).await.assert_status(200);
    let again = submit(&person, "/reset-password?lang=en", &fields).await;
    again.assert_status(422);
    assert!(again.text().contains("name=\"email\""), "offers a new mail: {}", again.text());
}

#[apply(both_databases)]
#[tokio::test]
async fn login_form_sets_the_cookie_and_redirects_within_the_site(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["ann"]).await;
    let person = t.stranger();
    let page = person.get("/login?redirect_to=/feed%3Fa=1").await;
    assert!(page.text().contains("name=\"redirect_to\" value=\"/feed?a=1\""), "{}", page.text());
    let fields = [("login", "Ann"), ("password", PASSWORD), ("redirect_to", "/feed?a=1")];
    let done = submit(&person, "/login", &fields).await;
    done.assert_status(303);
    assert_eq!(
        (done.header("location"), done.header("cache-control")),
        (Some("/feed?a=1"), Some("no-store"))
    );
    assert_eq!(person.get("/api/v1/me").await.json()["username"], "ann");

    for target in ["//evil.example", "/\\evil.example", "https://evil.example", ""] {
        let person = t.stranger();
        let page = person.get(&format!("/login?redirect_to={}", target.replace('\\', "%5C"))).await;
        assert!(!page.text().contains("name=\"redirect_to\""), "{}", page.text());
        let fields = [("login", "ann"), ("password", PASSWORD), ("redirect_to", target)];
        let done = submit(&person, "/login?lang=en", &fields).await;
        done.assert_status(200);
        assert_eq!(done.header("location"), None);
        assert!(done.text().contains("You are logged in") && person.cookie().is_some());
    }
}

/// Without a script, and without a session before the last step.
#[apply(both_databases)]
#[tokio::test]
async fn second_factor_is_asked_for_after_the_password(#[case] backend: Backend) {
    let t = TestApp::with(backend, Settings::with_domain()).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let reader = t.stranger();
    let fields = [("login", "ann"), ("password", PASSWORD), ("redirect_to", "/feed")];
    let form = submit(&reader, "/login?lang=ko", &fields).await;
    form.assert_status(200);
    assert_is_page(&form);
    assert_eq!((reader.cookie(), reader.device()), (None, None));
    let html = form.text();
    assert!(html.contains("name=\"redirect_to\" value=\"/feed\""), "{html}");
    let challenge =
        html.split("name=\"challenge\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let code = app.code(&t);
    let wrong = [("challenge", challenge.as_str()), ("code", "000000"), ("redirect_to", "/feed")];
    let again = submit(&reader, "/login/second-factor?lang=ko", &wrong).await;
    again.assert_status(401);
    assert!(
        again.text().contains(&challenge) && again.text().contains("코드가 맞지 않거나"),
        "{}",
        again.text()
    );
    let right = [("challenge", challenge.as_str()), ("code", &code), ("redirect_to", "/feed")];
    let done = submit(&reader, "/login/second-factor?lang=ko", &right).await;
    done.assert_status(303);
    assert_eq!(done.header("location"), Some("/feed"));
    assert_eq!(reader.get("/api/v1/me").await.json()["username"], "ann");
    t.clock.advance(STEP);
    let code = app.code(&t);
    let used =
        submit(&t.stranger(), "/login/second-factor", &[("challenge", &challenge), ("code", &code)]).await;
    used.assert_status(401);
    assert_is_page(&used);
}

/// The page cannot give tokens to an app, so it must not use up the app's login.
#[apply(both_databases)]
#[tokio::test]
async fn login_of_an_app_is_not_completed_on_the_page(#[case] backend: Backend) {
    let t = TestApp::with(backend, Settings::with_domain()).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    let body = json!({ "login": "ann", "password": PASSWORD, "client": "native" });
    let phone = t.stranger();
    let challenge =
        phone.post("/api/v1/auth/login", &body).await.json()["challenge"].as_str().unwrap().to_owned();
    let code = app.code(&t);
    let page = submit(&phone, "/login/second-factor", &[("challenge", &challenge), ("code", &code)]).await;
    page.assert_status(401);
    assert_eq!(ann.get("/api/v1/auth/sessions").await.items("id").len(), 1, "no session is left behind");
    let complete = json!({ "challenge": challenge, "method": "totp", "code": code });
    phone.post("/api/v1/auth/login/second-factor", &complete).await.assert_status(200);
}

/// A thief who knows the old password and waits for a code must not get in after the reset.
#[apply(both_databases)]
#[tokio::test]
async fn password_reset_ends_logins_that_wait_for_a_second_factor(#[case] backend: Backend) {
    let t = TestApp::with(backend, Settings::with_domain().with_mail()).await;
    let [ann] = t.users(["ann"]).await;
    let app = AuthenticatorApp::add(&t, &ann).await;
    t.verify(&ann, "ann@example.com").await;
    let waiting = t.stranger().log_in("ann", PASSWORD).await.json()["challenge"].as_str().unwrap().to_owned();

    let request = json!({ "email": "ann@example.com" });
    t.stranger().post("/api/v1/auth/password-resets", &request).await.assert_status(202);
    let reset = json!({ "token": t.mail().await.token(), "new_password": NEW });
    t.stranger().post("/api/v1/auth/password-resets/complete", &reset).await.assert_status(204);
    let complete = json!({ "challenge": waiting, "method": "totp", "code": app.code(&t) });
    let late = t.stranger().post("/api/v1/auth/login/second-factor", &complete).await;
    late.assert_problem(401, "login-challenge-invalid");
    t.stranger().log_in("ann", NEW).await.assert_status(202);
}

#[apply(both_databases)]
#[tokio::test]
async fn failed_login_shows_the_form_again(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["ann", "zoe"]).await;
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'zoe'").await;
    let mut pages = Vec::new();
    for (login, password) in
        [("ann", "wrong"), ("nobody", "wrong"), ("ann@example.com", "wrong"), ("zoe", "wrong")]
    {
        let answer =
            submit(&t.stranger(), "/login?lang=en", &[("login", login), ("password", password)]).await;
        answer.assert_status(401);
        assert_is_page(&answer);
        pages.push(answer.text().replace(login, "LOGIN"));
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "{pages:#?}");
    assert!(pages[0].contains("value=\"LOGIN\"") && !pages[0].contains("wrong\""), "{}", pages[0]);
    let suspended =
        submit(&t.stranger(), "/login?lang=en", &[("login", "zoe"), ("password", PASSWORD)]).await;
    suspended.assert_status(403);
    assert!(suspended.text().contains("suspended"));
}

#[apply(both_databases)]
#[tokio::test]
async fn input_is_escaped(#[case] backend: Backend) {
    const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";
    let t = TestApp::with_mail(backend).await;
    let query: String = form_urlencoded::byte_serialize(ATTACK.as_bytes()).collect();
    let person = t.stranger();
    let answers = [
        person.get(&format!("/verify-email?token={query}&x={query}&{query}=1")).await,
        person.get(&format!("/reset-password?token={query}&lang={query}")).await,
        person.get(&format!("/login?redirect_to={query}")).await,
        person.get("/login?redirect_to=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await,
        person.get(&format!("/login/error?code={query}")).await,
        submit(&person, "/login", &[("login", ATTACK), ("password", "x")]).await,
        submit(&person, "/verify-email", &[("token", ATTACK)]).await,
        submit(&person, "/reset-password", &[("email", ATTACK)]).await,
        submit(&person, "/reset-password", &[("token", ATTACK), ("new_password", "x")]).await,
    ];
    for answer in answers {
        let html = answer.text();
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn forms_of_other_sites_are_rejected_as_a_page(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = || encode(&[("login", "ann"), ("password", PASSWORD)]);
    for headers in [
        &[FORM, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
        &[FORM, ("sec-fetch-site", "cross-site"), ("origin", "null")],
        &[FORM, ("sec-fetch-site", "same-site")],
        &[FORM, ("origin", "https://evil.example")],
    ] {
        let answer = ann.send_bare(Method::POST, "/login", headers, body()).await;
        answer.assert_status(403);
        assert_is_page(&answer);
        assert!(
            answer.text().contains("이 양식은") && answer.text().contains("This form"),
            "{}",
            answer.text()
        );
    }
    let json =
        ann.send(Method::POST, "/login", &[("content-type", "application/json")], b"{}".to_vec()).await;
    json.assert_status(415);
    assert_is_page(&json);
    let large = ann.send(Method::POST, "/login", &[FORM], vec![b'a'; 20_000]).await;
    large.assert_status(413);
    assert_is_page(&large);
    let nul = submit(&ann, "/login", &[("login", "a\0b"), ("password", "x")]).await;
    nul.assert_status(400);
    let put = ann.send(Method::PUT, "/login", &[FORM], body()).await;
    put.assert_status(405);
    assert_eq!(put.header("allow"), Some("GET, POST, HEAD, OPTIONS"));
}

#[apply(both_databases)]
#[tokio::test]
async fn forms_are_limited_like_the_api(#[case] backend: Backend) {
    let t = TestApp::with_mail(backend).await;
    let guesser = t.stranger().at("192.0.2.1");
    for n in 0..25 {
        let login = format!("ann{n}");
        submit(&guesser, "/login", &[("login", &login), ("password", "wrong")]).await.assert_status(401);
    }
    let limited = submit(&guesser, "/login", &[("login", "ann"), ("password", "wrong")]).await;
    limited.assert_status(429);
    assert_is_page(&limited);
    assert!(limited.header("retry-after").is_some());
    guesser.log_in("ann", "wrong").await.assert_problem(429, "rate-limited");
}

#[apply(both_databases)]
#[tokio::test]
async fn addresses_contain_the_path_of_the_public_url(#[case] backend: Backend) {
    let settings = Settings { public_url: "https://example.org/forum", ..Settings::default() };
    let t = TestApp::with(backend, settings).await;
    let page = t.stranger().get("/login?lang=en").await;
    assert!(page.text().contains("action=\"/forum/login?lang=en\""), "{}", page.text());
    assert!(page.text().contains("href=\"/forum/login?lang=ko\""), "{}", page.text());
    t.users(["ann"]).await;
    let fields = [("login", "ann"), ("password", PASSWORD), ("redirect_to", "/feed")];
    assert_eq!(submit(&t.stranger(), "/login", &fields).await.header("location"), Some("/forum/feed"));
}
