use blegram_http::Viewer;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent},
    body::Body,
    operation::{Login, Operation},
    param::FactorParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        factor::{ConfirmTotp, Factor, FactorList, RecoveryCodes, StartFactor, TotpSetup},
        passkey::{FinishPasskey, PasskeySetup},
    },
};

pub(crate) struct FactorsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listFactors", Login::Required, &[]),
    Operation::write("startTotp", Login::Required, &[Code::ReauthenticationRequired]).with_body(),
    Operation::write("confirmTotp", Login::Required, &[Code::NotFound, Code::WrongCode]).with_body(),
    Operation::write(
        "startPasskey",
        Login::Required,
        &[Code::NotFound, Code::ReauthenticationRequired, Code::TooManyPasskeys],
    )
    .with_body(),
    Operation::write(
        "finishPasskey",
        Login::Required,
        &[Code::NotFound, Code::PasskeyRejected, Code::PasskeyInUse, Code::TooManyPasskeys],
    )
    .with_body(),
    Operation::write("deleteFactor", Login::Required, &[Code::NotFound, Code::ReauthenticationRequired]),
    Operation::write("createRecoveryCodes", Login::Required, &[Code::ReauthenticationRequired]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::SecondFactor")]
impl FactorsApi {
    /// List second factors
    ///
    /// Your confirmed authenticator app and passkeys, and the number of unused recovery codes.
    /// 등록을 마친 인증 앱과 패스키, 그리고 남은 복구 코드 수를 반환합니다.
    #[oai(path = "/me/factors", method = "get", operation_id = "listFactors")]
    async fn list_factors(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Answer<FactorList>> {
        Ok(Answer(app.auth.list_factors(viewer.id()).await?.into()))
    }

    /// Set up an authenticator app
    ///
    /// Returns the secret for an authenticator app. Show `otpauth_url` as a QR code, then confirm the app with
    /// confirmTotp within ten minutes; until then nothing changes. Requires a login or reauthenticate within the last ten
    /// minutes.
    /// 인증 앱에 등록할 비밀 키를 반환합니다. `otpauth_url`을 QR 코드로 보여 주고, 10분 안에 confirmTotp로 확인하세요. 확인하기
    /// 전에는 아무것도 바뀌지 않습니다. 최근 10분 이내의 로그인이나 reauthenticate가 필요합니다.
    #[oai(path = "/me/factors/totp", method = "post", operation_id = "startTotp")]
    async fn start_totp(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<StartFactor>,
    ) -> ApiResult<Created<TotpSetup>> {
        let setup = app.auth.start_totp(viewer.id(), viewer.session(), body.0).await?;
        Ok(Created { location: None, version: None, body: setup.into() })
    }

    /// Confirm an authenticator app
    ///
    /// From now on, logins need a code of the app; it replaces a previous app. Create recovery codes next, and offer to end
    /// other sessions with revokeOtherSessions: they stay logged in.
    /// 이제부터 로그인할 때 앱의 코드가 필요하며, 이전에 등록한 앱은 대체됩니다. 이어서 복구 코드를 만들고,
    /// revokeOtherSessions로 다른 세션을 종료할지 물어보세요. 다른 세션은 로그인된 채로 남습니다.
    #[oai(path = "/me/factors/totp/:factor", method = "put", operation_id = "confirmTotp")]
    async fn confirm_totp(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a factor. 인증 수단의 ID.
        factor: Path<FactorParam>,
        body: Body<ConfirmTotp>,
    ) -> ApiResult<Answer<Factor>> {
        let factor = app.auth.confirm_totp(viewer.id(), factor.id()?, &body.0).await?;
        Ok(Answer(factor.into()))
    }

    /// Register a passkey
    ///
    /// Returns options for `navigator.credentials.create()`. Finish with finishPasskey within five minutes; until then
    /// nothing changes. Requires a login or reauthenticate within the last ten minutes. 404 if the address of the site has
    /// no domain name: see `features.passkeys` of getInstance.
    /// `navigator.credentials.create()`에 전달할 옵션을 반환합니다. 5분 안에 finishPasskey로 마치세요. 그 전에는 아무것도 바뀌지
    /// 않습니다. 최근 10분 이내의 로그인이나 reauthenticate가 필요합니다. 사이트 주소에 도메인 이름이 없으면 404를 반환합니다.
    /// getInstance의 `features.passkeys`를 참고하세요.
    #[oai(path = "/me/factors/passkeys", method = "post", operation_id = "startPasskey")]
    async fn start_passkey(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<StartFactor>,
    ) -> ApiResult<Created<PasskeySetup>> {
        let setup = app.auth.start_passkey(viewer.id(), viewer.session(), body.0).await?;
        Ok(Created { location: None, version: None, body: setup.into() })
    }

    /// Finish the registration of a passkey
    ///
    /// From now on, the passkey logs in without a username, and logins with a password need a second step. Create recovery
    /// codes next, and offer to end other sessions with revokeOtherSessions: they stay logged in.
    /// 이제부터 아이디 없이 패스키로 로그인할 수 있고, 비밀번호로 로그인할 때는 두 번째 단계가 필요합니다. 이어서 복구 코드를
    /// 만들고, revokeOtherSessions로 다른 세션을 종료할지 물어보세요. 다른 세션은 로그인된 채로 남습니다.
    #[oai(path = "/me/factors/passkeys/:factor", method = "put", operation_id = "finishPasskey")]
    async fn finish_passkey(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a factor. 인증 수단의 ID.
        factor: Path<FactorParam>,
        body: Body<FinishPasskey>,
    ) -> ApiResult<Answer<Factor>> {
        let factor = app.auth.finish_passkey(viewer.id(), factor.id()?, &body.0).await?;
        Ok(Answer(factor.into()))
    }

    /// Remove a second factor
    ///
    /// Removing the last factor also deletes the recovery codes: logins then need no second step. Requires a login or
    /// reauthenticate within the last ten minutes.
    /// 마지막 인증 수단을 제거하면 복구 코드도 삭제되고, 로그인에 두 번째 단계가 없어집니다. 최근 10분 이내의 로그인이나
    /// reauthenticate가 필요합니다.
    #[oai(path = "/me/factors/:factor", method = "delete", operation_id = "deleteFactor")]
    async fn delete_factor(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a factor. 인증 수단의 ID.
        factor: Path<FactorParam>,
    ) -> ApiResult<NoContent> {
        app.auth.delete_factor(viewer.id(), viewer.session(), factor.id()?).await?;
        Ok(NoContent)
    }

    /// Create recovery codes
    ///
    /// Returns ten new codes, which are shown only once, and invalidates the previous ones. Each completes one login if
    /// your other factors are lost. Requires a login or reauthenticate within the last ten minutes.
    /// 새 코드 10개를 한 번만 보여 주고 이전 코드를 무효로 합니다. 다른 인증 수단을 잃어버렸을 때 코드 하나로 한 번 로그인할 수
    /// 있습니다. 최근 10분 이내의 로그인이나 reauthenticate가 필요합니다.
    #[oai(path = "/me/factors/recovery-codes", method = "post", operation_id = "createRecoveryCodes")]
    async fn create_recovery_codes(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
    ) -> ApiResult<Created<RecoveryCodes>> {
        let codes = app.auth.create_recovery_codes(viewer.id(), viewer.session()).await?;
        Ok(Created { location: None, version: None, body: RecoveryCodes::new(&codes) })
    }
}
