use poem_openapi::{OpenApi, param::Query};

use crate::{
    answer::{Answer, ApiResult},
    body::Body,
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, SinceParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::notification::{MarkNotificationsRead, NotificationPage, NotificationRead, UnreadCount},
    viewer::Viewer,
};

pub(crate) struct NotificationsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Notifications")]
impl NotificationsApi {
    /// List what you are told
    ///
    /// The newest first. What was undone or deleted meanwhile, and what you may not see any more, is left out; kept for 90 days.
    /// 최신순입니다. 취소되거나 삭제된 일, 더는 볼 수 없는 일은 빠지며 90일 동안 보관됩니다.
    #[oai(path = "/notifications", method = "get", operation_id = "listNotifications")]
    async fn list_notifications(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<NotificationPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("listNotifications", &[&viewer.id().to_string()])?;
        let items = app.social.notifications(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// Get how much you have not read
    ///
    /// Exact, and the same on every device. 정확한 값이며 모든 기기에서 같습니다.
    #[oai(path = "/notifications/unread-count", method = "get", operation_id = "getUnreadCount")]
    async fn get_unread_count(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Answer<UnreadCount>> {
        let mark = app.social.unread_notifications(viewer.id()).await.map_err(Problem::from)?;
        let messages = app.chat.unread_count(viewer.id()).await.map_err(Problem::from)?;
        Ok(Answer(UnreadCount { notifications: mark.unread_count, messages }))
    }

    /// Mark notifications as read
    ///
    /// All up to this one, on every device. The mark never goes back.
    /// 지정한 알림까지 모든 기기에서 읽음으로 표시합니다. 표시는 뒤로 돌아가지 않습니다.
    #[oai(path = "/notifications/read", method = "put", operation_id = "markNotificationsRead")]
    async fn mark_notifications_read(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<MarkNotificationsRead>,
    ) -> ApiResult<Answer<NotificationRead>> {
        let mark = app.social.mark_notifications_read(viewer.id(), body.0).await;
        Ok(Answer(mark.map_err(Problem::from)?.into()))
    }
}
