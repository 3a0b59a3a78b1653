//! Turns messages of other nodes into envelopes for the inbox.

use std::sync::Arc;

use blegram_domain::{Clock, SystemClock};
use bytes::Bytes;

use crate::{
    envelope::{self, Received, Unreadable},
    health::{Monitor, increment},
    inbox::Slot,
    outbox::{GREETING, LOST},
    recent::Recent,
};

#[derive(Debug)]
pub(crate) struct Intake {
    /// The number in the stamps of this node, whose own messages come back.
    pub(crate) origin: u64,
    pub(crate) slot: Slot,
    pub(crate) monitor: Arc<Monitor>,
    recent: Recent,
}

impl Intake {
    pub(crate) fn new(origin: u64, slot: Slot, monitor: &Arc<Monitor>) -> Self {
        Self { origin, slot, monitor: Arc::clone(monitor), recent: Recent::default() }
    }

    /// Accepts a message. Drops copies, and counts what this version cannot read. Returns whether it is of another node.
    pub(crate) fn accept(&mut self, bytes: &Bytes) -> bool {
        match envelope::decode(bytes) {
            Ok(Received { stamp, .. }) if stamp.origin == self.origin => return false,
            Ok(Received { stamp, .. }) if !self.recent.insert(stamp) => {}
            Ok(Received { envelope, .. }) if envelope.kind == LOST => {
                self.monitor.update(|health| health.losses += 1);
            }
            Ok(Received { envelope, .. }) if envelope.kind == GREETING => {}
            Ok(Received { envelope, made_at, .. }) => {
                if let Some(made_at) = made_at {
                    // Zero if the clock of the other node is ahead.
                    self.monitor.lag.record(SystemClock.now().since(made_at));
                }
                self.slot.put(envelope);
            }
            Err(Unreadable::Newer) => increment(&self.monitor.ignored),
            Err(Unreadable::Malformed) => {
                increment(&self.monitor.ignored);
                tracing::debug!("ignored a malformed message on the bus");
            }
        }
        true
    }
}
