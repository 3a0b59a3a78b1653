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
    /// 프로토콜 버전.
    proto: u32,
    /// Names the connection in the server's log.
    /// 서버 로그에서 이 연결을 찾는 ID.
    connection_id: Uuid,
    /// The id of the user who is connected.
    /// 연결한 사용자의 ID.
    user_id: Uuid,
    /// The server's time.
    /// 서버 시각.
    now: Time,
    /// About how long there is between two pings. None for half as long again and ten seconds: reconnect.
    /// ping 간격(밀리초). 간격의 1.5배에 10초를 더한 시간 동안 ping이 없으면 다시 연결하세요.
    heartbeat_ms: u64,
    /// When the credential ends, and with it the connection, unless it is renewed by `auth`.
    /// 자격 증명이 만료되어 연결이 끝날 때까지의 밀리초. `auth`로 갱신할 수 있습니다.
    auth_expires_in_ms: u64,
    /// Whether events of other nodes come late.
    /// 다른 노드의 이벤트가 늦게 오는 상태인지 여부.
    degraded: bool,
    /// Limits of one connection.
    /// 연결 하나의 제한.
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
    /// Milliseconds until the credential expires.
    /// 자격 증명이 만료될 때까지의 밀리초.
    expires_in_ms: u64,
}

/// This node stops: the connection is closed after this long, and a new one should be opened then.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReconnectEvent {
    /// Milliseconds to wait before reconnecting.
    /// 다시 연결하기 전에 기다릴 밀리초.
    after_ms: u64,
}

/// How far a conversation is: not all of what happened was told.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHeadEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Number of the last event.
    /// 마지막 이벤트의 번호.
    last_seq: u64,
    /// Number of the last message.
    /// 마지막 메시지의 번호.
    last_message_no: u64,
}

/// Somebody read messages, on one of their devices.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationReadEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Number of the last message that was read.
    /// 읽은 마지막 메시지의 번호.
    pub(crate) read_no: u64,
}

/// A device of somebody has got what happened.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationDeliveredEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Number of the last event that a device of the user received.
    /// 사용자의 기기가 받은 마지막 이벤트의 번호.
    pub(crate) delivered_seq: u64,
}

/// You are in a conversation.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationAddedEvent {
    /// The conversation.
    /// 대화.
    pub(crate) conversation: Conversation,
}

/// You are in a conversation no more, or hid it on another device.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationRemovedEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// `left` or `removed`. New reasons may come.
    /// 빠진 이유. 새로운 이유가 추가될 수 있습니다.
    pub(crate) reason: String,
}

/// Somebody writes something. Shown for six seconds.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TypingEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
}

/// Somebody came or went.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PresenceEvent {
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Whether the user is online.
    /// 접속 중인지 여부.
    pub(crate) online: bool,
    /// When they were last seen; null while they are there, and when it is not for you to know.
    /// 마지막 접속 시각. 접속 중이거나 공개되지 않으면 null입니다.
    pub(crate) last_seen_at: Option<Time>,
}

/// You are told of something.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationCreatedEvent {
    /// The notification.
    /// 알림.
    pub(crate) notification: Notification,
}

/// A notification was taken back: what it told of was undone or deleted.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationDeletedEvent {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// How many notifications are unread now.
    /// 현재 읽지 않은 알림 수.
    pub(crate) unread_count: u64,
}

/// You may not see a topic any more; you are unsubscribed.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TopicRevokedEvent {
    /// The topic.
    /// 주제.
    topic: String,
}

/// More posts came than are told: how many, and the newest.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TimelineHeadEvent {
    /// The topic.
    /// 주제.
    topic: String,
    /// The id of the newest post.
    /// 가장 최근 게시글의 ID.
    newest_id: Uuid,
    /// Number of new posts.
    /// 새 게시글 수.
    count: u64,
}

/// How many like a post, and how many comments it has. At most once a second.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostCountsEvent {
    /// The id of the post.
    /// 게시글의 ID.
    pub(crate) post_id: Uuid,
    /// Number of likes.
    /// 좋아요 수.
    pub(crate) like_count: u64,
    /// Number of comments and replies that are not deleted.
    /// 삭제되지 않은 댓글과 답글 수.
    pub(crate) comment_count: u64,
}

/// A post of a topic, as somebody sees it who is not logged in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostEvent {
    /// The topic.
    /// 주제.
    topic: String,
    /// The post, as an anonymous viewer sees it.
    /// 로그인하지 않은 사람에게 보이는 게시글.
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
    /// The topic.
    /// 주제.
    topic: String,
    /// The comment, as an anonymous viewer sees it.
    /// 로그인하지 않은 사람에게 보이는 댓글.
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
    /// The topic.
    /// 주제.
    pub(crate) topic: String,
    /// The id of the post.
    /// 게시글의 ID.
    pub(crate) post_id: Uuid,
    /// Null when it is the post.
    /// 댓글의 ID. 게시글이 삭제된 것이면 null입니다.
    pub(crate) comment_id: Option<Uuid>,
}
