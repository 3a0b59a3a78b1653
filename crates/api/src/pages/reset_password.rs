//! The page to request a mail for a new password, and the page that its link opens.

use blegram_auth::NewPassword;
use blegram_domain::EmailAddress;
use maud::{Markup, html};
use poem::{Response, handler, http::StatusCode};

use super::{Fields, Page, Text, Visit, message, text, text_field};
use crate::problem::{Code, Problem};

const TITLE: Text = text("비밀번호 재설정", "Reset your password");

/// Shows the form for a new password if the link has a token, otherwise the form that requests the mail.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let content = match visit.query("token") {
        Some(token) => password_form(&visit, token, None),
        None => request_form(&visit, "", None),
    };
    Page::new(&visit, TITLE, content).into_response()
}

/// Sets the new password if the form has a token, otherwise requests the mail.
#[handler]
pub(super) async fn submit(visit: Visit<'_>, fields: Fields) -> poem::Result<Response> {
    match fields.get("token") {
        "" => request(&visit, fields.get("email")).await,
        token => complete(&visit, token, fields.get("new_password")).await,
    }
}

async fn request(visit: &Visit<'_>, email: &str) -> poem::Result<Response> {
    if !visit.app.auth.sends_mail() {
        return Ok(Page::result(visit, TITLE, request_form(visit, "", None)).into_response());
    }
    let Ok(address) = EmailAddress::parse(email) else {
        let content = request_form(visit, email, Some(NOT_AN_ADDRESS));
        let page = Page::result(visit, TITLE, content);
        return Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    };
    visit.app.auth.request_password_reset(address, Some(visit.language)).await.map_err(Problem::from)?;
    let sent = text(
        "이 주소를 인증한 계정이 있으면 메일을 보냈습니다. 메일에 있는 링크는 30분 동안 쓸 수 있습니다. 메일이 오지 않으면 스팸함을 확인하세요.",
        "If an account has verified this address, a mail is on its way. The link in it is valid for 30 minutes. If no mail arrives, look into the spam folder.",
    );
    let content = html! { p { (sent.of(visit.language)) } };
    Ok(Page::result(visit, text("메일을 확인하세요", "Check your mail"), content).into_response())
}

async fn complete(visit: &Visit<'_>, token: &str, password: &str) -> poem::Result<Response> {
    let changed = match NewPassword::parse(password, &[]) {
        Ok(password) => visit.app.auth.complete_password_reset(token, password).await.map_err(Problem::from),
        Err(_) => Err(Problem::new(Code::Invalid)),
    };
    match changed {
        Ok(()) => {
            let done = text(
                "모든 기기에서 로그아웃되었습니다. 새 비밀번호로 로그인하세요.",
                "All devices were logged out. Log in with the new password.",
            );
            let content = html! {
                p { (done.of(visit.language)) }
                a.button href=(visit.address("/login")) { (text("로그인", "Log in").of(visit.language)) }
            };
            let title = text("비밀번호를 바꿨습니다", "Your password is changed");
            Ok(Page::result(visit, title, content).into_response())
        }
        Err(problem) if problem.code() == Code::Invalid => {
            let content = password_form(visit, token, Some(WEAK));
            Ok(Page::result(visit, TITLE, content).with_status(problem.code().status()).into_response())
        }
        Err(problem) if problem.code() == Code::EmailTokenInvalid => {
            let content = html! {
                p.error role="alert" { (message(problem.code()).of(visit.language)) }
                (request_form(visit, "", None))
            };
            Ok(Page::result(visit, TITLE, content).with_status(problem.code().status()).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

const NOT_AN_ADDRESS: Text =
    text("ann@example.com 같은 이메일 주소를 입력하세요.", "Enter an email address such as ann@example.com.");

const WEAK: Text = text(
    "이 비밀번호는 너무 짧거나 길거나, 추측하기 쉽습니다. 서로 관계없는 단어를 여러 개 쓰고, 이름이나 흔한 비밀번호는 피하세요.",
    "This password is too short, too long or too easy to guess. Use a few unrelated words, without your name or common passwords.",
);

const NO_MAIL: Text = text(
    "이 사이트는 메일을 보내지 않습니다. 비밀번호를 잊었다면 사이트 운영자에게 문의하세요.",
    "This site sends no mail. If you forgot your password, contact its operators.",
);

fn request_form(visit: &Visit<'_>, email: &str, error: Option<Text>) -> Markup {
    let say = |korean, english| text(korean, english).of(visit.language);
    if !visit.app.auth.sends_mail() {
        return html! { p { (NO_MAIL.of(visit.language)) } };
    }
    html! {
        (alert(visit, error))
        p { (say("계정의 인증된 이메일 주소를 입력하세요. 새 비밀번호를 정할 수 있는 링크를 보내 드립니다.", "Enter the verified email address of your account. You will get a link to choose a new password.")) }
        form method="post" action=(visit.address("/reset-password")) {
            (text_field(say("이메일 주소", "Email address"), "email", "email", "email", email))
            button { (say("메일 받기", "Send the mail")) }
        }
    }
}

fn password_form(visit: &Visit<'_>, token: &str, error: Option<Text>) -> Markup {
    let say = |korean, english| text(korean, english).of(visit.language);
    html! {
        (alert(visit, error))
        form method="post" action=(visit.address("/reset-password")) {
            input type="hidden" name="token" value=(token);
            (text_field(say("새 비밀번호", "New password"), "new_password", "password", "new-password", ""))
            p.hint { (say("10자 이상, 추측하기 어려운 비밀번호. 모든 기기에서 로그아웃됩니다.", "At least 10 characters, not easy to guess. All devices will be logged out.")) }
            button { (say("비밀번호 바꾸기", "Change the password")) }
        }
    }
}

fn alert(visit: &Visit<'_>, error: Option<Text>) -> Markup {
    html! {
        @if let Some(error) = error {
            p.error role="alert" { (error.of(visit.language)) }
        }
    }
}
