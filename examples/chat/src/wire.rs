//! The frames of `blegram.v1+json`, and types shared with the HTTP API.
//!
//! Unknown fields, events and kinds are ignored, because later versions of the server may add some.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

/// A frame from the server.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The reply to the command with this id.
    Reply(u64, Result<Value, Rejection>),
    /// An event.
    Event(Event),
    /// A heartbeat, to be answered with a pong.
    Ping(u64),
    /// A frame that this client does not know.
    Unknown,
}

/// The error of a rejected command.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) detail: String,
    pub(crate) retry_after_ms: Option<u64>,
}

/// An event from the server.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first frame of a connection.
    Ready(Ready),
    /// A durable event of a conversation.
    Change(Change),
    /// The latest `seq` of a conversation, sent in place of events that could not be sent.
    Head(Head),
    /// A member's read mark moved.
    Read(ReadMark),
    /// A member is typing.
    Typing(Typing),
    /// This account is no longer a member of a conversation.
    Removed(Removed),
    /// The access token of this connection expires soon.
    AuthExpiring,
    /// The server will close the connection; reconnect after the given delay.
    Reconnect(Reconnect),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub(crate) user_id: Uuid,
    pub(crate) heartbeat_ms: u64,
    #[serde(default)]
    pub(crate) degraded: bool,
}

/// A durable event of a conversation, with its sequence number.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) conversation_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) kind: ChangeKind,
}

#[derive(Debug, Clone)]
pub(crate) enum ChangeKind {
    Created(Message),
    Edited(Message),
    Deleted(Message),
    Joined(Option<User>),
    Left(Option<User>),
    Renamed(Option<String>),
    /// A kind that this client does not know. Its `seq` still counts.
    Other,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) message_no: u64,
    /// `None` if the account was deleted.
    pub(crate) sender: Option<User>,
    /// `None` if the message was deleted.
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) is_deleted: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) username: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Head {
    pub(crate) conversation_id: Uuid,
    pub(crate) last_seq: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReadMark {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) read_no: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Typing {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Removed {
    pub(crate) conversation_id: Uuid,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reconnect {
    pub(crate) after_ms: u64,
}

/// The reply to `sync`.
#[derive(Debug, Deserialize)]
pub(crate) struct Synced {
    pub(crate) cursor: String,
    pub(crate) heads: Vec<Head>,
    #[serde(default)]
    pub(crate) removed: Vec<Uuid>,
    pub(crate) more: bool,
}

/// The reply to `history`.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) changes: Vec<Change>,
    pub(crate) head_seq: u64,
    pub(crate) more: bool,
    /// Too many events were missed: drop the cursor and load the latest page.
    pub(crate) reset: bool,
}

/// The reply to `message.send`.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) seq: u64,
}

#[derive(Deserialize)]
struct Envelope {
    re: Option<u64>,
    ok: Option<Value>,
    err: Option<Rejection>,
    ping: Option<u64>,
    ev: Option<String>,
    d: Option<Value>,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(Envelope { re: Some(re), err: Some(rejection), .. }) => Self::Reply(re, Err(rejection)),
            Ok(Envelope { re: Some(re), ok, .. }) => Self::Reply(re, Ok(ok.unwrap_or_default())),
            Ok(Envelope { ping: Some(number), .. }) => Self::Ping(number),
            Ok(Envelope { ev: Some(ev), d, .. }) => {
                Event::parse(&ev, d.unwrap_or_default()).map_or(Self::Unknown, Self::Event)
            }
            _ => Self::Unknown,
        }
    }
}

impl Event {
    fn parse(ev: &str, d: Value) -> Option<Self> {
        Some(match ev {
            "ready" => Self::Ready(read(d)?),
            "conversation.head" => Self::Head(read(d)?),
            "conversation.read" => Self::Read(read(d)?),
            "conversation.removed" => Self::Removed(read(d)?),
            "typing" => Self::Typing(read(d)?),
            "auth.expiring" => Self::AuthExpiring,
            "reconnect" => Self::Reconnect(read(d)?),
            _ => Self::Change(Change::parse(ev, d)?),
        })
    }
}

impl Change {
    /// Parses a durable event: any event with a `conversation_id` and a `seq`, even if its name is unknown.
    fn parse(ev: &str, mut d: Value) -> Option<Self> {
        d.as_object()?;
        let conversation_id = read(d["conversation_id"].take())?;
        let seq = read(d["seq"].take())?;
        let kind = match ev {
            "message.created" | "message.edited" | "message.deleted" => {
                ChangeKind::of_message(ev, read(d["message"].take())?)
            }
            "member.joined" => ChangeKind::Joined(read(d["user"].take())?),
            "member.left" => ChangeKind::Left(read(d["user"].take())?),
            "conversation.updated" => ChangeKind::Renamed(read(d["title"].take())?),
            _ => ChangeKind::Other,
        };
        Some(Self { conversation_id, seq, kind })
    }
}

impl ChangeKind {
    /// Maps a message event. Its message is `null` if this account may not see it; then only the `seq` counts.
    fn of_message(ev: &str, message: Option<Message>) -> Self {
        match (ev, message) {
            ("message.created", Some(message)) => Self::Created(message),
            ("message.edited", Some(message)) => Self::Edited(message),
            ("message.deleted", Some(message)) => Self::Deleted(message),
            _ => Self::Other,
        }
    }
}

impl History {
    pub(crate) fn parse(ok: Value) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            events: Vec<Entry>,
            head_seq: u64,
            more: bool,
            reset: bool,
        }
        #[derive(Deserialize)]
        struct Entry {
            ev: String,
            d: Value,
        }
        let Answer { events, head_seq, more, reset } = read(ok)?;
        let changes = events.into_iter().map(|Entry { ev, d }| Change::parse(&ev, d));
        Some(Self { changes: changes.collect::<Option<_>>()?, head_seq, more, reset })
    }
}

/// Deserialises a part of a frame; `None` if it has an unexpected form.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// A command frame. The reply has the same id.
pub(crate) fn command(id: u64, op: &str, d: &Value) -> String {
    json!({ "id": id, "op": op, "d": d }).to_string()
}

/// The answer to a ping, with the cursors of the conversations, from which the server derives delivery receipts.
pub(crate) fn pong(number: u64, received: &HashMap<Uuid, u64>) -> String {
    json!({ "pong": number, "recv": received }).to_string()
}
