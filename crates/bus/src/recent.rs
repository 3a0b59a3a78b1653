//! Deduplication of envelopes that arrive by several partitions.

use std::collections::{HashSet, VecDeque};

use crate::envelope::Stamp;

/// The number of remembered envelopes. The copies of one are sent together, so few are between them.
const CAPACITY: usize = 4096;

/// The stamps of the last envelopes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    stamps: HashSet<Stamp>,
    order: VecDeque<Stamp>,
}

impl Recent {
    /// Records an envelope. Returns `false` if it was recorded before.
    pub(crate) fn insert(&mut self, stamp: Stamp) -> bool {
        if !self.stamps.insert(stamp) {
            return false;
        }
        self.order.push_back(stamp);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.stamps.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_recognised_and_memory_is_bounded() {
        let mut recent = Recent::default();
        let stamp = |number| Stamp { origin: 1, number };
        assert!(recent.insert(stamp(0)) && !recent.insert(stamp(0)));
        assert!(recent.insert(Stamp { origin: 2, number: 0 }));
        for number in 1..=10_000 {
            assert!(recent.insert(stamp(number)));
        }
        assert!(!recent.insert(stamp(10_000)) && recent.insert(stamp(0)));
        assert!(recent.stamps.len() <= CAPACITY && recent.order.len() <= CAPACITY);
    }
}
