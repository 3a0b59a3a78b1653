//! The login page.

use blegram_auth::{Device, EnteredPassword, LogIn, LoggedIn, Login, Secret};
use blegram_domain::EmailAddress;
use blegram_http::cookie;
use maud::{Markup, html};
use poem::{
    Response, handler,
    http::{HeaderValue, StatusCode, header},
};

use super::{
    Fields, Page, Text, Visit, app_link, message, second_factor, text, text_field, visit::local_path,
};
use crate::{
    problem::{Code, Problem},
    routes::{auth::device, returning::with_query},
    schema::instance::Provider,
};

const TITLE: Text = text("로그인", "Log in");

/// Shows the form.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let target = visit.query("redirect_to").and_then(local_path).unwrap_or_default();
    let content = form(&visit, target, "", None);
    Page::new(&visit, TITLE, content).into_response()
}

/// Logs in, and sends the browser on to `redirect_to`.
#[handler]
pub(super) async fn submit(
    visit: Visit<'_>,
    viewer: blegram_http::MaybeViewer,
    fields: Fields,
) -> poem::Result<Response> {
    let target = local_path(fields.get("redirect_to"));
    let device = device(visit.app, viewer, visit.request, Device::default());
    let login = match credentials(&fields, device) {
        Some(credentials) => visit.app.auth.log_in(credentials).await.map_err(Problem::from),
        None => Err(Problem::new(Code::InvalidCredentials)),
    };
    match login {
        Ok(Login::Complete(logged_in)) => finish(&visit, *logged_in, target),
        Ok(Login::Challenged(challenge)) => {
            let target = target.unwrap_or_default();
            Ok(second_factor::page(&visit, challenge.token.expose(), target, None).into_response())
        }
        Err(problem) if is_answerable(problem.code()) => {
            let status = problem.code().status();
            let error = message(problem.code());
            let content = form(&visit, target.unwrap_or_default(), fields.get("login"), Some(error));
            Ok(Page::result(&visit, TITLE, content).with_status(status).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The answer to a login: the cookies, and the way to `target`.
pub(super) fn finish(visit: &Visit<'_>, logged_in: LoggedIn, target: Option<&str>) -> poem::Result<Response> {
    let session = match &logged_in.secret {
        Secret::Browser(token) => Some(cookie::of_browser(&visit.app.site, &visit.app.auth, token)?),
        // Never: both steps demand a browser.
        Secret::Native(_) => return Err(Problem::internal("a page opened the session of an app").into()),
    };
    let known = logged_in.device.map(|token| cookie::of_device(&visit.app.site, &token)).transpose()?;
    let mut response = match target.and_then(|target| HeaderValue::from_str(target).ok()) {
        // The edge prepends the path of the public URL.
        Some(target) => {
            Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, target).finish()
        }
        None => welcome(visit, logged_in.account.user.summary.username.as_str()),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in session.into_iter().chain(known) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Whether the form shows the error, so that the user can correct the input. Other errors have a page of their own.
fn is_answerable(code: Code) -> bool {
    [Code::InvalidCredentials, Code::AccountSuspended].contains(&code)
}

/// The credentials of the form; `None` if no account can have them.
fn credentials(fields: &Fields, device: Device) -> Option<LogIn> {
    let login = fields.get("login");
    let password = EnteredPassword::parse(fields.get("password")).ok()?;
    (login.len() <= EmailAddress::MAX_BYTES).then(|| LogIn { login: login.to_owned(), password, device })
}

fn form(visit: &Visit<'_>, target: &str, login: &str, error: Option<Text>) -> Markup {
    let say = |korean, english| text(korean, english).of(visit.language);
    let providers = Provider::list(visit.app);
    let start = |provider: &Provider| match target {
        "" => provider.start_url.clone(),
        target => with_query(&provider.start_url, &[("redirect_to", target)]),
    };
    html! {
        @if let Some(error) = error {
            p.error role="alert" { (error.of(visit.language)) }
        }
        form method="post" action=(visit.address("/login")) {
            (text_field(say("아이디 또는 이메일", "Username or email"), "login", "text", "username", login))
            (text_field(say("비밀번호", "Password"), "password", "password", "current-password", ""))
            @if !target.is_empty() {
                input type="hidden" name="redirect_to" value=(target);
            }
            button { (TITLE.of(visit.language)) }
        }
        p.after {
            a href=(visit.address("/reset-password")) { (say("비밀번호를 잊으셨나요?", "Forgot your password?")) }
        }
        @for provider in &providers {
            a.button href=(start(provider)) rel="nofollow" {
                @match visit.language {
                    blegram_domain::Language::Korean => { (provider.name) "(으)로 로그인" }
                    blegram_domain::Language::English => { "Log in with " (provider.name) }
                }
            }
        }
    }
}

fn welcome(visit: &Visit<'_>, username: &str) -> Response {
    let content = html! {
        p { "@" (username) }
        p { (text("이 창을 닫아도 됩니다.", "You can close this window.").of(visit.language)) }
        (app_link(visit))
    };
    Page::result(visit, text("로그인했습니다", "You are logged in"), content).into_response()
}
