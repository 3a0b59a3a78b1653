use blegram_http::Viewer;
use blegram_limits::Policy;
use poem::Request;
use poem_openapi::OpenApi;

use crate::{
    answer::{Accepted, ApiResult, NoContent},
    body::Body,
    operation::{Login, Operation},
    pages::preferred_language,
    problem::Code,
    routes::{AppData, Tag},
    schema::account::{ChangeEmail, CompletePasswordReset, RequestPasswordReset, VerifyEmail},
};

pub(crate) struct EmailsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write(
        "changeEmail",
        Login::Required,
        &[Code::MailDisabled, Code::WrongPassword, Code::ReauthenticationRequired, Code::Overloaded],
    )
    .hashing_password()
    .with_body()
    .limited(Policy::EmailChange),
    Operation::write("verifyEmail", Login::None, &[Code::EmailTokenInvalid, Code::EmailTaken])
        .with_body()
        .limited(Policy::EmailToken),
    Operation::write("requestPasswordReset", Login::None, &[]).with_body().limited(Policy::EmailToken),
    Operation::write("completePasswordReset", Login::None, &[Code::EmailTokenInvalid, Code::Overloaded])
        .hashing_password()
        .with_body()
        .limited(Policy::EmailToken),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl EmailsApi {
    /// Change your email address
    ///
    /// Sends a verification mail to the new address. If your current address is verified, it stays until the new one is
    /// verified, and then gets a notice. The response does not tell whether another account has the address. Sending the
    /// address that you have verified cancels a pending change. `password` can be null only for an account without a
    /// password, within ten minutes of the login.
    /// 새 주소로 인증 메일을 보냅니다. 지금 주소가 인증되어 있으면 새 주소가 인증될 때까지 그대로 쓰고, 바뀔 때 그
    /// 주소로도 알립니다. 다른 계정이 쓰는 주소인지는 알려 주지 않습니다. 이미 인증한 주소를 보내면 진행 중인 변경이
    /// 취소됩니다. 비밀번호가 없는 계정만 로그인 후 10분 안에 `password`를 null로 보낼 수 있습니다.
    #[oai(path = "/me/email", method = "put", operation_id = "changeEmail")]
    async fn change_email(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        request: &Request,
        body: Body<ChangeEmail>,
    ) -> ApiResult<Accepted> {
        let change = blegram_auth::ChangeEmail { language: preferred_language(request), ..body.0 };
        app.auth.change_email(viewer.id(), viewer.session(), change).await?;
        Ok(Accepted)
    }

    /// Verify an email address
    ///
    /// Confirms an address with the token from the mail, which is valid once, for 24 hours. Requires no login: the link
    /// may be opened on another device.
    /// 메일에 있는 토큰으로 주소를 인증합니다. 토큰은 24시간 동안 한 번만 쓸 수 있습니다. 다른 기기에서 링크를 열 수
    /// 있으므로 로그인하지 않아도 됩니다.
    #[oai(path = "/auth/email-verifications/complete", method = "post", operation_id = "verifyEmail")]
    async fn verify_email(&self, app: AppData<'_>, body: Body<VerifyEmail>) -> ApiResult<NoContent> {
        app.auth.verify_email(&body.0).await?;
        Ok(NoContent)
    }

    /// Request a password reset
    ///
    /// Sends a mail with a link to choose a new password, if an account has verified the address. The response is always
    /// the same.
    /// 인증된 주소인 계정이 있으면 새 비밀번호를 정할 수 있는 링크를 메일로 보냅니다. 응답은 항상 같습니다.
    #[oai(path = "/auth/password-resets", method = "post", operation_id = "requestPasswordReset")]
    async fn request_password_reset(
        &self,
        app: AppData<'_>,
        request: &Request,
        body: Body<RequestPasswordReset>,
    ) -> ApiResult<Accepted> {
        app.auth.request_password_reset(body.0, preferred_language(request)).await?;
        Ok(Accepted)
    }

    /// Complete a password reset
    ///
    /// Sets a new password with the token from the mail, which is valid once, for 30 minutes. Ends all sessions of the
    /// account, and does not log in.
    /// 메일에 있는 토큰으로 새 비밀번호를 정합니다. 토큰은 30분 동안 한 번만 쓸 수 있습니다. 계정의 모든 세션이
    /// 종료되며, 로그인은 따로 해야 합니다.
    #[oai(path = "/auth/password-resets/complete", method = "post", operation_id = "completePasswordReset")]
    async fn complete_password_reset(
        &self,
        app: AppData<'_>,
        body: Body<CompletePasswordReset>,
    ) -> ApiResult<NoContent> {
        let (token, password) = body.0;
        app.auth.complete_password_reset(&token, password).await?;
        Ok(NoContent)
    }
}
