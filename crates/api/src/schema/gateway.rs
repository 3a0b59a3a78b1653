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
    url: String,
    /// What to name in `Sec-WebSocket-Protocol`.
    protocol: String,
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
    message_bytes: usize,
    /// Commands a second, in the long run.
    commands_per_second: u32,
    /// Commands at once.
    command_burst: u32,
    topics: usize,
    /// Conversations on the screen.
    open_conversations: usize,
    /// Users whose presence is told.
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
    pub(crate) ticket: String,
    pub(crate) expires_at: Time,
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
