//! Frames: what a client says, and what it is told.

use std::{collections::HashMap, sync::Arc};

use blegram_domain::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// It wants something.
    Command(Command),
    /// It is there, and has got so much of each conversation.
    Pong {
        /// The number of the last ping that it saw.
        ping: u64,
        /// The last `seq` that it has, by conversation.
        received: Vec<(ConversationId, u64)>,
    },
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What the client calls it; the reply says it again.
    pub id: u64,
    /// Its name.
    pub op: String,
    /// What it says.
    pub d: Value,
}

/// A text that is no frame of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame is {{\"id\", \"op\", \"d\"}} or {{\"pong\", \"recv\"}}")]
pub struct Malformed;

/// How many conversations a pong names at most.
const MAX_RECEIVED: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    id: Option<u64>,
    op: Option<String>,
    d: Option<Value>,
    pong: Option<u64>,
    recv: Option<HashMap<String, u64>>,
}

impl Incoming {
    /// Reads a frame. JSON that is nested deeper than 127 levels is none.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        match serde_json::from_str(text).map_err(|_| Malformed)? {
            Envelope { id: Some(id), op: Some(op), d, pong: None, recv: None } => {
                let d = d.unwrap_or_else(|| Value::Object(Map::new()));
                Ok(Self::Command(Command { id, op, d }))
            }
            Envelope { id: None, op: None, d: None, pong: Some(ping), recv } => {
                let recv = recv.unwrap_or_default();
                if recv.len() > MAX_RECEIVED {
                    return Err(Malformed);
                }
                let mark = |(id, seq): (String, u64)| Ok((id.parse().map_err(|_| Malformed)?, seq));
                let received = recv.into_iter().map(mark).collect::<Result<_, _>>()?;
                Ok(Self::Pong { ping, received })
            }
            _ => Err(Malformed),
        }
    }
}

/// What a state is about: of several frames with one key that wait for a connection, only the last is sent.
pub type Key = Arc<str>;

/// What becomes of a frame when a connection does not keep up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// It is sent, or the connection ends.
    Reply,
    /// It is sent, or the conversation's head in its place: the client can pull it.
    Durable {
        /// Where it happened.
        conversation: ConversationId,
        /// What number it has there.
        seq: u64,
        /// The number of the last message then.
        last_message_no: u64,
    },
    /// A later one with the same key makes it needless.
    State(Key),
    /// The connection's user is out of a conversation: what waits of it, and its state with this key, is needless.
    Removed {
        /// Which one.
        conversation: ConversationId,
        /// Of what says that they are in.
        key: Key,
    },
    /// It may be left out.
    Hint,
}

/// A frame for clients: rendered once, and the same bytes for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What becomes of it when a connection does not keep up.
    pub class: Class,
    /// Its text.
    pub text: Utf8Bytes,
}

impl Frame {
    /// The event `name` that says `d`.
    pub fn event(class: Class, name: &str, d: &impl Serialize) -> Self {
        Self { class, text: text(&Event { ev: name, d }) }
    }

    /// The answer to command `id`.
    pub fn ok(id: u64, ok: &impl Serialize) -> Self {
        Self { class: Class::Reply, text: text(&Reply { re: id, ok }) }
    }

    /// The refusal of command `id`.
    pub fn err(id: u64, refusal: &Refusal) -> Self {
        Self { class: Class::Reply, text: text(&Refused { re: id, err: refusal }) }
    }

    pub(crate) fn ping(number: u64) -> Self {
        Self { class: Class::Reply, text: text(&json!({ "ping": number })) }
    }

    pub(crate) fn head(conversation: ConversationId, last_seq: u64, last_message_no: u64) -> Self {
        let d = json!({
            "conversation_id": conversation.to_string(),
            "last_seq": last_seq,
            "last_message_no": last_message_no,
        });
        Self::event(Class::State(head_key(conversation)), "conversation.head", &d)
    }
}

pub(crate) fn head_key(conversation: ConversationId) -> Key {
    format!("conversation.head:{conversation}").into()
}

/// Why a command was refused, in the words of the HTTP API's problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// A code of the problem pages.
    pub code: &'static str,
    /// What is wrong, for developers.
    pub detail: String,
    /// What is wrong where, as JSON pointers into `d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Value>,
    /// When it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

#[derive(Serialize)]
struct Event<'a, T> {
    ev: &'a str,
    d: &'a T,
}

#[derive(Serialize)]
struct Reply<'a, T> {
    re: u64,
    ok: &'a T,
}

#[derive(Serialize)]
struct Refused<'a> {
    re: u64,
    err: &'a Refusal,
}

fn text(value: &impl Serialize) -> Utf8Bytes {
    match serde_json::to_string(value) {
        Ok(text) => text.into(),
        // Only a map with keys that are no texts, or a type that refuses to be written: neither is sent here.
        Err(error) => {
            tracing::error!(%error, "a frame could not be written");
            Utf8Bytes::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn frames_of_clients_are_commands_or_pongs() {
        let command = |d| Ok(Incoming::Command(Command { id: 7, op: "sync".into(), d }));
        assert_eq!(Incoming::parse(r#"{"id":7,"op":"sync","d":{"a":1}}"#), command(json!({ "a": 1 })));
        assert_eq!(Incoming::parse(r#"{"op":"sync","id":7}"#), command(json!({})));
        let received = vec![(ID.parse().unwrap(), 9)];
        let pong = Incoming::parse(&format!(r#"{{"pong":3,"recv":{{"{ID}":9}}}}"#));
        assert_eq!(pong, Ok(Incoming::Pong { ping: 3, received }));
        let deep = format!(r#"{{"id":1,"op":"sync","d":{}{}}}"#, "[".repeat(4000), "]".repeat(4000));
        let refused = [
            "",
            "null",
            "[]",
            "{}",
            "hello",
            r#"{"id":7}"#,
            r#"{"id":"7","op":"sync"}"#,
            r#"{"id":-1,"op":"sync"}"#,
            r#"{"id":7,"op":"sync","more":1}"#,
            r#"{"id":7,"op":"sync","pong":1}"#,
            r#"{"pong":1,"recv":{"x":1}}"#,
            r#"{"pong":1,"recv":{"01890a5d-ac96-774b-bcce-b302099a8057":-1}}"#,
            &deep,
        ];
        for text in refused {
            assert_eq!(Incoming::parse(text), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_refused(text in ".{0,200}") {
            let _ = Incoming::parse(&text);
        }
    }
}
