use blegram_http::Viewer;
use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    routes::{AppData, Tag},
    schema::notification::{MarkNotificationsRead, NotificationPage, NotificationRead, UnreadCount},
};

pub(crate) struct NotificationsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listNotifications", Login::Required, &[]).tagged().list_with_since(),
    Operation::read("getUnreadCount", Login::Required, &[]),
    Operation::write("markNotificationsRead", Login::Required, &[]).with_body(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Notifications")]
impl NotificationsApi {
    /// List notifications
    ///
    /// Newest first, of the last 90 days. Activity that was undone or deleted, or that you can no longer see, is left
    /// out.
    /// 최신순이며 90일 동안 보관됩니다. 취소되거나 삭제된 활동과 더는 볼 수 없는 활동은 제외됩니다.
    #[oai(path = "/notifications", method = "get", operation_id = "listNotifications")]
    async fn list_notifications(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<NotificationPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.notifications(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// Get unread counts
    ///
    /// The exact numbers of unread notifications and of unread messages, the same on every device. Muted conversations
    /// do not count.
    /// 읽지 않은 알림과 메시지의 정확한 수이며 모든 기기에서 같습니다. 알림을 끈 대화는 세지 않습니다.
    #[oai(path = "/notifications/unread-count", method = "get", operation_id = "getUnreadCount")]
    async fn get_unread_count(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Answer<UnreadCount>> {
        let mark = app.social.unread_notifications(viewer.id()).await?;
        let messages = app.chat.unread_count(viewer.id()).await?;
        Ok(Answer(UnreadCount { notifications: mark.unread_count, messages }))
    }

    /// Mark notifications as read
    ///
    /// Marks all notifications up to the given one as read, on every device. The mark never moves back.
    /// 지정한 알림까지 모든 기기에서 읽음으로 표시합니다. 읽은 위치는 뒤로 돌아가지 않습니다.
    #[oai(path = "/notifications/read", method = "put", operation_id = "markNotificationsRead")]
    async fn mark_notifications_read(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<MarkNotificationsRead>,
    ) -> ApiResult<Answer<NotificationRead>> {
        let mark = app.social.mark_notifications_read(viewer.id(), body.0).await;
        Ok(Answer(mark?.into()))
    }
}
