//! The second step of a login, for accounts with an authenticator app or recovery codes. A passkey needs a script, which
//! these pages do not have.

use blegram_auth::{CompleteLogin, Device, EnteredCode};
use blegram_domain::session::Kind;
use blegram_http::MaybeViewer;
use maud::{Markup, html};
use poem::{Response, handler};

use super::{Fields, Page, Text, Visit, login::finish, message, text, text_field, visit::local_path};
use crate::{
    problem::{Code, Problem},
    routes::auth::device,
};

const TITLE: Text = text("2단계 인증", "Second factor");

/// Shows the form for the login that `challenge` names, to which the callback of a login provider sends the browser.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let target = visit.query("redirect_to").and_then(local_path).unwrap_or_default();
    page(&visit, visit.query("challenge").unwrap_or_default(), target, None).into_response()
}

/// Completes the login, and sends the browser on to `redirect_to`.
#[handler]
pub(super) async fn submit(visit: Visit<'_>, viewer: MaybeViewer, fields: Fields) -> poem::Result<Response> {
    let (challenge, target) = (fields.get("challenge"), local_path(fields.get("redirect_to")));
    let completed = match EnteredCode::parse(fields.get("code")) {
        Ok(code) => {
            let device = device(visit.app, viewer, visit.request, Device::default());
            let client = Some(Kind::Browser);
            let complete =
                CompleteLogin { challenge: challenge.to_owned(), proof: code.into(), client, device };
            visit.app.auth.complete_login(complete).await.map_err(Problem::from)
        }
        Err(_) => Err(Problem::new(Code::SecondFactorInvalid)),
    };
    match completed {
        Ok(logged_in) => finish(&visit, logged_in, target),
        Err(problem) if problem.code() == Code::SecondFactorInvalid => {
            let error = message(problem.code());
            let page = page(&visit, challenge, target.unwrap_or_default(), Some(error));
            Ok(page.with_status(problem.code().status()).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The page with the form.
pub(super) fn page(visit: &Visit<'_>, challenge: &str, target: &str, error: Option<Text>) -> Page {
    Page::result(visit, TITLE, form(visit, challenge, target, error))
}

fn form(visit: &Visit<'_>, challenge: &str, target: &str, error: Option<Text>) -> Markup {
    let say = |korean, english| text(korean, english).of(visit.language);
    html! {
        @if let Some(error) = error {
            p.error role="alert" { (error.of(visit.language)) }
        }
        p {
            (say(
                "인증 앱에 표시된 6자리 코드를 입력하세요. 앱을 쓸 수 없으면 복구 코드를 입력하세요.",
                "Enter the six digits that your authenticator app shows. If you cannot use the app, enter a recovery code.",
            ))
        }
        form method="post" action=(visit.address("/login/second-factor")) {
            (text_field(say("코드", "Code"), "code", "text", "one-time-code", ""))
            input type="hidden" name="challenge" value=(challenge);
            @if !target.is_empty() {
                input type="hidden" name="redirect_to" value=(target);
            }
            button { (say("확인", "Confirm")) }
        }
        p.after {
            a href=(visit.address("/login")) { (say("처음부터 다시 로그인", "Start the login again")) }
        }
    }
}
