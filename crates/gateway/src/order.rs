//! The order of what happens in conversations, as a node hears of it.
//!
//! Each event has a number without gap, and is told by whoever committed it; two that were committed one after the other
//! may be told the other way round. Most clients would notice and pull what they miss, so a short wait saves them that.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use blegram_domain::ConversationId;
use tokio::time::Instant;

/// How long an event waits for those before it. Then it is told without them, and clients pull what is missing.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// For how long it is remembered what was told of a conversation.
const MEMORY: Duration = Duration::from_secs(60);

/// What was told of each conversation, and what waits; `T` is what there is to tell.
#[derive(Debug)]
pub(crate) struct Order<T>(HashMap<ConversationId, Line<T>>);

#[derive(Debug)]
struct Line<T> {
    given: u64,
    waiting: BTreeMap<u64, T>,
    touched: Instant,
}

impl<T> Order<T> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Takes event `seq`, and answers what is to be told now, in order. What was told before is told once.
    pub(crate) fn take(&mut self, now: Instant, of: ConversationId, seq: u64, what: T) -> Vec<T> {
        let new = || Line { given: seq - 1, waiting: BTreeMap::new(), touched: now };
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

    /// Whether some wait.
    pub(crate) fn has_waiting(&self) -> bool {
        self.0.values().any(|line| !line.waiting.is_empty())
    }

    /// What waited long enough, in the order of each conversation.
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

    /// The last event that was told of a conversation, if that is remembered.
    pub(crate) fn given(&self, of: ConversationId) -> Option<u64> {
        self.0.get(&of).map(|line| line.given)
    }

    /// Notes that everything up to `seq` is told.
    pub(crate) fn give(&mut self, now: Instant, of: ConversationId, seq: u64) {
        let line = self.0.entry(of).or_insert(Line { given: seq, waiting: BTreeMap::new(), touched: now });
        line.given = line.given.max(seq);
        line.waiting.retain(|waiting, _| *waiting > seq);
    }

    /// Forgets conversations of which nothing was told for long.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.0.retain(|_, line| !line.waiting.is_empty() || now < line.touched + MEMORY);
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

impl<T> Line<T> {
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
        let mut order = Order::new();
        assert_eq!(order.take(now, of, 7, 7), [7], "the first that is heard of is the first");
        assert_eq!(order.take(now, of, 9, 9), [0u64; 0]);
        assert!(order.has_waiting() && order.take_late(now).is_empty());
        assert_eq!(order.take(now, of, 8, 8), [8, 9]);
        assert_eq!(order.take(now, of, 8, 8), [0u64; 0], "once");
        assert_eq!(order.take(now, of, 12, 12), [0u64; 0]);
        assert_eq!(order.take(now, of, 11, 11), [0u64; 0]);
        assert_eq!(order.take_late(now + PATIENCE), [11, 12]);
        assert_eq!((order.given(of), order.has_waiting()), (Some(12), false));
        order.give(now, of, 20);
        assert_eq!(order.take(now, of, 15, 15), [0u64; 0]);
        assert_eq!(order.take(now, of, 21, 21), [21]);
        order.forget(now + MEMORY);
        assert_eq!(order.given(of), None);
    }

    proptest! {
        #[test]
        fn whatever_the_order_each_is_told_once(seqs in Just((1..=50u64).collect::<Vec<_>>()).prop_shuffle()) {
            let (now, of) = (Instant::now(), conversation());
            let mut order = Order::new();
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
