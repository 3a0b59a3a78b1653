//! The page that the link of a verification mail opens.

use maud::html;
use poem::{Response, handler};

use super::{Fields, Page, Text, Visit, app_link, message, text};
use crate::problem::{Code, Problem};

const TITLE: Text = text("이메일 주소 확인", "Confirm your email address");

/// Shows the button. The token is not checked here: whether it is valid concerns only those who press the button.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let say = |korean, english| text(korean, english).of(visit.language);
    let content = match visit.query("token") {
        Some(token) => html! {
            p { (say("이 주소가 본인의 것이면 버튼을 누르세요.", "If this address is yours, press the button.")) }
            form method="post" action=(visit.address("/verify-email")) {
                input type="hidden" name="token" value=(token);
                button { (say("주소 확인하기", "Confirm the address")) }
            }
        },
        None => html! {
            p { (say("메일에 있는 링크를 여세요.", "Open the link in the mail.")) }
        },
    };
    Page::new(&visit, TITLE, content).into_response()
}

/// Verifies the address.
#[handler]
pub(super) async fn submit(visit: Visit<'_>, fields: Fields) -> poem::Result<Response> {
    let verified = visit.app.auth.verify_email(fields.get("token")).await.map_err(Problem::from);
    match verified {
        Ok(()) => {
            let done = text(
                "이제 이 주소로 로그인하고 비밀번호를 재설정할 수 있습니다. 이 창을 닫아도 됩니다.",
                "You can now log in and reset your password with this address. You can close this window.",
            );
            let content = html! { p { (done.of(visit.language)) } (app_link(&visit)) };
            Ok(Page::result(&visit, text("주소를 확인했습니다", "Your address is confirmed"), content)
                .into_response())
        }
        Err(problem) if is_answerable(problem.code()) => {
            let content = html! { p.error role="alert" { (message(problem.code()).of(visit.language)) } };
            Ok(Page::result(&visit, TITLE, content).with_status(problem.code().status()).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

fn is_answerable(code: Code) -> bool {
    [Code::EmailTokenInvalid, Code::EmailTaken].contains(&code)
}
