//! The queue of outgoing envelopes of a bus that sends them in another task.
//!
//! It is bounded in number and in bytes, and it never waits: what does not fit is dropped and counted, and the node is
//! degraded until the queue is empty again. Then, and after a disconnection, [`Queue::take_losses`] yields an envelope
//! that notifies the other nodes that they missed some.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use blegram_domain::{Clock, SystemClock};
use rand::RngExt;
use tokio::sync::mpsc;

use crate::{
    Envelope, Key, Partition,
    envelope::{self, Stamp},
    health::{Monitor, increment},
};

/// The capacity.
const CAPACITY: usize = 2048;

/// The capacity in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The largest number of partitions that one envelope is sent to. Above it, it is sent to all nodes, so that a message to
/// a large group costs no more.
const MAX_PARTITIONS: usize = 8;

/// The kind of the envelope that notifies other nodes that envelopes were dropped.
pub(crate) const LOST: &str = "bus.lost";

/// The kind of an envelope that only shows that a node is there.
pub(crate) const GREETING: &str = "bus.greeting";

/// An encoded envelope.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) partitions: Vec<Partition>,
    pub(crate) bytes: Vec<u8>,
}

/// The end that publishes.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
}

/// The end that sends.
#[derive(Debug)]
pub(crate) struct Queue {
    receiver: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Distinguishes this connection to the bus from all others.
    origin: u64,
    last_number: AtomicU64,
    queued_bytes: AtomicUsize,
    /// Whether envelopes were dropped that other nodes have not been notified of.
    has_dropped: AtomicBool,
    monitor: Arc<Monitor>,
}

pub(crate) fn outbox(monitor: &Arc<Monitor>) -> (Outbox, Queue) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let shared = Arc::new(Shared {
        origin: rand::rng().random(),
        last_number: AtomicU64::new(0),
        queued_bytes: AtomicUsize::new(0),
        has_dropped: AtomicBool::new(false),
        monitor: Arc::clone(monitor),
    });
    (Outbox { sender, shared: Arc::clone(&shared) }, Queue { receiver, shared })
}

impl Outbox {
    /// The number in the stamps of this node.
    pub(crate) fn origin(&self) -> u64 {
        self.shared.origin
    }

    pub(crate) fn put(&self, envelope: &Envelope) {
        let Self { sender, shared } = self;
        if shared.monitor.health.borrow().cannot_publish {
            // A queue would only delay these: receivers look for changes in the database meanwhile.
            return shared.drop_outgoing(1);
        }
        let outgoing = shared.encode(envelope);
        let size = outgoing.bytes.len();
        let is_full = shared.queued_bytes.fetch_add(size, Ordering::AcqRel) + size > MAX_BYTES;
        if is_full || sender.try_send(outgoing).is_err() {
            shared.queued_bytes.fetch_sub(size, Ordering::AcqRel);
            shared.drop_outgoing(1);
            return shared.monitor.update(|health| health.outbox_overflowed = true);
        }
        increment(&shared.monitor.published);
    }
}

impl Queue {
    /// Waits for envelopes, and moves up to `limit` of them into `batch`. Returns `false` if there will be no more.
    /// Cancel-safe.
    pub(crate) async fn receive(&mut self, batch: &mut Vec<Outgoing>, limit: usize) -> bool {
        self.receiver.recv_many(batch, limit).await > 0
    }

    /// Records that the envelopes of `batch` were sent, or not, and empties it.
    pub(crate) fn finish(&self, batch: &mut Vec<Outgoing>, is_sent: bool) {
        let size = batch.iter().map(|outgoing| outgoing.bytes.len()).sum();
        self.shared.queued_bytes.fetch_sub(size, Ordering::AcqRel);
        if !is_sent {
            self.shared.drop_outgoing(batch.len());
        }
        batch.clear();
    }

    /// Drops all envelopes, after a disconnection.
    pub(crate) fn discard(&mut self) {
        while let Ok(outgoing) = self.receiver.try_recv() {
            self.finish(&mut vec![outgoing], false);
        }
    }

    /// If envelopes were dropped, and the queue is empty again: the envelope that notifies other nodes.
    pub(crate) fn take_losses(&self) -> Option<Outgoing> {
        if !self.receiver.is_empty() {
            return None;
        }
        self.shared.monitor.update(|health| health.outbox_overflowed = false);
        let has_dropped = self.shared.has_dropped.swap(false, Ordering::AcqRel);
        has_dropped.then(|| self.for_all(LOST))
    }

    /// An envelope without content for all nodes.
    pub(crate) fn for_all(&self, kind: &'static str) -> Outgoing {
        self.shared.encode(&Envelope::new(kind, vec![Key::All], Vec::new()))
    }

    /// Counts an envelope that this bus cannot send.
    pub(crate) fn drop_one(&self) {
        self.shared.drop_outgoing(1);
    }

    /// Records that envelopes were dropped.
    pub(crate) fn note_loss(&self) {
        self.shared.has_dropped.store(true, Ordering::Release);
    }
}

impl Shared {
    fn encode(&self, envelope: &Envelope) -> Outgoing {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let bytes = envelope::encode(envelope, Stamp { origin: self.origin, number }, SystemClock.now());
        Outgoing { partitions: partitions(&envelope.keys), bytes }
    }

    fn drop_outgoing(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.monitor.dropped_outgoing.fetch_add(count, Ordering::Relaxed);
        self.has_dropped.store(true, Ordering::Release);
    }
}

/// The partitions to send an envelope to.
fn partitions(keys: &[Key]) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = keys.iter().map(Key::partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    // `All` sorts first.
    if partitions.len() > MAX_PARTITIONS || partitions.first() == Some(&Partition::All) {
        return vec![Partition::All];
    }
    partitions
}

#[cfg(test)]
mod tests {
    use blegram_domain::UserId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn large_audiences_have_one_partition() {
        let users = |count| (0..count).map(|n| Key::User(UserId::from_uuid(Uuid::from_u128(n)))).collect();
        let keys: Vec<Key> = users(3);
        assert!((1..=3).contains(&partitions(&keys).len()) && !partitions(&keys).contains(&Partition::All));
        assert_eq!(partitions(&[keys[0].clone(), keys[0].clone()]).len(), 1);
        let keys: Vec<Key> = users(64);
        assert_eq!(partitions(&keys), [Partition::All]);
        assert_eq!(partitions(&[Key::Topic("a".into()), Key::All]), [Partition::All]);
    }
}
