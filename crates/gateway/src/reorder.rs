//! A reorder buffer for the events of conversations.
//!
//! The events of a conversation are numbered without gaps. Each is published by the task that committed it, so events
//! can arrive at the hub in another order than that of their commits. Clients would notice a gap and fetch the missing
//! events. The buffer avoids that: it delays an event for a short time if earlier ones are missing.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use blegram_domain::ConversationId;
use tokio::time::Instant;

/// How long an event waits for earlier ones. Then it is delivered without them, and clients fetch the missing events.
pub(crate) const MAX_DELAY: Duration = Duration::from_millis(50);

/// How long the buffer remembers the position of an inactive conversation.
const IDLE_RETENTION: Duration = Duration::from_secs(60);

/// The position and the waiting events of each conversation; `T` is an event.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T>(HashMap<ConversationId, Pending<T>>);

#[derive(Debug)]
struct Pending<T> {
    delivered: u64,
    waiting: BTreeMap<u64, T>,
    active_at: Instant,
}

impl<T> ReorderBuffer<T> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Adds event `seq` and returns the events that are now due, in order. Ignores an event that was delivered before.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        conversation: ConversationId,
        seq: u64,
        event: T,
    ) -> Vec<T> {
        let new = || Pending { delivered: seq - 1, waiting: BTreeMap::new(), active_at: now };
        let pending = self.0.entry(conversation).or_insert_with(new);
        if seq <= pending.delivered {
            return Vec::new();
        }
        if pending.waiting.is_empty() {
            pending.active_at = now;
        }
        pending.waiting.insert(seq, event);
        pending.release()
    }

    /// Whether any events wait.
    pub(crate) fn has_waiting(&self) -> bool {
        self.0.values().any(|pending| !pending.waiting.is_empty())
    }

    /// Removes and returns the events that have waited for [`MAX_DELAY`], in the order of each conversation.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<T> {
        let late = self.0.values_mut().filter(|pending| now >= pending.active_at + MAX_DELAY);
        late.flat_map(|pending| {
            if let Some((first, _)) = pending.waiting.first_key_value() {
                pending.delivered = first - 1;
            }
            pending.release()
        })
        .collect()
    }

    /// The `seq` of the last delivered event of a conversation, if it is remembered.
    pub(crate) fn delivered(&self, conversation: ConversationId) -> Option<u64> {
        self.0.get(&conversation).map(|pending| pending.delivered)
    }

    /// Marks all events up to `seq` as delivered.
    pub(crate) fn mark_delivered(&mut self, now: Instant, conversation: ConversationId, seq: u64) {
        let pending = self.0.entry(conversation).or_insert(Pending {
            delivered: seq,
            waiting: BTreeMap::new(),
            active_at: now,
        });
        pending.delivered = pending.delivered.max(seq);
        pending.waiting.retain(|waiting, _| *waiting > seq);
    }

    /// Removes conversations that were inactive for [`IDLE_RETENTION`].
    pub(crate) fn prune(&mut self, now: Instant) {
        self.0.retain(|_, pending| !pending.waiting.is_empty() || now < pending.active_at + IDLE_RETENTION);
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

impl<T> Pending<T> {
    fn release(&mut self) -> Vec<T> {
        let mut released = Vec::new();
        while let Some(event) = self.waiting.remove(&(self.delivered + 1)) {
            self.delivered += 1;
            released.push(event);
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn conversation() -> ConversationId {
        ConversationId::from_uuid(Uuid::from_u128(1))
    }

    #[test]
    fn later_events_wait_briefly_for_missing_ones() {
        let (now, conversation) = (Instant::now(), conversation());
        let mut buffer = ReorderBuffer::new();
        assert_eq!(buffer.insert(now, conversation, 7, 7), [7], "the first event sets the position");
        assert_eq!(buffer.insert(now, conversation, 9, 9), [0u64; 0]);
        assert!(buffer.has_waiting() && buffer.take_overdue(now).is_empty());
        assert_eq!(buffer.insert(now, conversation, 8, 8), [8, 9]);
        assert_eq!(buffer.insert(now, conversation, 8, 8), [0u64; 0], "a duplicate is ignored");
        assert_eq!(buffer.insert(now, conversation, 12, 12), [0u64; 0]);
        assert_eq!(buffer.insert(now, conversation, 11, 11), [0u64; 0]);
        assert_eq!(buffer.take_overdue(now + MAX_DELAY), [11, 12]);
        assert_eq!((buffer.delivered(conversation), buffer.has_waiting()), (Some(12), false));
        buffer.mark_delivered(now, conversation, 20);
        assert_eq!(buffer.insert(now, conversation, 15, 15), [0u64; 0]);
        assert_eq!(buffer.insert(now, conversation, 21, 21), [21]);
        buffer.prune(now + IDLE_RETENTION);
        assert_eq!(buffer.delivered(conversation), None);
    }

    proptest! {
        #[test]
        fn events_are_delivered_once_and_in_order(seqs in Just((1..=50u64).collect::<Vec<_>>()).prop_shuffle()) {
            let (now, conversation) = (Instant::now(), conversation());
            let mut buffer = ReorderBuffer::new();
            let first = seqs[0];
            let mut delivered: Vec<u64> = Vec::new();
            for seq in seqs {
                delivered.extend(buffer.insert(now, conversation, seq, seq));
            }
            delivered.extend(buffer.take_overdue(now + MAX_DELAY));
            prop_assert_eq!(delivered, (first..=50).collect::<Vec<_>>());
        }
    }
}
