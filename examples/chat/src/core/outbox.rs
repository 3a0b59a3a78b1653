//! Messages on their way: kept until the server has them, sent one after the other.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

/// What was typed and not acknowledged yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    drafts: VecDeque<Draft>,
    /// Whether the first one was sent on this connection: the next waits for its answer, which keeps the order.
    in_flight: bool,
    /// The first one is not sent before.
    not_before: Duration,
    /// How often the first one was put off.
    pub(crate) refusals: u32,
}

#[derive(Debug)]
struct Draft {
    /// The same however often it is sent: the server stores it once.
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

    /// What to send now: the first one, unless it is on its way or is to wait.
    pub(crate) fn send(&mut self, now: Duration, conversation: Uuid) -> Option<Value> {
        if self.in_flight || now < self.not_before {
            return None;
        }
        let draft = self.drafts.front()?;
        self.in_flight = true;
        let Draft { client_id, text } = draft;
        Some(json!({ "conversation_id": conversation, "client_id": client_id, "text": text }))
    }

    /// When there will be something to send.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.in_flight && !self.drafts.is_empty()).then_some(self.not_before)
    }

    /// The first one is stored, or will never be.
    pub(crate) fn settle(&mut self) -> Option<String> {
        (self.in_flight, self.refusals) = (false, 0);
        self.drafts.pop_front().map(|draft| draft.text)
    }

    /// The first one is to be sent again, not before.
    pub(crate) fn put_off(&mut self, until: Duration) {
        self.in_flight = false;
        self.not_before = until;
        self.refusals += 1;
    }

    /// Whether it was stored is not known of the one in flight; it is sent again on the next connection.
    pub(crate) fn disconnect(&mut self) {
        self.in_flight = false;
    }
}
