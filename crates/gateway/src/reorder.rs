//! A reorder buffer for the events of conversations.
//!
//! The events of a conversation are numbered without gaps. Each is published by the task that committed it, so events
//! can arrive at the hub in another order than that of their commits, and those of other nodes can be lost. Clients
//! would notice a gap and fetch the missing events, each of them. The buffer avoids that: it delays an event for a short
//! time if earlier ones are missing, and then reports the hole, so that the missing events are read once for all.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use blegram_domain::ConversationId;
use tokio::time::Instant;

/// How long an event waits for earlier ones. Then the hole is reported.
pub(crate) const MAX_DELAY: Duration = Duration::from_millis(50);

/// How long an event waits for the events of a reported hole. Then it is delivered without them, and clients fetch them.
pub(crate) const MAX_REPAIR: Duration = Duration::from_secs(1);

/// Missing events of a conversation: those between two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the last delivered event.
    pub after: u64,
    /// The number of the first event that waits.
    pub before: u64,
}

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
    /// The number of the first waiting event when the hole was reported.
    reported: Option<u64>,
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
        let new = || Pending { delivered: seq - 1, waiting: BTreeMap::new(), active_at: now, reported: None };
        let pending = self.0.entry(conversation).or_insert_with(new);
        if seq <= pending.delivered {
            return Vec::new();
        }
        if pending.waiting.is_empty() {
            (pending.active_at, pending.reported) = (now, None);
        }
        pending.waiting.insert(seq, event);
        pending.release()
    }

    /// Whether any events wait.
    pub(crate) fn has_waiting(&self) -> bool {
        self.0.values().any(|pending| !pending.waiting.is_empty())
    }

    /// The holes before events that have waited for [`MAX_DELAY`], each once.
    pub(crate) fn take_holes(&mut self, now: Instant) -> Vec<Hole> {
        let late = self.0.iter_mut().filter(|(_, pending)| now >= pending.active_at + MAX_DELAY);
        let hole = |(conversation, pending): (&ConversationId, &mut Pending<T>)| {
            let before = *pending.waiting.first_key_value()?.0;
            let is_new = pending.reported.replace(before) != Some(before);
            is_new.then_some(Hole { conversation: *conversation, after: pending.delivered, before })
        };
        late.filter_map(hole).collect()
    }

    /// Removes and returns the events that have waited for `patience`, in the order of each conversation.
    pub(crate) fn take_overdue(&mut self, now: Instant, patience: Duration) -> Vec<T> {
        let late = self.0.values_mut().filter(|pending| now >= pending.active_at + patience);
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
            reported: None,
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
        assert!(buffer.has_waiting() && buffer.take_overdue(now, MAX_DELAY).is_empty());
        assert_eq!(buffer.insert(now, conversation, 8, 8), [8, 9]);
        assert_eq!(buffer.insert(now, conversation, 8, 8), [0u64; 0], "a duplicate is ignored");
        assert_eq!(buffer.insert(now, conversation, 12, 12), [0u64; 0]);
        assert_eq!(buffer.insert(now, conversation, 11, 11), [0u64; 0]);
        assert_eq!(buffer.take_overdue(now + MAX_DELAY, MAX_DELAY), [11, 12]);
        assert_eq!((buffer.delivered(conversation), buffer.has_waiting()), (Some(12), false));
        buffer.mark_delivered(now, conversation, 20);
        assert_eq!(buffer.insert(now, conversation, 15, 15), [0u64; 0]);
        assert_eq!(buffer.insert(now, conversation, 21, 21), [21]);
        buffer.prune(now + IDLE_RETENTION);
        assert_eq!(buffer.delivered(conversation), None);
    }

    #[test]
    fn each_hole_is_reported_once_and_filled_in_order() {
        let (now, conversation) = (Instant::now(), conversation());
        let mut buffer = ReorderBuffer::new();
        for seq in [1, 4, 7] {
            buffer.insert(now, conversation, seq, seq);
        }
        assert!(buffer.take_holes(now).is_empty(), "they may only be late");
        let later = now + MAX_DELAY;
        assert_eq!(buffer.take_holes(later), [Hole { conversation, after: 1, before: 4 }]);
        assert!(buffer.take_holes(later).is_empty());
        assert_eq!(buffer.insert(later, conversation, 2, 2), [2]);
        assert_eq!(buffer.insert(later, conversation, 3, 3), [3, 4]);
        assert_eq!(buffer.take_holes(later), [Hole { conversation, after: 4, before: 7 }]);
        assert!(buffer.take_overdue(later, MAX_REPAIR).is_empty());
        assert_eq!(buffer.take_overdue(now + MAX_REPAIR, MAX_REPAIR), [7], "clients fetch the others");
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
            delivered.extend(buffer.take_overdue(now + MAX_DELAY, MAX_DELAY));
            prop_assert_eq!(delivered, (first..=50).collect::<Vec<_>>());
        }
    }
}
