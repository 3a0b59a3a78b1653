use blegram_auth::Authenticated;
use blegram_domain::Timestamp;
use blegram_gateway::Config;
use blegram_media::Links;
use blegram_social::{CommentView, PostView};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::{GatewayLimits, millis};
use crate::schema::{
    Render, Time, comment::Comment, conversation::Conversation, notification::Notification, post::Post,
};

/// The first frame of a connection.
/// 연결의 첫 프레임.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ReadyEvent")]
pub(crate) struct Ready {
    /// Version of the protocol.
    /// 프로토콜 버전.
    proto: u32,
    /// Id of the connection, as in the server's log.
    /// 서버 로그에서 이 연결을 찾는 ID.
    connection_id: Uuid,
    /// The id of the user who is connected.
    /// 연결한 사용자의 ID.
    user_id: Uuid,
    /// Current time of the server.
    /// 서버 시각.
    now: Time,
    /// Approximate interval between two pings, in milliseconds. Reconnect if no ping arrives for 1.5 times the interval
    /// plus 10 seconds.
    /// ping의 대략적인 간격(밀리초). 간격의 1.5배에 10초를 더한 시간 동안 ping이 오지 않으면 다시 연결하세요.
    heartbeat_ms: u64,
    /// Milliseconds until the credential expires and the server closes the connection, unless you renew it with `auth`.
    /// 자격 증명이 만료되어 연결이 닫힐 때까지의 밀리초. `auth`로 갱신할 수 있습니다.
    auth_expires_in_ms: u64,
    /// Whether events from other nodes are currently delayed, by up to two seconds; posts, comments, typing and presence
    /// may be missing.
    /// 현재 다른 노드의 이벤트가 최대 2초까지 지연되는지 여부. 게시물, 댓글, 입력 중 표시, 접속 상태는 빠질 수 있습니다.
    degraded: bool,
    /// Limits of one connection.
    /// 연결 하나의 제한.
    limits: GatewayLimits,
}

impl Ready {
    pub(crate) fn new(
        connection: Uuid,
        credential: &Authenticated,
        now: Timestamp,
        is_degraded: bool,
        config: &Config,
    ) -> Self {
        Self {
            proto: 1,
            connection_id: connection,
            user_id: credential.user.as_uuid(),
            now: now.into(),
            heartbeat_ms: millis(config.timing.heartbeat),
            auth_expires_in_ms: millis(credential.expires_at.since(now)),
            degraded: is_degraded,
            limits: GatewayLimits::new(config),
        }
    }
}

/// The credential expires soon.
/// 자격 증명이 곧 만료됩니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthExpiringEvent {
    /// Milliseconds until the credential expires.
    /// 자격 증명이 만료될 때까지의 밀리초.
    expires_in_ms: u64,
}

/// Nodes cannot reach each other, or can again.
/// 노드끼리 연결되지 않거나 다시 연결되었습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct DegradedEvent {
    /// Whether events from other nodes are delayed from now on, as in `ready`.
    /// 지금부터 다른 노드의 이벤트가 지연되는지 여부. `ready`의 `degraded`와 같습니다.
    pub(crate) degraded: bool,
}

/// This node is shutting down: it closes the connection after the delay, and the client should then reconnect.
/// 노드가 종료됩니다. 알려 준 시간이 지나면 연결이 닫히니 그때 다시 연결하세요.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReconnectEvent {
    /// Milliseconds until the server closes the connection and the client should reconnect.
    /// 연결이 닫혀 다시 연결할 때까지의 밀리초.
    after_ms: u64,
}

/// The current position of a conversation, sent instead of some of its events.
/// 대화의 현재 위치. 일부 이벤트 대신 보냅니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHeadEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Sequence number of the last event.
    /// 마지막 이벤트의 번호.
    last_seq: u64,
    /// Number of the last message.
    /// 마지막 메시지의 번호.
    last_message_no: u64,
}

/// A member read messages.
/// 참여자가 메시지를 읽었습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationReadEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Number of the last message that the user has read.
    /// 사용자가 읽은 마지막 메시지의 번호.
    pub(crate) read_no: u64,
}

