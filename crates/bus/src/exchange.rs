//! The bus between the nodes of one process: for a site with one node, which is alone on it, and for programs that run
//! several nodes in one process, such as tests and simulations.

use std::{
    collections::HashSet,
    future::{pending, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blegram_metrics::HistogramSnapshot;
use tokio::sync::watch;

use crate::{
    Bus, Connected, Counts, Envelope, Health, Key, Partition, Work,
    health::{Monitor, increment},
    inbox::{self, Slot},
};

/// Connects nodes of one process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    last_number: u64,
    all: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    number: u64,
    partitions: HashSet<Partition>,
    slot: Slot,
}

/// The connection of one node; it leaves when it is dropped.
struct ExchangeBus {
    exchange: Exchange,
    number: u64,
    monitor: Arc<Monitor>,
}

impl Exchange {
    /// Connects a node.
    pub fn connect(&self) -> Connected {
        let monitor = Arc::new(Monitor::new(Health::default()));
        let (slot, inbox) = inbox::inbox(inbox::CAPACITY, &monitor);
        let mut members = self.lock();
        members.last_number += 1;
        let number = members.last_number;
        members.all.push(Member { number, partitions: HashSet::from([Partition::All]), slot });
        drop(members);
        let bus = Arc::new(ExchangeBus { exchange: self.clone(), number, monitor });
        Connected { bus, inbox, work: Box::pin(pending()) }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExchangeBus {
    fn with_partitions(&self, change: impl FnOnce(&mut HashSet<Partition>)) {
        let mut members = self.exchange.lock();
        if let Some(member) = members.all.iter_mut().find(|member| member.number == self.number) {
            change(&mut member.partitions);
        }
    }
}

impl Bus for ExchangeBus {
    fn has_others(&self) -> bool {
        self.exchange.lock().all.len() > 1
    }

    fn publish(&self, envelope: Envelope) {
        increment(&self.monitor.published);
        let partitions: HashSet<Partition> = envelope.keys.iter().map(Key::partition).collect();
        let members = self.exchange.lock();
        let others = members.all.iter().filter(|member| member.number != self.number);
        // Under the lock, so that all nodes receive the envelopes of one node in order.
        for member in others.filter(|member| !member.partitions.is_disjoint(&partitions)) {
            member.slot.put(envelope.clone());
        }
    }

    fn subscribe<'a>(&'a self, partitions: &[Partition]) -> Work<'a, bool> {
        self.with_partitions(|all| all.extend(partitions));
        Box::pin(ready(true))
    }

    /// Subscriptions are free here.
    fn retain(&self, _: &[Partition]) {}

    fn note_loss(&self) {
        self.monitor.note_loss();
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.monitor.health.subscribe()
    }

    fn counts(&self) -> Counts {
        self.monitor.counts()
    }

    fn lag(&self) -> HistogramSnapshot {
        self.monitor.lag.snapshot()
    }
}

impl Drop for ExchangeBus {
    fn drop(&mut self) {
        self.exchange.lock().all.retain(|member| member.number != self.number);
    }
}
