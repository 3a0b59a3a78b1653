use blegram_domain::{NotificationId, Violation, notification::ReadMark};
use blegram_media::Links;
use blegram_social::NotificationView;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{Fields, Input},
    page::PageSchema,
    schema::{Linked, Time, comment::Comment, post::Post, user::UserSummary},
};

/// Something that you are told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Notification {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `follow`, `follow_request`, `follow_accepted`, `post_like`, `comment_like`, `comment`, `reply` or `mention`. New
    /// types may come: pass over those that you do not know.
    /// 알림의 종류. 새로운 종류가 추가될 수 있으니 모르는 것은 건너뛰세요.
    r#type: String,
    /// Who did it.
    /// 알림을 일으킨 사람.
    actor: Option<UserSummary>,
    /// The post that it is about.
    /// 관련된 게시글.
    post: Option<Post>,
    /// The comment that it is about.
    /// 관련된 댓글.
    comment: Option<Comment>,
    /// The conversation that it is about.
    /// 관련된 대화.
    conversation_id: Option<Uuid>,
    /// Whether you marked it as read, on whichever device.
    /// 어느 기기에서든 읽음으로 표시했는지 여부.
    is_read: bool,
    /// When it was created.
    /// 만들어진 시각.
    created_at: Time,
}

impl Linked<NotificationView> for Notification {
    fn linked(view: NotificationView, links: &Links) -> Self {
        let NotificationView { notification, actor, post, comment, is_read } = view;
        Self {
            id: notification.id.as_uuid(),
            r#type: notification.notice.kind.as_str().to_owned(),
            actor: Some(UserSummary::linked(actor, links)),
            post: post.map(|post| Post::linked(post, links)),
            comment: comment.map(|comment| Comment::linked(comment, links)),
            conversation_id: None,
            is_read,
            created_at: notification.created_at.into(),
        }
    }
}

/// A page of what you are told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Notification>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for NotificationPage {
    type Item = Notification;

    fn new(items: Vec<Notification>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// How much you have not read.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UnreadCount {
    /// Number of unread notifications.
    /// 읽지 않은 알림 수.
    pub(crate) notifications: u64,
    /// Messages in conversations that you have not muted.
    /// 알림을 끄지 않은 대화의 읽지 않은 메시지 수.
    pub(crate) messages: u64,
}

/// How far you have read what you are told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationRead {
    /// Number of unread notifications.
    /// 읽지 않은 알림 수.
    unread_count: u64,
    /// The newest notification that you read; null before the first.
    /// 읽은 알림 가운데 가장 최근 것. 아직 없으면 null입니다.
    read_up_to: Option<Uuid>,
}

impl From<ReadMark> for NotificationRead {
    fn from(ReadMark { unread_count, up_to }: ReadMark) -> Self {
        Self { unread_count, read_up_to: up_to.map(NotificationId::as_uuid) }
    }
}

/// What you have read.
#[derive(Debug, Object)]
pub(crate) struct MarkNotificationsRead {
    /// The newest notification that you have seen.
    /// 본 알림 가운데 가장 최근 것.
    up_to: Uuid,
}

impl Input for MarkNotificationsRead {
    type Parsed = NotificationId;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.text("up_to", |raw| {
            raw.parse().map_err(|_| Violation::InvalidCharacters("must be the id of a notification"))
        })
    }
}