/// A device of a member received events.
/// 참여자의 기기가 이벤트를 받았습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationDeliveredEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Sequence number of the last event that a device of the user received.
    /// 사용자의 기기가 받은 마지막 이벤트의 번호.
    pub(crate) delivered_seq: u64,
}

/// A conversation was added to your list.
/// 대화가 목록에 추가되었습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationAddedEvent {
    /// The conversation.
    /// 대화.
    pub(crate) conversation: Conversation,
}

/// A conversation was removed from your list: you left it, were removed, or hid it on another device.
/// 대화가 목록에서 빠졌습니다. 나갔거나, 내보내졌거나, 다른 기기에서 숨긴 경우입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationRemovedEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// `left` (you left or hid it) or `removed` (the owner removed you). More reasons may be added.
    /// 빠진 이유: `left`(나가거나 숨김), `removed`(내보내짐). 새로운 이유가 추가될 수 있습니다.
    pub(crate) reason: String,
}

/// A member is typing. Show it for six seconds.
/// 참여자가 입력 중입니다. 6초 동안 표시하세요.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TypingEvent {
    /// The id of the conversation.
    /// 대화의 ID.
    pub(crate) conversation_id: Uuid,
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
}

/// The presence of a user.
/// 사용자의 접속 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PresenceEvent {
    /// The id of the user.
    /// 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Whether the user is online.
    /// 접속 중인지 여부.
    pub(crate) online: bool,
    /// Time when the user was last online; null while the user is online or if you may not see it.
    /// 마지막 접속 시각. 접속 중이거나 볼 수 없으면 null입니다.
    pub(crate) last_seen_at: Option<Time>,
}

/// You have a new notification.
/// 새 알림이 있습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationCreatedEvent {
    /// The notification.
    /// 알림.
    pub(crate) notification: Notification,
}

/// A notification was withdrawn: its cause was undone or deleted.
/// 알림이 취소되었습니다. 알림의 원인이 취소되거나 삭제된 경우입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct NotificationDeletedEvent {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// Current number of unread notifications.
    /// 현재 읽지 않은 알림 수.
    pub(crate) unread_count: u64,
}

/// You may no longer see a topic: the server removed your subscription.
/// 더 이상 볼 수 없는 주제입니다. 구독이 취소되었습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TopicRevokedEvent {
    /// The topic.
    /// 주제.
    topic: String,
}

/// A summary of new posts of a topic that exceed the rate of individual `post.created` events.
/// 새 게시글이 많아 `post.created`로 하나씩 보내지 않은 게시글의 요약.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TimelineHeadEvent {
    /// The topic.
    /// 주제.
    topic: String,
    /// The id of the newest of these posts.
    /// 그 가운데 가장 최근 게시글의 ID.
    newest_id: Uuid,
    /// Number of new posts that were not sent as `post.created`.
    /// `post.created`로 보내지 않은 새 게시글 수.
    count: u64,
}

/// The current like and comment counts of a post. Sent at most once a second per post.
/// 게시글의 현재 좋아요 수와 댓글 수. 게시글마다 1초에 한 번까지 보냅니다.
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

/// A post of a topic, as an anonymous viewer sees it.
/// 주제의 게시글. 로그인하지 않은 사람에게 보이는 그대로입니다.
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
        Self { topic, post: Post::render(view, links) }
    }
}

/// A comment on the post of a topic, as an anonymous viewer sees it.
/// 주제인 게시글의 댓글. 로그인하지 않은 사람에게 보이는 그대로입니다.
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
        Self { topic, comment: Comment::render(view, links) }
    }
}

/// A post or comment was deleted, left the topic, or is no longer visible to you.
/// 게시글이나 댓글이 삭제되었거나, 주제에서 빠졌거나, 더 이상 볼 수 없습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct DeletedEvent {
    /// The topic.
    /// 주제.
    pub(crate) topic: String,
    /// The id of the post.
    /// 게시글의 ID.
    pub(crate) post_id: Uuid,
    /// Id of the comment; null if the event is about the post itself.
    /// 댓글의 ID. 게시글 자체에 대한 이벤트이면 null입니다.
    pub(crate) comment_id: Option<Uuid>,
}
