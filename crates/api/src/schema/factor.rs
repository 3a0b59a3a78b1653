//! Second factors: their setup, the second step of a login, and reauthentication.

use blegram_auth::{EnteredCode, EnteredPassword, Proof};
use blegram_domain::{DeviceName, Violation, factor};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{parse_or, request},
    schema::{
        Time,
        passkey::{AuthenticationResponse, passkey_proof},
    },
};

/// A second factor of your account.
/// 내 계정의 2단계 인증 수단.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Factor {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `totp` (an authenticator app) or `passkey`. More kinds may be added.
    /// `totp`(인증 앱) 또는 `passkey`(패스키). 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Your name for it.
    /// 내가 정한 이름.
    name: Option<String>,
    /// Time when its setup started.
    /// 등록을 시작한 시각.
    created_at: Time,
    /// Time of the last login or confirmation with it.
    /// 로그인이나 확인에 마지막으로 사용한 시각.
    last_used_at: Option<Time>,
}

impl From<blegram_domain::Factor> for Factor {
    fn from(factor: blegram_domain::Factor) -> Self {
        Self {
            id: factor.id.as_uuid(),
            kind: factor.kind.as_str().to_owned(),
            name: factor.name,
            created_at: factor.created_at.into(),
            last_used_at: factor.last_used_at.map(Time::from),
        }
    }
}

/// The second factors of your account.
/// 내 계정의 2단계 인증 수단 목록.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FactorList {
    /// All factors, the newest first; at most one authenticator app and ten passkeys.
    /// 모든 인증 수단. 최근에 등록한 순서이며, 인증 앱은 하나, 패스키는 열 개까지입니다.
    items: Vec<Factor>,
    /// Number of unused recovery codes. Offer to create new ones when only a few are left.
    /// 남은 복구 코드 수. 얼마 남지 않았으면 새로 만들도록 안내하세요.
    recovery_codes_remaining: u64,
}

impl From<blegram_auth::Factors> for FactorList {
    fn from(factors: blegram_auth::Factors) -> Self {
        Self {
            items: factors.factors.into_iter().map(Factor::from).collect(),
            recovery_codes_remaining: factors.recovery_codes,
        }
    }
}

/// What an authenticator app needs. Shown only once.
/// 인증 앱 등록에 필요한 정보. 한 번만 표시됩니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TotpSetup {
    /// Id of the factor, for confirmTotp.
    /// confirmTotp에 쓰는 인증 수단의 ID.
    id: Uuid,
    /// Secret in Base32, for typing into an app without a camera.
    /// 카메라 없이 앱에 직접 입력하는 Base32 비밀 키.
    secret: String,
    /// The same as an `otpauth` URL: show it as a QR code.
    /// 같은 내용의 `otpauth` 주소. QR 코드로 보여 주세요.
    otpauth_url: String,
    /// Time until which the setup must be confirmed.
    /// 이 시각까지 등록을 확인해야 합니다.
    expires_at: Time,
}

impl From<blegram_auth::TotpSetup> for TotpSetup {
    fn from(setup: blegram_auth::TotpSetup) -> Self {
        Self {
            id: setup.id.as_uuid(),
            secret: setup.secret().to_owned(),
            otpauth_url: setup.url().to_owned(),
            expires_at: setup.expires_at.into(),
        }
    }
}

/// Your new recovery codes. Shown only once.
/// 새 복구 코드. 한 번만 표시됩니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecoveryCodes {
    /// Ten codes; each is valid for one login.
    /// 코드 10개. 각 코드는 로그인에 한 번만 쓸 수 있습니다.
    codes: Vec<String>,
}

impl RecoveryCodes {
    pub(crate) fn new(codes: &[blegram_auth::RecoveryCode]) -> Self {
        Self { codes: codes.iter().map(blegram_auth::RecoveryCode::expose).collect() }
    }
}

/// A login whose second step is missing: complete it with completeLogin.
/// 2단계 인증이 남은 로그인. completeLogin으로 완료하세요.
#[derive(Debug, Object, Serialize)]
pub(crate) struct LoginChallenge {
    /// Proof of the first step, for completeLogin. Keep it in memory only.
    /// 1단계를 마쳤다는 증명. completeLogin에 보내며 메모리에만 보관하세요.
    pub(crate) challenge: String,
    /// Methods that complete the login: `passkey`, `totp`, `recovery_code`. More may be added.
    /// 로그인을 완료할 수 있는 방법: `passkey`, `totp`, `recovery_code`. 새로운 방법이 추가될 수 있습니다.
    pub(crate) methods: Vec<String>,
    /// Time until which the login can be completed.
    /// 이 시각까지 로그인을 완료해야 합니다.
    pub(crate) expires_at: Time,
}

