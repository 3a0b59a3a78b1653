//! The page that asks for a username after the first login with a provider.

use blegram_auth::{Device, Secret};
use blegram_domain::Username;
use blegram_http::{MaybeViewer, cookie};
use maud::{Markup, html};
use poem::{
    Response, handler,
    http::{HeaderValue, StatusCode, header},
};

use super::{Fields, Page, Text, Visit, message, text, text_field};
use crate::{
    problem::{Code, Problem},
    routes::{auth::device, returning},
};

const TITLE: Text = text("아이디 정하기", "Choose a username");

/// Shows the form with the suggested username.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> poem::Result<Response> {
    let token = cookie::sign_up(visit.request.headers(), &visit.app.site).unwrap_or_default();
    match visit.app.auth.pending_sign_up(token).await {
        Ok(pending) => {
            let content = form(&visit, pending.suggested_username.as_str(), None);
            Ok(Page::new(&visit, TITLE, content).into_response())
        }
        Err(error) => rejected(&visit, Problem::from(error)),
    }
}

/// Creates the account, and sends the browser on.
#[handler]
pub(super) async fn submit(visit: Visit<'_>, viewer: MaybeViewer, fields: Fields) -> poem::Result<Response> {
    let given = fields.get("username").trim();
    let again = |status: StatusCode, error: Text| {
        let content = form(&visit, given, Some(error));
        Ok(Page::result(&visit, TITLE, content).with_status(status).into_response())
    };
    let Ok(username) = Username::parse(given) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, INVALID);
    };
    let token = cookie::sign_up(visit.request.headers(), &visit.app.site).unwrap_or_default();
    let device = device(visit.app, viewer, visit.request, Device::default());
    let finished = visit.app.auth.finish_sign_up(token, username, device).await.map_err(Problem::from);
    let (logged_in, redirect_to) = match finished {
        Ok(finished) => finished,
        Err(problem) if problem.code() == Code::UsernameTaken => {
            return again(problem.code().status(), message(Code::UsernameTaken));
        }
        Err(problem) => return rejected(&visit, problem),
    };
    let site = &visit.app.site;
    let session = match &logged_in.secret {
        Secret::Browser(token) => Some(cookie::of_browser(site, &visit.app.auth, token)?),
        // Never: the page is for browsers, and apps complete their sign-ups with finishSignUp.
        Secret::Native(_) => None,
    };
    let known = logged_in.device.map(|token| cookie::of_device(site, &token)).transpose()?;
    let target = redirect_to.unwrap_or_else(|| returning::DONE.to_owned());
    let mut response =
        Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, target).finish();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in session.into_iter().chain(known).chain([cookie::remove_sign_up(site)]) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

const INVALID: Text = text(
    "아이디는 영문, 숫자, 점, 밑줄, 한글 3~30자이며 점으로 시작하거나 끝날 수 없습니다.",
    "A username has 3 to 30 letters a-z, digits, dots, underscores or Hangul syllables, and neither begins nor ends with a dot.",
);

const NO_SIGN_UP: Text = text(
    "가입 시간이 지났거나 이미 완료했습니다. 다시 로그인하세요.",
    "The sign-up took too long or is complete. Log in again.",
);

/// The page about a sign-up that cannot be completed.
fn rejected(visit: &Visit<'_>, problem: Problem) -> poem::Result<Response> {
    let text_of = match problem.code() {
        Code::InvalidGrant => NO_SIGN_UP,
        code @ (Code::RegistrationClosed | Code::IdentityInUse) => message(code),
        _ => return Err(problem.into()),
    };
    let content = html! {
        p { (text_of.of(visit.language)) }
        a.button href=(visit.address("/login")) { (text("다시 로그인하기", "Log in again").of(visit.language)) }
    };
    let page = Page::result(visit, TITLE, content).with_status(problem.code().status());
    Ok(page.into_response())
}

fn form(visit: &Visit<'_>, username: &str, error: Option<Text>) -> Markup {
    let say = |korean, english| text(korean, english).of(visit.language);
    html! {
        @if let Some(error) = error {
            p.error role="alert" { (error.of(visit.language)) }
        }
        form method="post" action=(visit.address("/signup/complete")) {
            (text_field(say("아이디", "Username"), "username", "text", "username", username))
            p.hint { (say("나중에 바꿀 수 있습니다.", "You can change it later.")) }
            button { (say("가입하기", "Create the account")) }
        }
    }
}
