use blegram_domain::{NotificationId, Violation, notification::ReadMark};
use blegram_media::Links;
use blegram_social::NotificationView;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{parse_or, request},
    page::PageSchema,
    schema::{Render, Time, comment::Comment, post::Post, user::UserSummary},
};

/// A notification.
/// 알림.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Notification {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `follow`, `follow_request`, `follow_accepted`, `post_like`, `comment_like`, `comment`, `reply` or `mention`.
    /// More types may be added: ignore types that you do not know.
    /// 알림의 종류. 새로운 종류가 추가될 수 있으니 모르는 종류는 무시하세요.
    r#type: String,
    /// The user who caused the notification.
    /// 알림을 일으킨 사람.
    actor: Option<UserSummary>,
    /// The post concerned, if any.
    /// 관련된 게시글. 없으면 null입니다.
    post: Option<Post>,
    /// The comment concerned, if any.
    /// 관련된 댓글. 없으면 null입니다.
    comment: Option<Comment>,
    /// Id of the conversation concerned; null for all current types.
    /// 관련된 대화의 ID. 현재 알림 종류에서는 항상 null입니다.
    conversation_id: Option<Uuid>,
    /// Whether you have marked it as read, on any device.
    /// 읽음으로 표시했는지 여부. 모든 기기에서 공유됩니다.
    is_read: bool,
    /// Creation time.
    /// 생성 시각.
    created_at: Time,
}

impl Render<NotificationView> for Notification {
    fn render(view: NotificationView, links: &Links) -> Self {
        let NotificationView { notification, actor, post, comment, is_read } = view;
        Self {
            id: notification.id.as_uuid(),
            r#type: notification.notice.kind.as_str().to_owned(),
            actor: Some(UserSummary::render(actor, links)),
            post: post.map(|post| Post::render(post, links)),
            comment: comment.map(|comment| Comment::render(comment, links)),
            conversation_id: None,
            is_read,
            created_at: notification.created_at.into(),
        }
    }
}

/// A page of notifications.
/// 알림 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Notification>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for NotificationPage {
    type Item = Notification;

    fn new(items: Vec<Notification>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// Your unread counts.
/// 읽지 않은 알림과 메시지 수.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UnreadCount {
    /// Number of unread notifications.
    /// 읽지 않은 알림 수.
    pub(crate) notifications: u64,
    /// Number of unread messages in conversations that you have not muted.
    /// 알림을 끄지 않은 대화의 읽지 않은 메시지 수.
    pub(crate) messages: u64,
}

/// The read state of your notifications.
/// 알림의 읽음 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationRead {
    /// Number of unread notifications.
    /// 읽지 않은 알림 수.
    unread_count: u64,
    /// Id of the newest notification that you have read; null if you have read none.
    /// 읽은 알림 가운데 가장 최근 알림의 ID. 읽은 알림이 없으면 null입니다.
    read_up_to: Option<Uuid>,
}

impl From<ReadMark> for NotificationRead {
    fn from(ReadMark { unread_count, up_to }: ReadMark) -> Self {
        Self { unread_count, read_up_to: up_to.map(NotificationId::as_uuid) }
    }
}

request! {
    /// Marks notifications as read.
    /// 알림을 읽음으로 표시합니다.
    pub(crate) struct MarkNotificationsRead {
        /// Id of the newest notification that you have seen; it and all older ones are marked as read.
        /// 마지막으로 본 알림의 ID. 이 알림과 그 이전 알림을 모두 읽음으로 표시합니다.
        up_to: Uuid = text(parse_or(Violation::InvalidCharacters("must be the id of a notification"))),
    }

    fn parse(fields) -> Option<NotificationId> {
        up_to
    }
}