impl From<blegram_auth::LoginChallenge> for LoginChallenge {
    fn from(challenge: blegram_auth::LoginChallenge) -> Self {
        Self {
            challenge: challenge.token.expose().to_owned(),
            methods: challenge.methods.iter().map(|method| method.as_str().to_owned()).collect(),
            expires_at: challenge.expires_at.into(),
        }
    }
}

request! {
    /// The start of the setup of a second factor.
    /// 2단계 인증 수단 등록 시작.
    pub(crate) struct StartFactor {
        /// Your name for it, 1 to 60 characters.
        /// 이름, 1~60자.
        name: Option<String> = text(DeviceName::parse),
    }

    fn parse(fields) -> Option<Option<DeviceName>> {
        Some(name)
    }
}

request! {
    /// Confirmation of an authenticator app.
    /// 인증 앱 등록 확인.
    pub(crate) struct ConfirmTotp {
        /// Code that the app shows now: six digits.
        /// 앱에 지금 표시된 여섯 자리 코드.
        code: String = text(EnteredCode::parse),
    }

    fn parse(fields) -> Option<EnteredCode> {
        code
    }
}

/// A way to complete a login.
/// 로그인을 완료하는 방법.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum LoginMethod {
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
    /// A passkey, with the options of startPasskeyLogin.
    Passkey,
}

request! {
    /// The second step of a login.
    /// 로그인의 두 번째 단계.
    pub(crate) struct CompleteLogin {
        /// `challenge` of the response of logIn.
        /// logIn 응답의 `challenge`.
        challenge: String = text(parse_challenge),
        /// Method to use; one of `methods` in the response of logIn.
        /// 사용할 방법. logIn 응답의 `methods` 가운데 하나입니다.
        method: LoginMethod = text(parse_or(METHOD)),
        /// Code of the app, or recovery code. Required for `totp` and `recovery_code`.
        /// 앱에 표시된 코드나 복구 코드. `totp`와 `recovery_code`에 필요합니다.
        code: Option<String> = text_if(
            matches!(method, Some(factor::LoginMethod::Totp | factor::LoginMethod::RecoveryCode)),
            EnteredCode::parse,
        ),
        /// Proof of the passkey. Required for `passkey`.
        /// 패스키의 증명. `passkey`에 필요합니다.
        credential: Option<AuthenticationResponse> = object_if(method == Some(factor::LoginMethod::Passkey)),
    }

    fn parse(fields) -> Option<(String, Proof)> {
        let proof = match method? {
            factor::LoginMethod::Totp => Proof::Totp(code?),
            factor::LoginMethod::RecoveryCode => Proof::RecoveryCode(code?),
            factor::LoginMethod::Passkey => passkey_proof(&credential?),
        };
        Some((challenge?, proof))
    }
}

request! {
    /// Proof of your identity within a session.
    /// 세션 안에서의 본인 확인.
    pub(crate) struct Reauthenticate {
        /// Password. Required if the account has one.
        /// 비밀번호. 비밀번호가 있는 계정에 필요합니다.
        password: Option<String> = text(EnteredPassword::parse),
        /// Code of the authenticator app, or recovery code. Required if the account has a second factor.
        /// 인증 앱의 코드나 복구 코드. 2단계 인증을 쓰는 계정에 필요합니다.
        code: Option<String> = text(EnteredCode::parse),
        /// Proof of a passkey, with the options of startPasskeyLogin without `challenge`. Replaces password and code.
        /// 패스키의 증명. `challenge` 없이 호출한 startPasskeyLogin의 옵션을 쓰며, 비밀번호와 코드를 대신합니다.
        credential: Option<AuthenticationResponse> = object(),
    }

    fn parse(fields) -> Option<blegram_auth::Reauthenticate> {
        let proof = credential.as_ref().map(passkey_proof).or(code.map(Proof::from));
        Some(blegram_auth::Reauthenticate { password, proof })
    }
}

const METHOD: Violation = Violation::OutOfRange("must be \"totp\", \"recovery_code\" or \"passkey\"");

pub(crate) fn parse_challenge(raw: &str) -> Result<String, Violation> {
    const MAX: usize = 1024;
    if raw.len() > MAX { Err(Violation::TooLong { max: MAX, unit: "bytes" }) } else { Ok(raw.to_owned()) }
}
