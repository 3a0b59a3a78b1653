use blegram_http::{Viewer, cookie};
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{ApiResult, NoContent, SessionEnded, WithCookie},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::SessionParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        account::ChangePassword,
        session::{Session, SessionPage},
    },
};

pub(crate) struct SessionsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listSessions", Login::Required, &[]).tagged().list(),
    Operation::write("revokeSession", Login::Required, &[Code::NotFound]).ending_session(),
    Operation::write(
        "changePassword",
        Login::Required,
        &[Code::WrongPassword, Code::ReauthenticationRequired, Code::Overloaded],
    )
    .hashing_password()
    .with_body()
    .setting_cookie(),
    Operation::write("revokeOtherSessions", Login::Required, &[]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl SessionsApi {
    /// List active sessions
    ///
    /// Your logged-in browsers and devices, most recent login first. An account has at most 20 active sessions: one
    /// more login ends the oldest.
    /// 로그인되어 있는 브라우저와 기기를 최근 로그인 순으로 반환합니다. 최대 20개이며, 그 이상 로그인하면 가장 오래된
    /// 세션이 종료됩니다.
    #[oai(path = "/auth/sessions", method = "get", operation_id = "listSessions")]
    async fn list_sessions(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<SessionPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let sessions = app.auth.list_sessions(viewer.id(), &page).await?;
        Ok(Paged::new(sessions.map(|session| Session::new(session, viewer.session(), app.places.as_ref()))))
    }

    /// Revoke a session
    ///
    /// Logs out a browser or device. Its cookie or tokens stop working immediately on this server, and within a second
    /// on the others. Another user's session returns 404.
    /// 브라우저나 기기를 로그아웃합니다. 쿠키와 토큰은 이 서버에서 즉시, 다른 서버에서는 1초 안에 효력을 잃습니다. 다른
    /// 사용자의 세션은 404를 반환합니다.
    #[oai(path = "/auth/sessions/:id", method = "delete", operation_id = "revokeSession")]
    async fn revoke_session(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a session from listSessions. listSessions에서 받은 세션 ID.
        id: Path<SessionParam>,
    ) -> ApiResult<SessionEnded> {
        let id = id.id()?;
        app.auth.revoke_session(viewer.id(), id).await?;
        let is_current = viewer.cookie_session() == Some(id);
        Ok(SessionEnded { cookie: is_current.then(|| cookie::remove(&app.site)) })
    }

    /// Change your password
    ///
    /// Ends all other sessions. A browser gets a new cookie; an app keeps its tokens. `current_password` can be null
    /// only for an account without a password, within ten minutes of the login.
    /// 다른 모든 세션이 종료됩니다. 브라우저의 쿠키는 새로 발급되고 앱의 토큰은 그대로입니다. 비밀번호가 없는 계정만
    /// 로그인 후 10분 안에 `current_password`를 null로 보낼 수 있습니다.
    #[oai(path = "/me/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<ChangePassword>,
    ) -> ApiResult<WithCookie<NoContent>> {
        let changed = app.auth.change_password(viewer.id(), viewer.session(), body.0).await;
        let token = changed?;
        let cookie = token.map(|token| cookie::of_browser(&app.site, &app.auth, &token)).transpose()?;
        Ok(WithCookie { cookies: cookie.into_iter().collect(), answer: NoContent })
    }

    /// Revoke all other sessions
    ///
    /// Ends every session except the current one.
    /// 현재 세션을 제외한 모든 세션을 종료합니다.
    #[oai(path = "/auth/sessions", method = "delete", operation_id = "revokeOtherSessions")]
    async fn revoke_other_sessions(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<NoContent> {
        app.auth.revoke_other_sessions(viewer.id(), viewer.session()).await?;
        Ok(NoContent)
    }
}
