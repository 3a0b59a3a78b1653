//! What one client sent, received and applied, with the time of the one clock of this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use blegram_client::{Change, ChangeKind, Observer, Page, Trace, types::Message};
use serde_json::Value;
use uuid::Uuid;

/// A message as a client got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) client_id: Uuid,
    /// The `seq` of its creation.
    pub(crate) seq: u64,
    pub(crate) message_no: u64,
    /// `None` if it was deleted.
    pub(crate) text: Option<String>,
}

/// A numbered event of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) conversation: Uuid,
    pub(crate) seq: u64,
    pub(crate) content: Option<Content>,
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The client was asked to send a message.
    Invoked {
        conversation: Uuid,
        client_id: Uuid,
        text: String,
    },
    /// The server acknowledged it.
    Acked {
        conversation: Uuid,
        client_id: Uuid,
        seq: u64,
    },
    /// The user has read up to this message.
    Read {
        conversation: Uuid,
        message_no: u64,
    },
    /// A connection is open, and another one is not any more.
    Opened,
    Closed,
    /// The session was ended on the server.
    LoggedOut,
    /// A frame with a numbered event.
    Frame(Numbered),
    /// A frame that says up to which `seq` there are events.
    Head {
        conversation: Uuid,
        seq: u64,
    },
    /// A reply to `message.send`.
    Reply {
        client_id: Uuid,
        seq: u64,
    },
    /// The client began with these messages.
    Loaded {
        conversation: Uuid,
        last_seq: u64,
        is_new: bool,
        messages: Vec<Content>,
    },
    /// The client applied an event.
    Applied(Numbered),
    /// The client is no longer a member.
    Left {
        conversation: Uuid,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Duration,
    pub(crate) event: Event,
}

/// The entries of one client.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) name: String,
    pub(crate) user: Uuid,
    /// Whether it is the shipped client, which applies; raw sockets only receive.
    pub(crate) applies: bool,
    pub(crate) entries: Vec<Entry>,
}

/// Writes a history. Clones write the same one.
#[derive(Clone)]
pub(crate) struct Recorder {
    start: Instant,
    history: Arc<Mutex<History>>,
    /// The messages of the commands in flight, by the number of the command.
    sends: Arc<Mutex<HashMap<u64, Uuid>>>,
}

impl Content {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            client_id: message.client_id,
            seq: message.seq,
            message_no: message.message_no,
            text: message.text.clone().filter(|_| !message.is_deleted),
        }
    }
}

impl Numbered {
    pub(crate) fn of(change: &Change) -> Self {
        let content = match &change.kind {
            ChangeKind::Created(message) | ChangeKind::Edited(message) | ChangeKind::Deleted(message) => {
                Some(Content::of(message))
            }
            _ => None,
        };
        Self { conversation: change.conversation_id, seq: change.seq, content }
    }

    /// Reads the payload of an event's frame.
    fn of_payload(d: &Value) -> Option<Self> {
        let message: Option<Message> = serde_json::from_value(d["message"].clone()).ok();
        let content = message.as_ref().map(Content::of);
        Some(Self { conversation: id(&d["conversation_id"])?, seq: d["seq"].as_u64()?, content })
    }
}

impl Recorder {
    pub(crate) fn new(start: Instant, name: String, user: Uuid, applies: bool) -> Self {
        let history = History { name, user, applies, entries: Vec::new() };
        Self { start, history: Arc::new(Mutex::new(history)), sends: Arc::default() }
    }

    pub(crate) fn push(&self, event: Event) {
        let at = self.start.elapsed();
        lock(&self.history).entries.push(Entry { at, event });
    }

    /// A copy of what was recorded so far.
    pub(crate) fn history(&self) -> History {
        lock(&self.history).clone()
    }

    /// Records what the shipped client sends and receives.
    pub(crate) fn observer(&self) -> Observer {
        let recorder = self.clone();
        Arc::new(move |trace| match trace {
            Trace::Opened => recorder.push(Event::Opened),
            Trace::Closed => recorder.push(Event::Closed),
            Trace::Sent(text) => recorder.sent(text),
            Trace::Received(text) => recorder.received(text),
        })
    }

    pub(crate) fn loaded(&self, conversation: Uuid, page: &Page, is_new: bool) {
        let messages = page.messages.iter().map(Content::of).collect();
        self.push(Event::Loaded { conversation, last_seq: page.last_seq, is_new, messages });
    }

    fn sent(&self, text: &str) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return };
        if frame["op"] == "message.send"
            && let (Some(number), Some(client_id)) = (frame["id"].as_u64(), id(&frame["d"]["client_id"]))
        {
            lock(&self.sends).insert(number, client_id);
        }
    }

    /// Records what a frame from the server says.
    pub(crate) fn received(&self, text: &str) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return };
        if let Some(number) = frame["re"].as_u64() {
            return self.replied(number, &frame["ok"]);
        }
        let d = &frame["d"];
        if frame["ev"] == "conversation.head" {
            self.head(d);
        } else if let Some(numbered) = Numbered::of_payload(d) {
            self.push(Event::Frame(numbered));
        }
    }

    fn replied(&self, number: u64, ok: &Value) {
        for head in ok["heads"].as_array().into_iter().flatten() {
            self.head(head);
        }
        // Of `history`: what the client asked for, it has.
        for event in ok["events"].as_array().into_iter().flatten() {
            if let Some(Numbered { conversation, seq, .. }) = Numbered::of_payload(&event["d"]) {
                self.push(Event::Head { conversation, seq });
            }
        }
        if let (Some(seq), Some(client_id)) = (ok["seq"].as_u64(), lock(&self.sends).remove(&number)) {
            self.push(Event::Reply { client_id, seq });
        }
    }

    fn head(&self, head: &Value) {
        if let (Some(conversation), Some(seq)) = (id(&head["conversation_id"]), head["last_seq"].as_u64()) {
            self.push(Event::Head { conversation, seq });
        }
    }
}

fn id(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
