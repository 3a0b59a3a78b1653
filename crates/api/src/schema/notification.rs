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
    id: Uuid,
    /// `follow`, `follow_request`, `follow_accepted`, `post_like`, `comment_like`, `comment`, `reply` or `mention`. New
    /// types may come: pass over those that you do not know.
    r#type: String,
    /// Who did it.
    actor: Option<UserSummary>,
    /// The post that it is about.
    post: Option<Post>,
    /// The comment that it is about.
    comment: Option<Comment>,
    /// The conversation that it is about.
    conversation_id: Option<Uuid>,
    /// Whether you marked it as read, on whichever device.
    is_read: bool,
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
    items: Vec<Notification>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
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
    pub(crate) notifications: u64,
    /// Messages in conversations that you have not muted.
    pub(crate) messages: u64,
}

/// How far you have read what you are told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationRead {
    unread_count: u64,
    /// The newest notification that you read; null before the first.
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
