//! Wire types of the gateway: commands with their replies in `command`, events in `event`, and the HTTP responses of the
//! gateway's endpoints here.

mod command;
mod event;

use std::time::Duration;

use blegram_gateway::{Config, MAX_MESSAGE_BYTES, PROTOCOL};
use poem_openapi::Object;
use serde::Serialize;

pub(crate) use self::{
    command::{
        AuthAnswer, AuthCommand, CommandError, DoneAnswer, History, HistoryCommand, MessageDeleteCommand,
        MessageEditCommand, MessageEditedAnswer, MessageSendCommand, MessageSentAnswer, OpenCommand,
        PresenceAnswer, PresenceCommand, ReadCommand, RenewedCredential, SyncAnswer, SyncCommand,
        TopicsAnswer, TopicsCommand, TypingCommand,
    },
    event::{
        AuthExpiringEvent, CommentEvent, ConversationAddedEvent, ConversationDeliveredEvent,
        ConversationHeadEvent, ConversationReadEvent, ConversationRemovedEvent, DegradedEvent, DeletedEvent,
        NotificationCreatedEvent, NotificationDeletedEvent, PostCountsEvent, PostEvent, PresenceEvent, Ready,
        ReconnectEvent, TimelineHeadEvent, TopicRevokedEvent, TypingEvent,
    },
};
use crate::schema::Time;

/// Largest number of topics in one command.
const MAX_TOPICS: usize = 64;

/// Largest number of open conversations of one connection.
const MAX_OPEN: usize = 16;

/// Largest number of users whose presence one connection watches.
const MAX_WATCHED: usize = 100;

/// How to connect to the gateway.
/// 게이트웨이 연결 방법.
#[derive(Debug, Object, Serialize)]
pub(crate) struct GatewayStatus {
    /// URL of the gateway.
    /// 연결할 주소.
    url: String,
    /// Subprotocol to send in `Sec-WebSocket-Protocol`.
    /// `Sec-WebSocket-Protocol`에 넣을 서브프로토콜.
    protocol: String,
    /// Limits of one connection.
    /// 연결 하나의 제한.
    limits: GatewayLimits,
}

impl GatewayStatus {
    pub(crate) fn new(public_url: &str, config: &Config) -> Self {
        // `http:` becomes `ws:`, `https:` becomes `wss:`.
        let url = format!("{}/api/v1/gateway", public_url.replacen("http", "ws", 1));
        Self { url, protocol: PROTOCOL.to_owned(), limits: GatewayLimits::new(config) }
    }
}

/// The limits of one connection.
/// 연결 하나의 제한.
#[derive(Debug, Object, Serialize)]
pub(crate) struct GatewayLimits {
    /// Maximum size of a client frame, in bytes.
    /// 클라이언트가 보낼 수 있는 가장 큰 프레임의 바이트 수.
    message_bytes: usize,
    /// Sustained rate of commands per second.
    /// 지속적으로 보낼 수 있는 초당 명령 수.
    commands_per_second: u32,
    /// Number of commands that can be sent in a burst.
    /// 한꺼번에 보낼 수 있는 명령 수.
    command_burst: u32,
    /// Maximum number of subscribed topics.
    /// 연결 하나가 구독할 수 있는 주제 수.
    topics: usize,
    /// Maximum number of open conversations.
    /// `open`으로 알릴 수 있는 열린 대화의 최대 수.
    open_conversations: usize,
    /// Maximum number of users whose presence you can watch.
    /// 접속 상태를 구독할 수 있는 최대 사용자 수.
    watched_users: usize,
}

impl GatewayLimits {
    fn new(config: &Config) -> Self {
        Self {
            message_bytes: MAX_MESSAGE_BYTES,
            commands_per_second: config.timing.commands_per_second,
            command_burst: config.timing.command_burst,
            topics: config.topics_per_connection,
            open_conversations: MAX_OPEN,
            watched_users: MAX_WATCHED,
        }
    }
}

/// A one-time ticket that opens a gateway connection instead of a cookie or a bearer token.
/// 쿠키나 베어러 토큰 대신 게이트웨이에 연결하는 일회용 티켓.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Ticket {
    /// The ticket. Send it as a second subprotocol, `blegram.ticket.<ticket>`. It can be used once, from the origin
    /// that requested it.
    /// 티켓. 두 번째 서브프로토콜 `blegram.ticket.<ticket>`으로 보내세요. 요청한 출처에서 한 번만 쓸 수 있습니다.
    pub(crate) ticket: String,
    /// Expiry time.
    /// 만료 시각.
    pub(crate) expires_at: Time,
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
