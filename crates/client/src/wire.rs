//! The frames of `blegram.v1+json`.
//!
//! Unknown fields, events and kinds are ignored, because later versions of the server may add some. The payloads are
//! generated ([`crate::types`]); this module has the envelopes, and what the rules for clients need of the events.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::types::{CommandError, ConversationEvents, Event, Message, UserSummary};

/// A frame from the server.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The reply to the command with this id.
    Reply(u64, Result<Value, CommandError>),
    /// A durable event of a conversation, known or not.
    Change(Change),
    /// Another event.
    Event(Box<Event>),
    /// A heartbeat, to be answered with a pong.
    Ping(u64),
    /// A frame that this client does not know.
    Unknown,
}

/// A durable event of a conversation, with its sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The sequence number: every event of a conversation has the next one.
    pub seq: u64,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed in a conversation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A message was sent. It may have been edited or deleted since.
    Created(Message),
    /// A message was edited; this is its current state.
    Edited(Message),
    /// A message was deleted.
    Deleted(Message),
    /// A member joined; `None` if the account was deleted since.
    Joined(Option<UserSummary>),
    /// A member left or was removed.
    Left(Option<UserSummary>),
    /// The title changed, or the owner.
    Updated {
        /// The title; `None` if there is none.
        title: Option<String>,
        /// The owner of the group.
        owner_id: Option<Uuid>,
    },
    /// An event that this client does not know, or that this account may not see. Its sequence number still counts.
    Other,
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

#[derive(Deserialize)]
struct Envelope {
    re: Option<u64>,
    ok: Option<Value>,
    err: Option<CommandError>,
    ping: Option<u64>,
    ev: Option<String>,
    d: Option<Value>,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(Envelope { re: Some(re), err: Some(error), .. }) => Self::Reply(re, Err(error)),
            Ok(Envelope { re: Some(re), ok, .. }) => Self::Reply(re, Ok(ok.unwrap_or_default())),
            Ok(Envelope { ping: Some(number), .. }) => Self::Ping(number),
            Ok(Envelope { ev: Some(ev), d, .. }) => Self::event(&ev, d.unwrap_or_default()),
            _ => Self::Unknown,
        }
    }

    /// Any event with a `conversation_id` and a `seq` is durable, even if its name is unknown.
    fn event(ev: &str, d: Value) -> Self {
        if !d["seq"].is_null() {
            return Change::parse(ev, d).map_or(Self::Unknown, Self::Change);
        }
        read(json!({ "ev": ev, "d": d })).map_or(Self::Unknown, |event| Self::Event(Box::new(event)))
    }
}

impl Change {
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
            "conversation.updated" => {
                ChangeKind::Updated { title: read(d["title"].take())?, owner_id: read(d["owner_id"].take())? }
            }
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
    pub(crate) fn parse(mut ok: Value) -> Option<Self> {
        #[derive(Deserialize)]
        struct Entry {
            ev: String,
            d: Value,
        }
        // The events by their own parser, which knows unknown ones.
        let events: Vec<Entry> = read(ok["events"].take())?;
        ok["events"] = json!([]);
        let ConversationEvents { head_seq, more, reset, .. } = read(ok)?;
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

/// The answer to a ping, with the cursors of conversations, from which the server derives delivery receipts.
pub(crate) fn pong(number: u64, received: &BTreeMap<Uuid, u64>) -> String {
    json!({ "pong": number, "recv": received }).to_string()
}
