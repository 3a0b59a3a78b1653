//! The state of a node's connection to the bus, and its counters.

use std::sync::atomic::{AtomicU64, Ordering};

use blegram_metrics::Histogram;
use tokio::sync::watch;

/// Whether envelopes may be lost now, and how often some may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether the node publishes to the bus.
    pub cannot_publish: bool,
    /// Whether the node misses envelopes of its subscriptions.
    pub cannot_receive: bool,
    /// Whether envelopes were dropped because the queue of outgoing ones was full, and it is not yet empty again.
    pub outbox_overflowed: bool,
    /// The same of received ones.
    pub inbox_overflowed: bool,
    /// The number of times after which the receiver should look for changes in the database: after a disconnection, an
    /// overflow, or a report of another node that it dropped envelopes.
    pub losses: u64,
}

impl Health {
    /// Whether envelopes may be lost now.
    pub const fn is_degraded(&self) -> bool {
        self.cannot_publish || self.cannot_receive || self.outbox_overflowed || self.inbox_overflowed
    }
}

/// What happened on a node's connection to the bus since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Envelopes that were passed on to be sent.
    pub published: u64,
    /// Envelopes of other nodes that were put into the inbox.
    pub received: u64,
    /// Outgoing envelopes that were dropped: the queue was full, the bus was not connected, or sending failed.
    pub dropped_outgoing: u64,
    /// Received envelopes that were dropped, because the inbox was full.
    pub dropped_incoming: u64,
    /// Received envelopes that were ignored: of a newer version, of an unknown kind, or malformed.
    pub ignored: u64,
    /// The number of times that the subscriptions were made, including the first.
    pub subscriptions: u64,
}

/// The state that the parts of a connection share.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) health: watch::Sender<Health>,
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) dropped_outgoing: AtomicU64,
    pub(crate) dropped_incoming: AtomicU64,
    pub(crate) ignored: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
    /// From when an envelope was made to when it arrived.
    pub(crate) lag: Histogram,
}

impl Monitor {
    pub(crate) fn new(health: Health) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            health: watch::Sender::new(health),
            published: zero(),
            received: zero(),
            dropped_outgoing: zero(),
            dropped_incoming: zero(),
            ignored: zero(),
            subscriptions: zero(),
            lag: Histogram::default(),
        }
    }

    /// Changes the state, and notifies the watchers if it differs.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Health)) {
        self.health.send_if_modified(|health| {
            let before = *health;
            change(health);
            match (before.is_degraded(), health.is_degraded()) {
                (false, true) => {
                    tracing::warn!(?health, "the bus is degraded: events of other nodes are late")
                }
                (true, false) => tracing::info!("the bus works"),
                _ => {}
            }
            before != *health
        });
    }

    /// Counts a loss.
    pub(crate) fn note_loss(&self) {
        self.update(|health| health.losses += 1);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            published: read(&self.published),
            received: read(&self.received),
            dropped_outgoing: read(&self.dropped_outgoing),
            dropped_incoming: read(&self.dropped_incoming),
            ignored: read(&self.ignored),
            subscriptions: read(&self.subscriptions),
        }
    }
}

pub(crate) fn increment(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
