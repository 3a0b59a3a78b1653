//! Outgoing messages of a conversation: stored until the server acknowledges them, sent one after the other.

use std::{collections::VecDeque, time::Duration};

use crate::types::MessageSendCommand;

/// Maximum size of a message in UTF-8, and as JSON, where it must fit into a frame of 16 KiB with the rest of the
/// command.
const MAX_TEXT_BYTES: usize = 8 * 1024;
const MAX_JSON_BYTES: usize = 15 * 1024;

/// Messages that are not acknowledged yet, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Their `client_id`s stay the same across retries, so that the server stores each message once.
    drafts: VecDeque<MessageSendCommand>,
    /// Whether the first one was sent on this connection. The next one waits for the reply, which preserves the order.
    in_flight: bool,
    /// Do not send the first one before this time.
    not_before: Duration,
    /// How often the first one was rejected temporarily.
    pub(super) rejections: u32,
}

impl Outbox {
    pub(super) fn push(&mut self, draft: MessageSendCommand) {
        self.drafts.push_back(draft);
    }

    pub(super) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// The message to send now: the first, unless it is in flight or must wait.
    pub(super) fn send(&mut self, now: Duration) -> Option<&MessageSendCommand> {
        if self.in_flight || now < self.not_before {
            return None;
        }
        let draft = self.drafts.front()?;
        self.in_flight = true;
        Some(draft)
    }

    /// When the next message can be sent; `None` if there is none or one is in flight.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.in_flight && !self.drafts.is_empty()).then_some(self.not_before)
    }

    /// Removes the first message, which was stored or rejected permanently.
    pub(super) fn settle(&mut self) -> Option<MessageSendCommand> {
        (self.in_flight, self.rejections) = (false, 0);
        self.drafts.pop_front()
    }

    /// Schedules the first message to be sent again at `until`.
    pub(super) fn put_off(&mut self, until: Duration) {
        self.in_flight = false;
        self.not_before = until;
        self.rejections += 1;
    }

    /// The connection was lost. It is unknown whether the message in flight was stored; the next connection sends it
    /// again.
    pub(super) fn disconnect(&mut self) {
        self.in_flight = false;
    }

    pub(super) fn into_drafts(self) -> impl Iterator<Item = MessageSendCommand> {
        self.drafts.into_iter()
    }
}

/// Checked before sending: a frame that is too large would end the connection each time it is sent.
pub(super) fn is_too_long(draft: &MessageSendCommand) -> bool {
    let text = draft.text.as_deref().unwrap_or_default();
    let json = serde_json::to_string(draft).map_or(usize::MAX, |json| json.len());
    text.len() > MAX_TEXT_BYTES || json > MAX_JSON_BYTES
}
