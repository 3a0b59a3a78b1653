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
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// How long the buffer remembers the position of an inactive conversation.
const MEMORY: Duration = Duration::from_secs(60);

/// The position and the waiting events of each conversation; `T` is an event.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T>(HashMap<ConversationId, Pending<T>>);

#[derive(Debug)]
struct Pending<T> {
    given: u64,
    waiting: BTreeMap<u64, T>,
    touched: Instant,
}

impl<T> ReorderBuffer<T> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Adds event `seq` and returns the events that are now due, in order. Ignores an event that was delivered before.
    pub(crate) fn take(&mut self, now: Instant, of: ConversationId, seq: u64, what: T) -> Vec<T> {
        let new = || Pending { given: seq - 1, waiting: BTreeMap::new(), touched: now };
        let line = self.0.entry(of).or_insert_with(new);
        if seq <= line.given {
            return Vec::new();
        }
        if line.waiting.is_empty() {
            line.touched = now;
        }
        line.waiting.insert(seq, what);
        line.release()
    }

    /// Whether any events wait.
    pub(crate) fn has_waiting(&self) -> bool {
        self.0.values().any(|line| !line.waiting.is_empty())
    }

    /// Removes and returns the events that have waited for [`PATIENCE`], in the order of each conversation.
    pub(crate) fn take_late(&mut self, now: Instant) -> Vec<T> {
        let late = self.0.values_mut().filter(|line| now >= line.touched + PATIENCE);
        late.flat_map(|line| {
            if let Some((first, _)) = line.waiting.first_key_value() {
                line.given = first - 1;
            }
            line.release()
        })
        .collect()
    }

    /// The `seq` of the last delivered event of a conversation, if it is remembered.
    pub(crate) fn given(&self, of: ConversationId) -> Option<u64> {
        self.0.get(&of).map(|line| line.given)
    }

    /// Marks all events up to `seq` as delivered.
    pub(crate) fn give(&mut self, now: Instant, of: ConversationId, seq: u64) {
        let line = self.0.entry(of).or_insert(Pending { given: seq, waiting: BTreeMap::new(), touched: now });
        line.given = line.given.max(seq);
        line.waiting.retain(|waiting, _| *waiting > seq);
    }

    /// Removes conversations that were inactive for [`MEMORY`].
    pub(crate) fn prune(&mut self, now: Instant) {
        self.0.retain(|_, line| !line.waiting.is_empty() || now < line.touched + MEMORY);
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

impl<T> Pending<T> {
    fn release(&mut self) -> Vec<T> {
        let mut released = Vec::new();
        while let Some(what) = self.waiting.remove(&(self.given + 1)) {
            self.given += 1;
            released.push(what);
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
    fn later_ones_wait_for_earlier_ones_a_moment() {
        let (now, of) = (Instant::now(), conversation());
        let mut order = ReorderBuffer::new();
        assert_eq!(order.take(now, of, 7, 7), [7], "the first event sets the position");
        assert_eq!(order.take(now, of, 9, 9), [0u64; 0]);
        assert!(order.has_waiting() && order.take_late(now).is_empty());
        assert_eq!(order.take(now, of, 8, 8), [8, 9]);
        assert_eq!(order.take(now, of, 8, 8), [0u64; 0], "a duplicate is ignored");
        assert_eq!(order.take(now, of, 12, 12), [0u64; 0]);
        assert_eq!(order.take(now, of, 11, 11), [0u64; 0]);
        assert_eq!(order.take_late(now + PATIENCE), [11, 12]);
        assert_eq!((order.given(of), order.has_waiting()), (Some(12), false));
        order.give(now, of, 20);
        assert_eq!(order.take(now, of, 15, 15), [0u64; 0]);
        assert_eq!(order.take(now, of, 21, 21), [21]);
        order.prune(now + MEMORY);
        assert_eq!(order.given(of), None);
    }

    proptest! {
        #[test]
        fn whatever_the_order_each_is_told_once(seqs in Just((1..=50u64).collect::<Vec<_>>()).prop_shuffle()) {
            let (now, of) = (Instant::now(), conversation());
            let mut order = ReorderBuffer::new();
            let first = seqs[0];
            let mut told: Vec<u64> = Vec::new();
            for seq in seqs {
                told.extend(order.take(now, of, seq, seq));
            }
            told.extend(order.take_late(now + PATIENCE));
            prop_assert_eq!(told, (first..=50).collect::<Vec<_>>());
        }
    }
}
