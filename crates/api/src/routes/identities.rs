use blegram_auth::LocalPath;
use blegram_http::{Viewer, cookie};
use blegram_limits::Policy;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, NoContent, WithCookie},
    operation::{Login, Operation},
    param::ProviderParam,
    problem::{Code, Failure, Problem},
    routes::{AppData, Tag},
    schema::identity::{Identities, StartedLink},
};

pub(crate) struct IdentitiesApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listIdentities", Login::Required, &[]),
    Operation::write(
        "linkIdentity",
        Login::Required,
        &[
            Code::NotFound,
            Code::Invalid,
            Code::BrowserRequired,
            Code::ReauthenticationRequired,
            Code::IdentityInUse,
            Code::ProviderUnavailable,
            Code::LoginRejected,
        ],
    )
    .limited(Policy::ExternalLogin)
    .setting_cookie(),
    Operation::write(
        "unlinkIdentity",
        Login::Required,
        &[Code::NotFound, Code::LastLoginMethod, Code::ReauthenticationRequired],
    ),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl IdentitiesApi {
    /// List your identities
    ///
    /// The login providers that are linked to your account.
    /// 내 계정에 연결된 로그인 서비스의 목록을 반환합니다.
    #[oai(path = "/me/identities", method = "get", operation_id = "listIdentities")]
    async fn list_identities(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Answer<Identities>> {
        let identities = app.auth.list_identities(viewer.id()).await?;
        Ok(Answer(Identities { items: identities.into_iter().map(Into::into).collect() }))
    }

    /// Link a login provider
    ///
    /// Returns the address at the provider that the same browser must open within ten minutes. It comes back to
    /// `redirect_to`, with the parameter `login_error` if linking failed. Requires a login within the last ten minutes, in a
    /// browser.
    /// 같은 브라우저로 10분 안에 열어야 하는 로그인 서비스의 주소를 반환합니다. 끝나면 `redirect_to`로 돌아오며, 실패하면
    /// `login_error` 매개변수가 붙습니다. 최근 10분 안에 로그인한 브라우저에서만 할 수 있습니다.
    #[oai(path = "/me/identities/:provider", method = "post", operation_id = "linkIdentity")]
    async fn link_identity(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a provider from listLoginProviders. listLoginProviders에서 받은 서비스 ID.
        provider: Path<ProviderParam>,
        /// The path on this site where the browser goes afterwards. 연결한 뒤 이동할 이 사이트의 경로.
        redirect_to: Query<Option<String>>,
    ) -> ApiResult<WithCookie<Answer<StartedLink>>> {
        let redirect_to = redirect_to.0.as_deref().map(LocalPath::parse).transpose();
        let redirect_to =
            redirect_to.map_err(|rule| Problem::invalid(vec![Failure::of("/redirect_to", rule)]))?;
        let started = app.auth.link_identity(&viewer.authenticated(), &provider.id()?, redirect_to).await?;
        let cookie = cookie::of_login(&app.site, &started)?;
        Ok(WithCookie { cookies: vec![cookie], answer: Answer(StartedLink { authorize_url: started.url }) })
    }

    /// Unlink a login provider
    ///
    /// You can no longer log in with it. The last way to log in cannot be removed: set a password or link another provider
    /// first. Nothing changes at the provider. Requires a login or reauthenticate within the last ten minutes.
    /// 더는 이 서비스로 로그인할 수 없습니다. 마지막 로그인 수단은 해제할 수 없으니 먼저 비밀번호를 설정하거나 다른
    /// 서비스를 연결하세요. 로그인 서비스 쪽에서는 아무것도 바뀌지 않습니다. 최근 10분 안의 로그인이나
    /// reauthenticate가 필요합니다.
    #[oai(path = "/me/identities/:provider", method = "delete", operation_id = "unlinkIdentity")]
    async fn unlink_identity(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the provider. 서비스 ID.
        provider: Path<ProviderParam>,
    ) -> ApiResult<NoContent> {
        app.auth.unlink_identity(&viewer.authenticated(), &provider.id()?).await?;
        Ok(NoContent)
    }
}
