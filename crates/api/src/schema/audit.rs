use blegram_auth::AuditEventView;
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    page::PageSchema,
    schema::{Render, Time, user::UserSummary},
};

/// An entry of the audit log.
/// 감사 로그의 항목.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuditEvent {
    /// Unique id; sorts by time.
    /// 고유 ID. 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Time of the event.
    /// 일어난 시각.
    at: Time,
    /// What happened, such as `authn_login_success`, `authn_password_change` or `authz_change`. More kinds may be added.
    /// 일어난 일. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Who did it; null for an operator at the command line, for a client without login, and for a deleted account.
    /// 행위자. 명령줄의 운영자, 로그인하지 않은 클라이언트, 삭제된 계정이면 null입니다.
    actor: Option<UserSummary>,
    /// The account that it happened to; null if it was deleted.
    /// 대상 계정. 삭제된 계정이면 null입니다.
    target: Option<UserSummary>,
    /// The IP address of the client; null if there is none, and after the actor deleted their account.
    /// 클라이언트의 IP 주소. 없거나 행위자가 계정을 삭제했다면 null입니다.
    address: Option<String>,
}

impl Render<AuditEventView> for AuditEvent {
    fn render(view: AuditEventView, links: &Links) -> Self {
        let AuditEventView { event, actor, target } = view;
        Self {
            id: event.id.as_uuid(),
            at: event.at.into(),
            kind: event.kind.as_str().to_owned(),
            actor: actor.map(|user| UserSummary::render(user, links)),
            target: target.map(|user| UserSummary::render(user, links)),
            address: event.address.map(|address| address.to_string()),
        }
    }
}

/// A page of the audit log.
/// 감사 로그의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuditEventPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<AuditEvent>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for AuditEventPage {
    type Item = AuditEvent;

    fn new(items: Vec<AuditEvent>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}
