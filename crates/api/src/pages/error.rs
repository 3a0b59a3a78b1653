//! Errors on pages: the page that external logins end on when they fail, and the page of a rejected request.

use blegram_domain::Language;
use maud::{Markup, html};
use poem::{Response, handler, http::header};

use super::{Page, Text, Visit, text};
use crate::problem::{Code, Problem};

const TITLE: Text = text("문제가 발생했습니다", "Something went wrong");

/// What people can do about an error on a page. Codes that are not listed have [`UNEXPECTED`].
const MESSAGES: &[(Code, Text)] = &[
    (
        Code::InvalidCredentials,
        text(
            "로그인 정보가 맞지 않습니다. 아이디와 비밀번호를 확인하세요.",
            "The username or the password is wrong.",
        ),
    ),
    (
        Code::AccountSuspended,
        text(
            "정지된 계정입니다. 사이트 운영자에게 문의하세요.",
            "This account is suspended. Contact the operators of this site.",
        ),
    ),
    (
        Code::SecondFactorInvalid,
        text(
            "코드가 맞지 않거나 이미 사용되었습니다. 인증 앱의 새 코드를 입력하세요.",
            "The code is wrong or was used. Enter a new code of your authenticator app.",
        ),
    ),
    (
        Code::LoginChallengeInvalid,
        text(
            "로그인 시간이 지났거나 시도 횟수를 넘었습니다. 처음부터 다시 로그인하세요.",
            "The login took too long, or had too many attempts. Start it again.",
        ),
    ),
    (
        Code::EmailTokenInvalid,
        text(
            "링크가 만료되었거나 이미 사용되었습니다. 새 메일을 요청하세요.",
            "This link has expired or was used. Request a new mail.",
        ),
    ),
    (
        Code::EmailTaken,
        text(
            "다른 계정에서 이미 인증한 주소입니다. 그 계정의 주소를 먼저 바꾸거나 다른 주소를 쓰세요.",
            "Another account has verified this address. Change the address of that account first, or use another one.",
        ),
    ),
    (
        Code::UsernameTaken,
        text(
            "이미 쓰이거나 비슷한 아이디가 있습니다. 다른 아이디를 고르세요.",
            "Another account has this username or a similar one. Choose another one.",
        ),
    ),
    (
        Code::RegistrationClosed,
        text("이 사이트는 신규 가입을 받지 않습니다.", "This site does not accept new accounts."),
    ),
    (
        Code::IdentityInUse,
        text(
            "이 로그인은 이미 다른 계정에 연결되어 있습니다.",
            "This login already belongs to another account.",
        ),
    ),
    (
        Code::RateLimited,
        text(
            "시도가 너무 많습니다. 잠시 뒤에 다시 시도하세요.",
            "There were too many attempts. Wait a while, then try again.",
        ),
    ),
    (
        Code::Overloaded,
        text(
            "지금 요청이 너무 많습니다. 잠시 뒤에 다시 시도하세요.",
            "The site is busy. Try again in a moment.",
        ),
    ),
    (
        Code::Unavailable,
        text(
            "지금은 처리할 수 없습니다. 잠시 뒤에 다시 시도하세요.",
            "The site cannot do this right now. Try again in a moment.",
        ),
    ),
    (
        Code::CsrfRejected,
        text(
            "이 양식은 이 사이트의 페이지에서만 보낼 수 있습니다. 페이지를 다시 열고 시도하세요. 계속되면 브라우저를 업데이트하세요.",
            "This form can only be sent from a page of this site. Open the page again and retry. If it fails again, update your browser.",
        ),
    ),
    (
        Code::MethodNotAllowed,
        text("이 페이지는 주소로 직접 열 수 없습니다.", "This page cannot be opened in this way."),
    ),
];

const UNEXPECTED: Text = text(
    "요청을 처리하지 못했습니다. 처음부터 다시 시도하세요.",
    "The request could not be processed. Start again.",
);

/// What people can do about a problem with `code`.
pub(crate) fn message(code: Code) -> Text {
    MESSAGES.iter().find(|(known, _)| *known == code).map_or(UNEXPECTED, |(_, message)| *message)
}

/// The page of a request that was rejected before its page could answer. It is in both languages, because errors are
/// rendered without the request.
pub(crate) fn rejected(problem: Problem, base_path: &str, request_id: &str) -> Response {
    let (code, headers) = problem.into_parts(request_id);
    let message = message(code);
    let content = html! {
        p { (message.of(Language::English)) }
        p lang="ko" { (message.of(Language::Korean)) }
        p.hint { (request_id) }
    };
    let page = Page {
        status: code.status(),
        language: Language::English,
        title: TITLE,
        content,
        translation: None,
        base_path: base_path.to_owned(),
        is_reference: false,
    };
    let mut response = page.into_response();
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != header::WWW_AUTHENTICATE) {
        response.headers_mut().insert(name, value);
    }
    response.set_data(blegram_http::surface::ErrorCode(code.as_str()));
    response
}

/// Why a login with an external provider failed. The codes are those that this server puts into the address; what the
/// provider says is never shown.
const LOGIN_ERRORS: &[(&str, Text)] = &[
    ("login-cancelled", text("로그인을 취소했습니다.", "You cancelled the login.")),
    (
        "login-expired",
        text(
            "로그인 시간이 지났거나 다른 브라우저에서 시작한 로그인입니다. 다시 로그인하세요.",
            "The login took too long, or it began in another browser. Log in again.",
        ),
    ),
    (
        "login-rejected",
        text(
            "로그인 서비스가 로그인을 거부했거나 응답을 확인할 수 없습니다. 다시 로그인하세요.",
            "The login service rejected the login, or its answer could not be verified. Log in again.",
        ),
    ),
    (
        "provider-unavailable",
        text(
            "로그인 서비스가 응답하지 않습니다. 잠시 뒤에 다시 시도하세요.",
            "The login service does not respond. Try again in a moment.",
        ),
    ),
    (
        "registration-closed",
        text("이 사이트는 신규 가입을 받지 않습니다.", "This site does not accept new accounts."),
    ),
    (
        "account-suspended",
        text(
            "정지된 계정입니다. 사이트 운영자에게 문의하세요.",
            "This account is suspended. Contact the operators of this site.",
        ),
    ),
    (
        "identity-in-use",
        text(
            "이 로그인은 이미 다른 계정에 연결되어 있습니다.",
            "This login already belongs to another account.",
        ),
    ),
];

const LOGIN_FAILED: Text = text("로그인하지 못했습니다. 다시 시도하세요.", "The login failed. Try again.");

/// The page that a failed login with an external provider ends on.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let code = visit.query("code").unwrap_or_default();
    let known = LOGIN_ERRORS.iter().find(|(known, _)| *known == code);
    let message = known.map_or(LOGIN_FAILED, |(_, message)| *message);
    let again = text("다시 로그인하기", "Log in again").of(visit.language);
    // Only a name from the configuration is shown, never text from the address.
    let provider = visit.query("provider").and_then(|id| id.parse().ok());
    let provider = provider.and_then(|id| visit.app.auth.providers().find(&id));
    let content: Markup = html! {
        @if let Some(provider) = provider {
            p.hint { (provider.name()) }
        }
        p { (message.of(visit.language)) }
        a.button href=(visit.address("/login")) { (again) }
    };
    Page::new(&visit, text("로그인하지 못했습니다", "You are not logged in"), content).into_response()
}
