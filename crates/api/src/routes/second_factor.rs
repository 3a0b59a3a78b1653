use blegram_auth::Device;
use blegram_http::{MaybeViewer, Viewer, cookie};
use blegram_limits::Policy;
use poem::Request;
use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult, NoContent, WithCookie},
    body::Body,
    operation::{Login, Operation},
    problem::Code,
    routes::{
        AppData, Tag,
        auth::{device, with_session},
    },
    schema::{
        account::AuthResult,
        factor::{CompleteLogin, Reauthenticate},
        passkey::{FinishPasskeyLogin, PasskeyRequest, StartPasskeyLogin},
    },
};

pub(crate) struct SecondFactorApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write(
        "completeLogin",
        Login::None,
        &[Code::LoginChallengeInvalid, Code::SecondFactorInvalid, Code::AccountSuspended],
    )
    .with_body()
    .limited(Policy::Login)
    .setting_cookie(),
    Operation::write("startPasskeyLogin", Login::None, &[Code::NotFound, Code::LoginChallengeInvalid])
        .with_body()
        .limited(Policy::PasskeyStart),
    Operation::write("finishPasskeyLogin", Login::None, &[Code::SecondFactorInvalid, Code::AccountSuspended])
        .with_body()
        .limited(Policy::Login)
        .setting_cookie(),
    Operation::write(
        "reauthenticate",
        Login::Required,
        &[
            Code::WrongPassword,
            Code::WrongCode,
            Code::SecondFactorRequired,
            Code::ReauthenticationRequired,
            Code::Overloaded,
        ],
    )
    .with_body()
    .hashing_password()
    .setting_cookie(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::SecondFactor")]
impl SecondFactorApi {
    /// Complete a login
    ///
    /// The second step of a login for which logIn returned 202. The `client` of logIn decides whether the response sets a
    /// cookie or returns tokens. Each code is valid once. After five attempts, log in again.
    /// logIn이 202를 반환한 로그인의 두 번째 단계입니다. 응답이 쿠키를 설정할지 토큰을 반환할지는 logIn의 `client`에 따라
    /// 정해집니다. 코드는 한 번만 쓸 수 있고, 다섯 번 시도한 뒤에는 다시 로그인해야 합니다.
    #[oai(path = "/auth/login/second-factor", method = "post", operation_id = "completeLogin")]
    async fn complete_login(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<CompleteLogin>,
    ) -> ApiResult<WithCookie<Answer<AuthResult>>> {
        let (challenge, proof) = body.0;
        let device = device(&app, viewer, request, Device::default());
        let complete = blegram_auth::CompleteLogin { challenge, proof, client: None, device };
        let logged_in = app.auth.complete_login(complete).await?;
        with_session(&app, logged_in, Answer)
    }

    /// Start a login with a passkey
    ///
    /// Returns options for `navigator.credentials.get()`, valid for five minutes and one use: for finishPasskeyLogin and
    /// reauthenticate or, with the `challenge` of logIn, for completeLogin. 404 if the address of the site has no domain
    /// name.
    /// `navigator.credentials.get()`에 전달할 옵션을 반환합니다. 5분 동안 한 번만 쓸 수 있습니다. finishPasskeyLogin과
    /// reauthenticate에 쓰고, logIn의 `challenge`를 보내면 completeLogin에 씁니다. 사이트 주소에 도메인 이름이 없으면 404를
    /// 반환합니다.
    #[oai(path = "/auth/passkeys/login/start", method = "post", operation_id = "startPasskeyLogin")]
    async fn start_passkey_login(
        &self,
        app: AppData<'_>,
        body: Body<StartPasskeyLogin>,
    ) -> ApiResult<Answer<PasskeyRequest>> {
        let options = app.auth.start_passkey_login(body.0.as_deref()).await?;
        Ok(Answer(PasskeyRequest::new(options)))
    }

    /// Log in with a passkey
    ///
    /// Logs in without a username and a password, and without a second step.
    /// 아이디와 비밀번호, 두 번째 단계 없이 로그인합니다.
    #[oai(path = "/auth/passkeys/login/finish", method = "post", operation_id = "finishPasskeyLogin")]
    async fn finish_passkey_login(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<FinishPasskeyLogin>,
    ) -> ApiResult<WithCookie<Answer<AuthResult>>> {
        let (response, client) = body.0;
        let device = device(&app, viewer, request, client);
        let logged_in = app.auth.finish_passkey_login(&response, device).await?;
        with_session(&app, logged_in, Answer)
    }

    /// Confirm your identity
    ///
    /// For ten minutes, this session may change second factors, as after a login. Needs what a login needs: the password
    /// if the account has one, and a code if it has a second factor; or a passkey alone. A browser gets a new cookie; an app keeps its tokens.
    /// 이 세션이 로그인 직후처럼 10분 동안 2단계 인증 수단을 바꿀 수 있게 합니다. 로그인할 때와 같이 비밀번호가 있으면 비밀번호가,
    /// 2단계 인증을 쓰면 코드가 필요하고, 패스키는 그것만으로 충분합니다. 브라우저의 쿠키는 새로 발급되고 앱의 토큰은 그대로입니다.
    #[oai(path = "/auth/reauthentication", method = "post", operation_id = "reauthenticate")]
    async fn reauthenticate(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<Reauthenticate>,
    ) -> ApiResult<WithCookie<NoContent>> {
        let token = app.auth.reauthenticate(viewer.id(), viewer.session(), body.0).await?;
        let cookie = token.map(|token| cookie::of_browser(&app.site, &app.auth, &token)).transpose()?;
        Ok(WithCookie { cookies: cookie.into_iter().collect(), answer: NoContent })
    }
}
