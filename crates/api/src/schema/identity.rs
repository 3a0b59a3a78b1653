//! Login providers, identities at them, and sign-ups that wait for a username.

use blegram_domain::{Username, Violation};
use poem_openapi::Object;
use serde::Serialize;

use crate::{
    body::request,
    schema::{Time, factor::LoginChallenge, instance::Provider},
};

/// The login providers of this site.
/// 이 사이트에서 쓸 수 있는 로그인 서비스.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Providers {
    /// The providers, in the order in which a login page lists them.
    /// 로그인 화면에 나열하는 순서대로의 로그인 서비스.
    pub(crate) items: Vec<Provider>,
}

/// An identity: your account at a login provider, with which you can log in here.
/// 로그인 서비스의 내 계정. 이 계정으로 로그인할 수 있습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Identity {
    /// Id of the provider.
    /// 로그인 서비스의 ID.
    provider: String,
    /// Your name at the provider when you linked it; null if the provider did not say it.
    /// 연결할 때 로그인 서비스가 알려 준 이름. 알려 주지 않았으면 null입니다.
    display_name: Option<String>,
    /// Time at which it was linked.
    /// 연결한 시각.
    linked_at: Time,
    /// Time of the last login with it; null if there was none.
    /// 마지막으로 로그인한 시각. 없으면 null입니다.
    last_login_at: Option<Time>,
}

impl From<blegram_domain::Identity> for Identity {
    fn from(identity: blegram_domain::Identity) -> Self {
        Self {
            provider: identity.key.provider.to_string(),
            display_name: identity.display_name,
            linked_at: identity.linked_at.into(),
            last_login_at: identity.last_login_at.map(Time::from),
        }
    }
}

/// Your identities at login providers, at most one for each provider.
/// 로그인 서비스에 연결된 내 계정. 서비스마다 하나까지입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Identities {
    /// The identities, by provider.
    /// 서비스 ID 순서의 목록.
    pub(crate) items: Vec<Identity>,
}

/// The start of a link.
/// 연결의 시작.
#[derive(Debug, Object, Serialize)]
pub(crate) struct StartedLink {
    /// Address at the provider that the same browser must open.
    /// 같은 브라우저로 열어야 하는 로그인 서비스의 주소.
    pub(crate) authorize_url: String,
}

/// What a login of an app still needs: a username (finishSignUp), or a second factor (completeLogin).
/// 앱 로그인에 남은 단계. 아이디를 정하거나(finishSignUp) 2단계 인증을 해야 합니다(completeLogin).
// One flat type: many generators cannot express alternatives.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NextStep {
    /// Token for finishSignUp; null if a second factor is missing. Keep it secret.
    /// finishSignUp에 쓰는 토큰. 2단계 인증이 필요하면 null입니다. 노출되지 않게 하세요.
    pending_token: Option<String>,
    /// Suggested username that was free a moment ago; null if a second factor is missing.
    /// 조금 전에 사용할 수 있었던 추천 아이디. 2단계 인증이 필요하면 null입니다.
    suggested_username: Option<String>,
    /// Id of the provider; null if a second factor is missing.
    /// 로그인 서비스의 ID. 2단계 인증이 필요하면 null입니다.
    provider: Option<String>,
    /// Challenge for completeLogin; null if a username is missing. Keep it in memory only.
    /// completeLogin에 보내는 값. 아이디를 정해야 하면 null입니다. 메모리에만 보관하세요.
    challenge: Option<String>,
    /// Methods that complete the login, as in `LoginChallenge`; empty if a username is missing.
    /// 로그인을 완료할 수 있는 방법. `LoginChallenge`와 같으며, 아이디를 정해야 하면 비어 있습니다.
    methods: Vec<String>,
    /// Expiry of the token or of the challenge.
    /// 토큰이나 challenge의 만료 시각.
    expires_at: Time,
}

impl From<blegram_auth::PendingSignUp> for NextStep {
    fn from(pending: blegram_auth::PendingSignUp) -> Self {
        let PendingSignUp { pending_token, suggested_username, provider, expires_at } = pending.into();
        Self {
            pending_token: Some(pending_token),
            suggested_username: Some(suggested_username),
            provider: Some(provider),
            challenge: None,
            methods: Vec::new(),
            expires_at,
        }
    }
}

impl From<blegram_auth::LoginChallenge> for NextStep {
    fn from(challenge: blegram_auth::LoginChallenge) -> Self {
        let LoginChallenge { challenge, methods, expires_at } = challenge.into();
        Self {
            pending_token: None,
            suggested_username: None,
            provider: None,
            challenge: Some(challenge),
            methods,
            expires_at,
        }
    }
}

/// A first login with a provider whose account still needs a username.
/// 아이디를 정해야 하는 첫 로그인.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PendingSignUp {
    /// Token for finishSignUp. Keep it secret.
    /// finishSignUp에 쓰는 토큰. 노출되지 않게 하세요.
    pending_token: String,
    /// Suggested username that was free a moment ago.
    /// 조금 전에 사용할 수 있었던 추천 아이디.
    suggested_username: String,
    /// Id of the provider.
    /// 로그인 서비스의 ID.
    provider: String,
    /// Expiry of the token.
    /// 토큰의 만료 시각.
    expires_at: Time,
}

impl From<blegram_auth::PendingSignUp> for PendingSignUp {
    fn from(pending: blegram_auth::PendingSignUp) -> Self {
        Self {
            pending_token: pending.token.expose().to_owned(),
            suggested_username: pending.suggested_username.into(),
            provider: pending.provider.to_string(),
            expires_at: pending.expires_at.into(),
        }
    }
}

/// The response to an unlink notice.
/// 연결 해제 알림에 대한 응답.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NoticeReceipt {
    /// Page about the notice, for providers that show one to the user; otherwise null.
    /// 사용자에게 안내 페이지를 보여 주는 서비스를 위한 주소. 그 밖에는 null입니다.
    pub(crate) url: Option<String>,
    /// Code of the notice; null if the provider expects none.
    /// 알림의 확인 코드. 필요하지 않은 서비스에서는 null입니다.
    pub(crate) confirmation_code: Option<String>,
}

/// Largest accepted token, in bytes; longer than every issued one.
const MAX_TOKEN_BYTES: usize = 128;

request! {
    /// The username of a new account after the first login with a provider.
    /// 로그인 서비스로 처음 로그인한 뒤 정하는 새 계정의 아이디.
    pub(crate) struct FinishSignUp {
        /// Token of the sign-up; absent or null in the browser in which the login ended, which has it as a cookie.
        /// 가입 토큰. 로그인을 마친 브라우저에는 쿠키로 있으므로 생략하거나 null로 보낼 수 있습니다.
        pending_token: Option<String> = text(parse_token),
        /// Username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables, case-insensitive. Must not be
        /// confusable with a taken username.
        /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
        #[oai(validator(min_length = 3))]
        username: String = text(|raw| Username::parse(raw.trim())),
    }

    fn parse(fields) -> Option<(Option<String>, Username)> {
        Some((pending_token, username?))
    }
}

fn parse_token(raw: &str) -> Result<String, Violation> {
    if raw.len() > MAX_TOKEN_BYTES {
        return Err(Violation::TooLong { max: MAX_TOKEN_BYTES, unit: "bytes" });
    }
    Ok(raw.to_owned())
}
