//! The queue of received envelopes.
//!
//! It is bounded. When it is full, further envelopes are dropped and counted, and the node is degraded until the queue
//! is empty again: the connection to the bus must never wait for the delivery, or Redis would disconnect a slow node.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    Envelope,
    health::{Monitor, increment},
};

/// The capacity. An envelope takes about two kilobytes.
pub(crate) const CAPACITY: usize = 4096;

/// The receiving end.
pub struct Inbox {
    envelopes: mpsc::Receiver<Envelope>,
    monitor: Arc<Monitor>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    envelopes: mpsc::Sender<Envelope>,
    monitor: Arc<Monitor>,
}

pub(crate) fn inbox(capacity: usize, monitor: &Arc<Monitor>) -> (Slot, Inbox) {
    let (sender, envelopes) = mpsc::channel(capacity);
    let monitor = || Arc::clone(monitor);
    (Slot { envelopes: sender, monitor: monitor() }, Inbox { envelopes, monitor: monitor() })
}

impl Slot {
    pub(crate) fn put(&self, envelope: Envelope) {
        match self.envelopes.try_send(envelope) {
            Ok(()) => increment(&self.monitor.received),
            Err(_) => {
                increment(&self.monitor.dropped_incoming);
                self.monitor.update(|health| health.inbox_overflowed = true);
            }
        }
    }
}

impl Inbox {
    /// Waits for the next envelope. Cancel-safe.
    pub async fn receive(&mut self) -> Envelope {
        if self.envelopes.is_empty() {
            self.clear_overflow();
        }
        match self.envelopes.recv().await {
            Some(envelope) => envelope,
            // The bus was dropped.
            None => std::future::pending().await,
        }
    }

    /// The queue is empty again: what was dropped has to be looked up.
    fn clear_overflow(&self) {
        if self.monitor.health.borrow().inbox_overflowed {
            self.monitor.update(|health| {
                health.inbox_overflowed = false;
                health.losses += 1;
            });
        }
    }

    /// Counts a received envelope that is ignored: its kind is unknown, or its payload cannot be parsed.
    pub fn ignore(&self, envelope: &Envelope, error: Option<&(dyn std::error::Error + 'static)>) {
        increment(&self.monitor.ignored);
        tracing::debug!(kind = %envelope.kind, error, "ignored an event of another node");
    }
}
