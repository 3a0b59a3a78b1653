//! Which partitions a node wants, and which of them Redis has confirmed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::Partition;

/// How long a partition stays subscribed after it was last asked for, even if it seems unused: a connection subscribes
/// before it is registered.
const RECENT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Subscriptions {
    sets: Mutex<Sets>,
    /// Changes whenever one of the sets does.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Sets {
    /// With the time of the last request.
    wanted: HashMap<Partition, Instant>,
    confirmed: BTreeSet<Partition>,
}

/// What differs between the wanted and the confirmed partitions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) missing: Vec<Partition>,
    pub(super) unused: Vec<Partition>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        let wanted = HashMap::from([(Partition::All, Instant::now())]);
        let sets = Sets { wanted, confirmed: BTreeSet::new() };
        Self { sets: Mutex::new(sets), changes: watch::Sender::new(0) }
    }
}

impl Subscriptions {
    /// Adds partitions. Returns whether all of them are confirmed already.
    pub(super) fn add(&self, partitions: &[Partition]) -> bool {
        let mut sets = self.lock();
        let now = Instant::now();
        sets.wanted.extend(partitions.iter().map(|partition| (*partition, now)));
        let is_confirmed = sets.has_confirmed(partitions);
        drop(sets);
        if !is_confirmed {
            self.notify();
        }
        is_confirmed
    }

    /// Removes all partitions but these, and recent ones.
    pub(super) fn retain(&self, partitions: &[Partition]) {
        let now = Instant::now();
        self.lock().wanted.retain(|partition, since| {
            *partition == Partition::All || partitions.contains(partition) || now < *since + RECENT
        });
        self.notify();
    }

    /// Waits until all of `partitions` are confirmed.
    pub(super) async fn confirmed(&self, partitions: &[Partition]) {
        let mut changes = self.changes.subscribe();
        while !self.lock().has_confirmed(partitions) {
            // The sender lives as long as this borrow.
            let _ = changes.changed().await;
        }
    }

    /// The changes to make.
    pub(super) fn difference(&self) -> Difference {
        let sets = self.lock();
        let missing = sets.wanted.keys().filter(|wanted| !sets.confirmed.contains(*wanted)).copied();
        let unused = sets.confirmed.iter().filter(|confirmed| !sets.wanted.contains_key(*confirmed)).copied();
        Difference { missing: missing.collect(), unused: unused.collect() }
    }

    /// Records changes that Redis has confirmed.
    pub(super) fn confirm(&self, Difference { missing, unused }: &Difference) {
        let mut sets = self.lock();
        sets.confirmed.extend(missing);
        sets.confirmed.retain(|partition| !unused.contains(partition));
        drop(sets);
        self.notify();
    }

    /// Records that the connection, and with it every subscription, was lost.
    pub(super) fn reset(&self) {
        self.lock().confirmed.clear();
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn notify(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sets {
    fn has_confirmed(&self, partitions: &[Partition]) -> bool {
        partitions.iter().all(|partition| self.confirmed.contains(partition))
    }
}

impl Difference {
    pub(super) const fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unused_partitions_end_after_a_while_and_a_lost_connection_needs_all() {
        let subscriptions = Subscriptions::default();
        let [a, b] = [Partition::Users(1), Partition::Topics(2)];
        assert!(!subscriptions.add(&[a, b]));
        let mut first = subscriptions.difference();
        first.missing.sort_unstable();
        assert_eq!(first, Difference { missing: vec![Partition::All, a, b], unused: vec![] });
        subscriptions.confirm(&first);
        subscriptions.confirmed(&[a, b]).await;
        assert!(subscriptions.add(&[a]) && subscriptions.difference().is_empty());

        subscriptions.retain(&[a]);
        assert!(subscriptions.difference().is_empty(), "both were asked for just now");
        tokio::time::advance(RECENT).await;
        subscriptions.retain(&[a]);
        let second = subscriptions.difference();
        assert_eq!(second, Difference { missing: vec![], unused: vec![b] });
        subscriptions.confirm(&second);
        assert!(!subscriptions.add(&[b]));

        subscriptions.reset();
        assert_eq!(subscriptions.difference().missing.len(), 3);
    }
}
