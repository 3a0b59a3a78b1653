//! Signing up and logging in: the bodies, the result, and the CSRF token of a session.

use blegram_auth::{Device, EnteredPassword, NewPassword};
use blegram_domain::{DeviceName, DisplayName, EmailAddress, Username, Violation};
use blegram_media::Links;
use poem_openapi::{Enum, Object};
use serde::Serialize;

use super::{Account, Tokens};
use crate::{
    body::{parse_or, request},
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

request! {
    /// A new account.
    /// 새 계정.
    pub(crate) struct SignUp {
        /// Username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables, case-insensitive. Must not be
        /// confusable with a taken username.
        /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
        #[oai(validator(min_length = 3))]
        username: String = text(|raw| Username::parse(raw.trim())),
        /// Password: 10 to 128 characters, not easy to guess.
        /// 추측하기 어려운 10~128자.
        #[oai(validator(min_length = 10))]
        password: String,
        /// Display name, 1 to 30 characters; defaults to the username.
        /// 프로필에 표시되는 이름, 1~30자. 기본값은 아이디입니다.
        display_name: Option<String> = text(DisplayName::parse),
        /// Email address. If the site sends mail, it gets a link to verify it.
        /// 이메일 주소. 메일을 보내는 사이트라면 인증 링크를 보냅니다.
        email: Option<String> = text(EmailAddress::parse),
        #[oai(flatten)]
        device: ClientDevice,
    }

    fn parse(fields) -> Option<blegram_auth::SignUp> {
        let known = [
            username.as_ref().map(Username::as_str),
            display_name.as_ref().map(DisplayName::as_str),
            email.as_ref().map(EmailAddress::as_str),
        ];
        let known: Vec<&str> = known.into_iter().flatten().collect();
        let password = fields.text(password, |raw| NewPassword::parse(raw, &known));
        let device = fields.flatten(device);
        Some(blegram_auth::SignUp {
            username: username?,
            password: password?,
            display_name,
            email,
            device: device?,
        })
    }
}

request! {
    /// Login credentials.
    /// 로그인 정보.
    pub(crate) struct LogIn {
        /// Username, case-insensitive, with or without `@`, or verified email address.
        /// 아이디 또는 인증된 이메일 주소. 아이디는 대소문자를 구분하지 않으며 앞에 `@`를 붙여도 됩니다.
        login: String = text(parse_login),
        /// Password of the account.
        /// 계정의 비밀번호.
        password: String = text(EnteredPassword::parse),
        #[oai(flatten)]
        device: ClientDevice = flatten(),
    }

    fn parse(fields) -> Option<blegram_auth::LogIn> {
        Some(blegram_auth::LogIn { login: login?, password: password?, device: device? })
    }
}

request! {
    /// The client that logs in.
    /// 로그인하는 클라이언트.
    pub(crate) struct ClientDevice {
        /// `browser` for a session cookie, `native` for tokens.
        /// 세션을 쿠키로 받으려면 `browser`, 토큰으로 받으려면 `native`.
        client: ClientKind = text(parse_or(Violation::OutOfRange("must be \"browser\" or \"native\""))),
        /// Name of the device, 1 to 60 characters.
        /// 기기 이름, 1~60자.
        device_name: Option<String> = text(DeviceName::parse),
    }

    fn parse(fields) -> Option<Device> {
        Some(Device { kind: client?, name: device_name.map(String::from), ..Device::default() })
    }
}

fn parse_login(raw: &str) -> Result<String, Violation> {
    let max = EmailAddress::MAX_BYTES;
    if raw.len() > max { Err(Violation::TooLong { max, unit: "bytes" }) } else { Ok(raw.to_owned()) }
}
