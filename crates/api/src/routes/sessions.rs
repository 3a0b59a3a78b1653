use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{ApiResult, NoContent, WithCookie},
    body::Body,
    cookie,
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, SessionParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        account::ChangePassword,
        session::{Session, SessionPage},
    },
    viewer::Viewer,
};

pub(crate) struct SessionsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl SessionsApi {
    /// List where you are logged in
    ///
    /// Browsers and devices, the latest login first; those that have ended are left out. At most 20: a login beyond
    /// that ends the oldest.
    /// 로그인되어 있는 브라우저와 기기를 최근 로그인 순으로 보여 줍니다. 최대 20개이며, 넘으면 가장 오래된 세션이 끝납니다.
    #[oai(path = "/auth/sessions", method = "get", operation_id = "listSessions")]
    async fn list_sessions(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<SessionPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listSessions", &[&viewer.id().to_string()])?;
        let sessions = app.auth.list_sessions(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::new(sessions.map(|session| Session::new(session, viewer.session()))))
    }

    /// Log out a browser or device
    ///
    /// Its secrets are worth nothing at once on this server, and within a second on the others. Somebody else's session
    /// is not found.
    /// 해당 세션은 즉시(다른 서버에서는 1초 안에) 끝납니다. 다른 사람의 세션은 없는 것으로 답합니다.
    #[oai(path = "/auth/sessions/:id", method = "delete", operation_id = "revokeSession")]
    async fn revoke_session(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a session, from the list.
        id: Path<SessionParam>,
    ) -> ApiResult<WithCookie<NoContent>> {
        let id = id.id()?;
        app.auth.revoke_session(viewer.id(), id).await.map_err(Problem::from)?;
        let is_current = viewer.cookie_session() == Some(id);
        Ok(WithCookie { cookie: is_current.then(|| cookie::remove(&app.site)), answer: NoContent })
    }

    /// Change your password
    ///
    /// Every other session ends. A browser's cookie is renewed; an app keeps its tokens. `current_password` is null
    /// only for an account without a password, within ten minutes of the login.
    /// 다른 모든 세션이 끝납니다. 브라우저의 쿠키는 새로 발급되고 앱의 토큰은 그대로입니다. 비밀번호가 없는 계정만 로그인 후 10분 안에
    /// `current_password`를 null로 보낼 수 있습니다.
    #[oai(path = "/me/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<ChangePassword>,
    ) -> ApiResult<WithCookie<NoContent>> {
        let changed = app.auth.change_password(viewer.id(), viewer.session(), body.0).await;
        let token = changed.map_err(Problem::from)?;
        let cookie = token.map(|token| cookie::of_browser(&app, &token)).transpose()?;
        Ok(WithCookie { cookie, answer: NoContent })
    }

    /// Log out everywhere else
    ///
    /// Every session but this one ends. 이 세션을 뺀 모든 세션이 끝납니다.
    #[oai(path = "/auth/sessions", method = "delete", operation_id = "revokeOtherSessions")]
    async fn revoke_other_sessions(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<NoContent> {
        app.auth.revoke_other_sessions(viewer.id(), viewer.session()).await.map_err(Problem::from)?;
        Ok(NoContent)
    }
}
