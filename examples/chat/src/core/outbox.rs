//! Outgoing messages: kept until the server acknowledges them, sent one after the other.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

/// Messages that are not acknowledged yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    drafts: VecDeque<Draft>,
    /// Whether the first one was sent on this connection. The next one waits for the reply, which preserves the order.
    in_flight: bool,
    /// Do not send the first one before this time.
    not_before: Duration,
    /// How often the first one was rejected temporarily.
    pub(crate) rejections: u32,
}

#[derive(Debug)]
struct Draft {
    /// Stays the same across retries, so that the server stores the message once.
    client_id: Uuid,
    text: String,
}

impl Outbox {
    pub(crate) fn push(&mut self, client_id: Uuid, text: String) {
        self.drafts.push_back(Draft { client_id, text });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// The command to send now: for the first message, unless it is in flight or must wait.
    pub(crate) fn send(&mut self, now: Duration, conversation: Uuid) -> Option<Value> {
        if self.in_flight || now < self.not_before {
            return None;
        }
        let draft = self.drafts.front()?;
        self.in_flight = true;
        let Draft { client_id, text } = draft;
        Some(json!({ "conversation_id": conversation, "client_id": client_id, "text": text }))
    }

    /// When the next message can be sent; `None` if there is none or one is in flight.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.in_flight && !self.drafts.is_empty()).then_some(self.not_before)
    }

    /// Removes the first message, which was stored or rejected permanently, and returns its text.
    pub(crate) fn settle(&mut self) -> Option<String> {
        (self.in_flight, self.rejections) = (false, 0);
        self.drafts.pop_front().map(|draft| draft.text)
    }

    /// Schedules the first message to be sent again at `until`.
    pub(crate) fn put_off(&mut self, until: Duration) {
        self.in_flight = false;
        self.not_before = until;
        self.rejections += 1;
    }

    /// The connection was lost. It is unknown whether the message in flight was stored; the next connection sends it
    /// again.
    pub(crate) fn disconnect(&mut self) {
        self.in_flight = false;
    }
}
