//! Signing up and logging in: the bodies, the result, and the CSRF token of a session.

use blegram_auth::{Device, EnteredPassword, NewPassword};
use blegram_domain::{DeviceName, DisplayName, EmailAddress, Username, Violation, session::Kind};
use blegram_media::Links;
use poem_openapi::{Enum, Object};
use serde::Serialize;

use super::{Account, Tokens};
use crate::{
    body::{Fields, Input},
    schema::Render,
};

/// The result of a login.
/// 로그인 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthResult {
    /// The logged-in account.
    /// 로그인한 계정.
    account: Account,
    /// Tokens of a native client; null for browsers, whose session is a cookie.
    /// 네이티브 클라이언트의 토큰. 쿠키로 세션을 유지하는 브라우저에서는 null입니다.
    tokens: Option<Tokens>,
}

impl AuthResult {
    pub(crate) fn new(account: blegram_domain::Account, tokens: Option<Tokens>, links: &Links) -> Self {
        Self { account: Account::render(account, links), tokens }
    }
}

/// The CSRF token of your session, for clients that send neither `Sec-Fetch-Site` nor `Origin`.
/// 세션의 CSRF 토큰. `Sec-Fetch-Site`와 `Origin`을 보내지 않는 클라이언트에 필요합니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CsrfToken {
    /// Value for the `X-CSRF-Token` header; null if you are not logged in and need no token.
    /// `X-CSRF-Token` 헤더의 값. 로그인하지 않아 필요 없으면 null입니다.
    pub(crate) csrf_token: Option<String>,
}

/// The kind of client, which decides whether the session is a cookie or tokens.
/// 클라이언트의 종류. 세션이 쿠키인지 토큰인지 결정합니다.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum ClientKind {
    /// The session is the cookie `auth-blegram`.
    Browser,
    /// The session is an access token and a refresh token, in the response. Also for apps in a web view (Capacitor,
    /// Ionic, Tauri): from there browsers never send a Lax cookie to the API.
    Native,
}

/// A new account.
/// 새 계정.
#[derive(Debug, Object)]
pub(crate) struct SignUp {
    /// Username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables, case-insensitive. Must not be
    /// confusable with a taken username.
    /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
    #[oai(validator(min_length = 3))]
    username: String,
    /// Password: 10 to 128 characters, not easy to guess.
    /// 추측하기 어려운 10~128자.
    #[oai(validator(min_length = 10))]
    password: String,
    /// Display name, 1 to 30 characters; defaults to the username.
    /// 프로필에 표시되는 이름, 1~30자. 기본값은 아이디입니다.
    display_name: Option<String>,
    /// Email address.
    /// 이메일 주소.
    email: Option<String>,
    /// `browser` for a session cookie, `native` for tokens.
    /// 세션을 쿠키로 받으려면 `browser`, 토큰으로 받으려면 `native`.
    client: ClientKind,
    /// Name of the device, 1 to 60 characters.
    /// 기기 이름, 1~60자.
    device_name: Option<String>,
}

impl Input for SignUp {
    type Parsed = blegram_auth::SignUp;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let username = fields.text("username", |raw| Username::parse(raw.trim()));
        let display_name = fields.optional_text("display_name", DisplayName::parse);
        let email = fields.optional_text("email", EmailAddress::parse);
        let known: Vec<&str> = [
            username.as_ref().map(Username::as_str),
            display_name.as_ref().map(DisplayName::as_str),
            email.as_ref().map(EmailAddress::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        let password = fields.text("password", |raw| NewPassword::parse(raw, &known));
        let device = parse_device(fields);
        Some(blegram_auth::SignUp {
            username: username?,
            password: password?,
            display_name,
            email,
            device: device?,
        })
    }
}

/// Login credentials.
/// 로그인 정보.
#[derive(Debug, Object)]
pub(crate) struct LogIn {
    /// Username, case-insensitive, with or without `@`.
    /// 아이디. 대소문자를 구분하지 않으며 앞에 `@`를 붙여도 됩니다.
    login: String,
    /// Password of the account.
    /// 계정의 비밀번호.
    password: String,
    /// `browser` for a session cookie, `native` for tokens.
    /// 세션을 쿠키로 받으려면 `browser`, 토큰으로 받으려면 `native`.
    client: ClientKind,
    /// Name of the device, 1 to 60 characters.
    /// 기기 이름, 1~60자.
    device_name: Option<String>,
}

impl Input for LogIn {
    type Parsed = blegram_auth::LogIn;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let login = fields.text("login", |raw| {
            let max = EmailAddress::MAX_BYTES;
            if raw.len() > max { Err(Violation::TooLong { max, unit: "bytes" }) } else { Ok(raw.to_owned()) }
        });
        let password = fields.text("password", EnteredPassword::parse);
        let device = parse_device(fields);
        Some(blegram_auth::LogIn { login: login?, password: password?, device: device? })
    }
}

fn parse_client(raw: &str) -> Result<Kind, Violation> {
    raw.parse().map_err(|_| Violation::OutOfRange("must be \"browser\" or \"native\""))
}

fn parse_device(fields: &mut Fields) -> Option<Device> {
    let kind = fields.text("client", parse_client);
    let name = fields.optional_text("device_name", DeviceName::parse);
    Some(Device { kind: kind?, name: name.map(String::from), ..Device::default() })
}
