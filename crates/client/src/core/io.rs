//! The inputs of the core and its outputs.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    http::AccessToken,
    types::{CommandError, Event, Message, MessageSendCommand, MessageSentAnswer, ReadyEvent, SyncAnswer},
    wire::Change,
};

/// An input of the core.
#[derive(Debug)]
pub enum Input {
    /// The time returned by [`super::Core::wake`] has come.
    Tick,
    /// The result of [`Output::LoadPage`].
    Page {
        /// The conversation of the page.
        conversation_id: Uuid,
        /// The page.
        page: Result<Page, Failure>,
    },
    /// The result of [`Output::RefreshToken`].
    Token(Result<AccessToken, Failure>),
    /// The WebSocket is open.
    Connected,
    /// The handshake failed.
    HandshakeFailed(Failure),
    /// A text frame was received.
    Frame(String),
    /// The connection has ended; `code` is its close code, if there was one.
    Disconnected {
        /// The close code, if there was one.
        code: Option<u16>,
        /// The reason of the close frame, or the error.
        reason: String,
    },
    /// Follow a conversation: load its latest messages, then report each event once and in order.
    Follow(Uuid),
    /// The conversations on the screen, which receive `typing`; replaces the previous ones.
    Open(Vec<Uuid>),
    /// Subscribe to topics, on this connection and later ones.
    Subscribe(Vec<String>),
    /// Unsubscribe from topics.
    Unsubscribe(Vec<String>),
    /// The users whose presence to watch; replaces the previous ones.
    Watch(Vec<Uuid>),
    /// Send a message, in order and until the server has acknowledged or rejected it.
    Send(MessageSendCommand),
    /// The user has read a conversation up to this message number.
    Read {
        /// The conversation.
        conversation_id: Uuid,
        /// The number of the newest message that was read.
        message_no: u64,
    },
    /// Send another command once; [`Output::Reply`] has the reply.
    Command {
        /// Identifies the reply.
        ticket: u64,
        /// The operation.
        op: &'static str,
        /// Its parameters.
        d: Value,
    },
    /// The device is online again: connect at once, unless the server has requested to wait.
    Online,
    /// Close the connection and stop.
    Stop,
}

/// An action for the driver.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Load the latest messages; with a number, all messages after it.
    LoadPage {
        /// The conversation.
        conversation_id: Uuid,
        /// The number of the newest known message.
        after: Option<u64>,
    },
    /// Refresh the tokens.
    RefreshToken,
    /// Open the WebSocket with the current access token.
    Connect,
    /// Send a text frame.
    Send(String),
    /// Close the WebSocket, without an [`Input::Disconnected`].
    Close,
    /// Notify the application.
    Update(Update),
    /// The reply to [`Input::Command`].
    Reply {
        /// The ticket of the command.
        ticket: u64,
        /// The reply.
        result: Result<Value, CommandFailure>,
    },
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// Connected. While it is degraded, events of other nodes arrive up to two seconds late.
    Connected(ReadyEvent),
    /// Disconnected, for any reason that allows to connect again.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next attempt will be.
        retry_in: Duration,
    },
    /// The latest messages of a conversation, oldest first: the start of its events, or a new start after too many were
    /// missed.
    Loaded {
        /// The conversation.
        conversation_id: Uuid,
        /// Its messages.
        page: Page,
        /// The number of the newest message that was reported before; `None` the first time. Earlier messages may have
        /// changed.
        known: Option<u64>,
    },
    /// An event of a followed conversation: each once, in the order of `seq`, without gaps.
    Applied(Change),
    /// A message was stored. Its event arrives as well.
    Sent {
        /// The conversation.
        conversation_id: Uuid,
        /// The id that the client chose.
        client_id: Uuid,
        /// The reply of the server.
        sent: MessageSentAnswer,
    },
    /// A message was rejected, and would be rejected again.
    NotSent {
        /// The message.
        draft: MessageSendCommand,
        /// Why.
        error: CommandError,
    },
    /// This account is no longer a member of a conversation, or was not one.
    Left(Uuid),
    /// What changed while the client was not connected: conversations, unread counts, topics, presence.
    Synced(SyncAnswer),
    /// An event that is not of the numbered ones, such as `typing`, `presence`, or a post.
    Event(Box<Event>),
    /// Something was not possible and is retried, or was rejected.
    Warning(String),
    /// The last update. The session has ended, the client was stopped, or connecting again would not help.
    Stopped(String),
}

/// The latest messages, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// The `seq` up to which events are reflected in the page.
    pub last_seq: u64,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// 401: the token has expired or was revoked.
    Unauthorized,
    /// A retry may succeed, but not before `retry_after`.
    Temporary {
        /// Why.
        detail: String,
        /// The delay that the server requested.
        retry_after: Option<Duration>,
    },
    /// 404: this account may not see it.
    NotFound,
    /// A retry cannot succeed.
    Fatal(String),
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandFailure {
    /// The server rejected it.
    #[error("{}", .0.detail)]
    Rejected(CommandError),
    /// The connection was lost, or there was none: whether the command took effect is unknown.
    #[error("the connection was lost")]
    Lost,
}

/// Parameters of the client.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The account of the access token.
    pub me: Uuid,
    /// Whether to follow every conversation of the account, including those that it is added to later.
    pub follow_all: bool,
    /// Seed for the jitter of the backoff.
    pub seed: u64,
}
