//! The frames from and to clients: JSON objects in WebSocket text messages.

use std::{collections::HashMap, sync::Arc};

use blegram_domain::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::{
    Bytes,
    protocol::frame::{
        FrameHeader,
        coding::{Data, OpCode},
    },
};

/// A frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A command.
    Command(Command),
    /// The answer to a ping, with delivery marks. A client may send it without a ping.
    Pong {
        /// The number of the last ping that the client received.
        ping: u64,
        /// The last `seq` that the client received, by conversation.
        received: Vec<(ConversationId, u64)>,
    },
}

/// A command from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The id that the client chose; the reply repeats it.
    pub id: u64,
    /// The name of the command.
    pub op: String,
    /// The arguments; an empty object if absent.
    pub d: Value,
}

/// The error for a text that is not a frame of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame must be {{\"id\", \"op\", \"d\"}} or {{\"pong\", \"recv\"}}")]
pub struct Malformed;

/// The maximum number of conversations in a pong.
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
    /// Parses a frame.
    ///
    /// # Errors
    /// [`Malformed`] for anything else, including JSON with more than 127 levels of nesting.
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

/// The subject of a state frame. Of several queued frames with the same key, only the last is sent.
pub type Key = Arc<str>;

/// How a frame is handled when a connection does not keep up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Never dropped: the connection is closed instead.
    Reply,
    /// An event of a conversation. The head of the conversation may replace it, from which the client fetches the
    /// event.
    DurableEvent {
        /// The conversation of the event.
        conversation: ConversationId,
        /// The number of the event in the conversation.
        seq: u64,
        /// The number of the last message at that time.
        last_message_no: u64,
    },
    /// A state. A later frame with the same key replaces it.
    State(Key),
    /// The user left a conversation or was removed. Replaces the queued events of the conversation, its head, and the
    /// state with `key`.
    Removed {
        /// The conversation that the user left.
        conversation: ConversationId,
        /// The key of the state that announces the membership.
        key: Key,
    },
    /// A hint, which may be dropped.
    Hint,
}

/// A frame for clients. It is rendered and encoded once; all connections share its bytes, because servers do not mask
/// what they send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// How the frame is handled when a connection does not keep up.
    pub class: Class,
    encoded: Encoded,
}

/// A WebSocket frame: its head and the JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Encoded {
    bytes: Bytes,
    head_bytes: usize,
}

impl Frame {
    /// The event `name` with the payload `d`.
    pub fn event(class: Class, name: &str, d: &impl Serialize) -> Self {
        Self { class, encoded: encode(&Event { ev: name, d }) }
    }

    /// The successful reply to command `id`.
    pub fn ok(id: u64, ok: &impl Serialize) -> Self {
        Self { class: Class::Reply, encoded: encode(&Reply { re: id, ok }) }
    }

    /// The error reply to command `id`.
    pub fn err(id: u64, error: &CommandError) -> Self {
        Self { class: Class::Reply, encoded: encode(&ErrorReply { re: id, err: error }) }
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        // serde_json writes valid UTF-8.
        str::from_utf8(&self.encoded.bytes[self.encoded.head_bytes..]).unwrap_or_default()
    }

    /// The number of bytes of the text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.encoded.bytes.len() - self.encoded.head_bytes
    }

    /// The WebSocket frame.
    pub(crate) fn into_encoded(self) -> Bytes {
        self.encoded.bytes
    }

    /// A frame with any text.
    #[cfg(test)]
    pub(crate) fn plain(class: Class, text: &str) -> Self {
        Self { class, encoded: Encoded::new(|buffer| buffer.extend_from_slice(text.as_bytes())) }
    }

    pub(crate) fn ping(number: u64) -> Self {
        Self { class: Class::Reply, encoded: encode(&json!({ "ping": number })) }
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

/// The error of a command, with the problem codes of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandError {
    /// The problem code.
    pub code: &'static str,
    /// The explanation for developers.
    pub detail: String,
    /// The invalid values, with JSON pointers into `d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Value>,
    /// The delay before the client may retry, in milliseconds.
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
struct ErrorReply<'a> {
    re: u64,
    err: &'a CommandError,
}

/// The maximum size of the head of an unmasked frame.
const MAX_HEAD_BYTES: usize = 10;

const HEAD: FrameHeader = FrameHeader {
    is_final: true,
    rsv1: false,
    rsv2: false,
    rsv3: false,
    opcode: OpCode::Data(Data::Text),
    mask: None,
};

fn encode(value: &impl Serialize) -> Encoded {
    Encoded::new(|buffer| {
        // serde_json only fails for maps whose keys are not strings and for types whose `Serialize` fails. No frame
        // has either.
        if let Err(error) = serde_json::to_writer(&mut *buffer, value) {
            tracing::error!(%error, "a frame could not be serialised");
            buffer.truncate(MAX_HEAD_BYTES);
        }
    })
}

impl Encoded {
    /// Encodes the text that `render` appends to the buffer. The buffer begins with space for the longest head, so that
    /// the text is not copied.
    fn new(render: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = vec![0; MAX_HEAD_BYTES];
        render(&mut buffer);
        let text_bytes = (buffer.len() - MAX_HEAD_BYTES) as u64;
        let start = MAX_HEAD_BYTES - HEAD.len(text_bytes);
        // Writing to memory that is large enough does not fail.
        let _ = HEAD.format(text_bytes, &mut &mut buffer[start..MAX_HEAD_BYTES]);
        Self { bytes: Bytes::from(buffer).slice(start..), head_bytes: MAX_HEAD_BYTES - start }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn client_frames_parse_as_commands_or_pongs() {
        let command = |d| Ok(Incoming::Command(Command { id: 7, op: "sync".into(), d }));
        assert_eq!(Incoming::parse(r#"{"id":7,"op":"sync","d":{"a":1}}"#), command(json!({ "a": 1 })));
        assert_eq!(Incoming::parse(r#"{"op":"sync","id":7}"#), command(json!({})));
        let received = vec![(ID.parse().unwrap(), 9)];
        let pong = Incoming::parse(&format!(r#"{{"pong":3,"recv":{{"{ID}":9}}}}"#));
        assert_eq!(pong, Ok(Incoming::Pong { ping: 3, received }));
        let deep = format!(r#"{{"id":1,"op":"sync","d":{}{}}}"#, "[".repeat(4000), "]".repeat(4000));
        let rejected = [
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
        for text in rejected {
            assert_eq!(Incoming::parse(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn encoded_frames_are_those_of_tungstenite() {
        for bytes in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let text = "t".repeat(bytes);
            let frame = Frame::plain(Class::Hint, &text);
            assert_eq!((frame.text(), frame.text_bytes()), (text.as_str(), bytes));
            let mut expected = Vec::new();
            WebSocketFrame::message(text, OpCode::Data(Data::Text), true).format(&mut expected).unwrap();
            assert!(frame.into_encoded() == expected, "{bytes} bytes");
        }
    }

    proptest! {
        #[test]
        fn client_frames_with_any_text_do_not_panic(text in ".{0,200}") {
            let _ = Incoming::parse(&text);
        }
    }
}
