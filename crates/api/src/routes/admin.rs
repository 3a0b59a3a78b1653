use blegram_domain::user::Role;
use blegram_http::Viewer;
use poem_openapi::{OpenApi, param::Query};

use crate::{
    answer::ApiResult,
    list::List,
    operation::Operation,
    page::Paged,
    param::{AuditKindParam, AuditUserParam},
    problem::Code,
    routes::{AppData, Tag},
    schema::audit::AuditEventPage,
};

pub(crate) struct AdminApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] =
    &[Operation::read_as("listAuditEvents", Role::Admin, &[Code::NotFound]).tagged().list()];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Admin")]
impl AdminApi {
    /// List the audit log
    ///
    /// Logins, password changes, ended sessions, role changes and suspensions, newest first; deleted after 180 days.
    /// A username that no account has is 404. Requires the role `admin`.
    /// 로그인, 비밀번호 변경, 세션 종료, 역할 변경, 정지 등의 기록을 최신순으로 반환합니다. 180일이 지나면 삭제됩니다.
    /// 없는 아이디는 404입니다. `admin` 역할이 필요합니다.
    #[oai(path = "/admin/audit", method = "get", operation_id = "listAuditEvents")]
    async fn list_audit_events(
        &self,
        app: AppData<'_>,
        _viewer: Viewer,
        /// Only entries of this kind. 이 종류의 항목만.
        kind: Query<Option<AuditKindParam>>,
        /// Only entries with this account as actor or target: an ID or `@username`. 이 계정이 행위자나 대상인 항목만.
        user: Query<Option<AuditUserParam>>,
        list: List,
    ) -> ApiResult<Paged<AuditEventPage>> {
        let kind = kind.0.as_ref().map(AuditKindParam::kind).transpose()?;
        let user = user.0.as_ref().map(AuditUserParam::user).transpose()?;
        let filter = app.auth.audit_filter(kind, user.as_ref()).await?;
        let page = list.page(&[&format!("{filter:?}")])?;
        let events = app.auth.list_audit_events(&filter, &page).await?;
        Ok(Paged::render_with(events, &app.media.links()))
    }
}
