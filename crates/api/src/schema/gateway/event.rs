use blegram_domain::{Timestamp, UserId};
use blegram_gateway::Config;
use blegram_media::Links;
use blegram_social::{CommentView, PostView};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::{GatewayLimits, millis};
use crate::schema::{
    Linked, Time, comment::Comment, conversation::Conversation, notification::Notification, post::Post,
};

/// The first frame.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ReadyEvent")]
pub(crate) struct Ready {
    /// The version of the protocol.
    proto: u32,
    /// Names the connection in the server's log.
    connection_id: Uuid,
    user_id: Uuid,
    /// The server's time.
    now: Time,
    /// About how long there is between two pings. None for half as long again and ten seconds: reconnect.
    heartbeat_ms: u64,
    /// When the credential ends, and with it the connection, unless it is renewed by `auth`.
    auth_expires_in_ms: u64,
    /// Whether events of other nodes come late.
    degraded: bool,
    limits: GatewayLimits,
}

impl Ready {
    pub(crate) fn new(
        connection: Uuid,
        user: UserId,
        now: Timestamp,
        expires_at: Timestamp,
        config: &Config,
    ) -> Self {
        Self {
            proto: 1,
            connection_id: connection,
            user_id: user.as_uuid(),
            now: now.into(),
            heartbeat_ms: millis(config.timing.heartbeat),
            auth_expires_in_ms: millis(expires_at.since(now)),
            degraded: false,
            limits: GatewayLimits::new(config),
        }
    }
}

/// The credential ends soon.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthExpiringEvent {
    expires_in_ms: u64,
}

/// This node stops: the connection is closed after this long, and a new one should be opened then.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReconnectEvent {
    after_ms: u64,
}

/// How far a conversation is: not all of what happened was told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHeadEvent {
    conversation_id: Uuid,
    last_seq: u64,
    last_message_no: u64,
}

/// Somebody read messages, on one of their devices.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationReadEvent {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) read_no: u64,
}

/// A device of somebody has got what happened.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationDeliveredEvent {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) delivered_seq: u64,
}

/// You are in a conversation.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationAddedEvent {
    pub(crate) conversation: Conversation,
}

/// You are in a conversation no more, or hid it on another device.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationRemovedEvent {
    pub(crate) conversation_id: Uuid,
    /// `left` or `removed`. New reasons may come.
    pub(crate) reason: String,
}

/// Somebody writes something. Shown for six seconds.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TypingEvent {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
}

/// Somebody came or went.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PresenceEvent {
    pub(crate) user_id: Uuid,
    pub(crate) online: bool,
    /// When they were last seen; null while they are there, and when it is not for you to know.
    pub(crate) last_seen_at: Option<Time>,
}

/// You are told of something.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationCreatedEvent {
    pub(crate) notification: Notification,
}

/// A notification was taken back: what it told of was undone or deleted.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationDeletedEvent {
    pub(crate) id: Uuid,
    /// How many notifications are unread now.
    pub(crate) unread_count: u64,
}

/// You may not see a topic any more; you are unsubscribed.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TopicRevokedEvent {
    topic: String,
}

/// More posts came than are told: how many, and the newest.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TimelineHeadEvent {
    topic: String,
    newest_id: Uuid,
    count: u64,
}

/// How many like a post, and how many comments it has. At most once a second.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostCountsEvent {
    pub(crate) post_id: Uuid,
    pub(crate) like_count: u64,
    pub(crate) comment_count: u64,
}

/// A post of a topic, as somebody sees it who is not logged in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostEvent {
    topic: String,
    post: Post,
}

impl PostEvent {
    pub(crate) fn new(topic: String, view: PostView, links: &Links) -> Self {
        Self { topic, post: Post::linked(view, links) }
    }
}

/// A comment on the post of a topic, as somebody sees it who is not logged in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentEvent {
    topic: String,
    comment: Comment,
}

impl CommentEvent {
    pub(crate) fn new(topic: String, view: CommentView, links: &Links) -> Self {
        Self { topic, comment: Comment::linked(view, links) }
    }
}

/// Something is gone, or not for you any more.
#[derive(Debug, Object, Serialize)]
pub(crate) struct DeletedEvent {
    pub(crate) topic: String,
    pub(crate) post_id: Uuid,
    /// Null when it is the post.
    pub(crate) comment_id: Option<Uuid>,
}
