//! What is said over live connections.

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
        ConversationHeadEvent, ConversationReadEvent, ConversationRemovedEvent, DeletedEvent,
        NotificationCreatedEvent, NotificationDeletedEvent, PostCountsEvent, PostEvent, PresenceEvent, Ready,
        ReconnectEvent, TimelineHeadEvent, TopicRevokedEvent, TypingEvent,
    },
};
use crate::schema::Time;

/// Topics that one command names at most.
const MAX_TOPICS: usize = 64;

/// Conversations that one connection has on the screen at most.
const MAX_OPEN: usize = 16;

/// Users whom one connection watches at most.
const MAX_WATCHED: usize = 100;

/// How to connect to the gateway.
#[derive(Debug, Object, Serialize)]
pub(crate) struct GatewayStatus {
    /// Where to connect.
    /// 연결할 주소.
    url: String,
    /// What to name in `Sec-WebSocket-Protocol`.
    /// `Sec-WebSocket-Protocol`에 넣을 서브프로토콜.
    protocol: String,
    /// Limits of one connection.
    /// 연결 하나의 제한.
    limits: GatewayLimits,
}

impl GatewayStatus {
    pub(crate) fn new(public_url: &str, config: &Config) -> Self {
        // `http…` becomes `ws…`.
        let url = format!("{}/api/v1/gateway", public_url.replacen("http", "ws", 1));
        Self { url, protocol: PROTOCOL.to_owned(), limits: GatewayLimits::new(config) }
    }
}

/// What one connection may do.
#[derive(Debug, Object, Serialize)]
pub(crate) struct GatewayLimits {
    /// The largest frame of a client.
    /// 클라이언트가 보낼 수 있는 가장 큰 프레임의 바이트 수.
    message_bytes: usize,
    /// Commands a second, in the long run.
    /// 지속적으로 보낼 수 있는 초당 명령 수.
    commands_per_second: u32,
    /// Commands at once.
    /// 한꺼번에 보낼 수 있는 명령 수.
    command_burst: u32,
    /// Topics that one connection can subscribe to.
    /// 연결 하나가 구독할 수 있는 주제 수.
    topics: usize,
    /// Conversations on the screen.
    /// 화면에 열어 둘 수 있는 대화 수.
    open_conversations: usize,
    /// Users whose presence is told.
    /// 접속 상태를 지켜볼 수 있는 사용자 수.
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

/// What opens a connection in the place of a cookie or a bearer.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Ticket {
    /// To be sent as a second subprotocol, `blegram.ticket.<ticket>`: once, from the origin that asked for it.
    /// 두 번째 서브프로토콜 `blegram.ticket.<ticket>`으로 보냅니다. 요청한 출처에서 한 번만 쓸 수 있습니다.
    pub(crate) ticket: String,
    /// When it expires.
    /// 만료 시각.
    pub(crate) expires_at: Time,
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
