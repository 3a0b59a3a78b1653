//! Integration tests on real Redis servers.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod outage;
mod overflow;
mod publishing;

use std::time::Duration;

use blegram_bus::{Bus, Connected, Counts, Envelope, Health, Inbox, Key, RedisBus, RedisSettings};
use blegram_domain::UserId;
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The longest time that a test waits for anything.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connected node, whose work ends with it.
struct Node {
    bus: Arc<dyn Bus>,
    inbox: Inbox,
    _work: JoinSet<()>,
}

impl Node {
    /// Connects, and waits until the bus works.
    async fn connect(settings: &RedisSettings) -> Self {
        let node = Self::begin(settings);
        node.health(|health| !health.is_degraded()).await;
        node
    }

    fn begin(settings: &RedisSettings) -> Self {
        let Connected { bus, inbox, work } = RedisBus::connect(settings).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        Self { bus, inbox, _work: tasks }
    }

    /// Waits for a state of the bus.
    async fn health(&self, is_expected: impl FnMut(&Health) -> bool) -> Health {
        let mut health = self.bus.health();
        let found = tokio::time::timeout(TIMEOUT, health.wait_for(is_expected));
        *found.await.expect("the state is reached in time").unwrap()
    }

    fn losses(&self) -> u64 {
        self.bus.health().borrow().losses
    }

    fn counts(&self) -> Counts {
        self.bus.counts()
    }

    async fn subscribes(&self, keys: &[Key]) {
        let partitions: Vec<_> = keys.iter().map(Key::partition).collect();
        assert!(self.bus.subscribe(&partitions).await, "confirmed");
    }

    fn publishes(&self, text: &str, keys: Vec<Key>) {
        self.bus.publish(Envelope::new("test.text", keys, text.to_owned()));
    }

    /// The payload of the next envelope.
    async fn receives(&mut self) -> String {
        let envelope =
            tokio::time::timeout(TIMEOUT, self.inbox.receive()).await.expect("an envelope in time");
        String::from_utf8(envelope.payload.to_vec()).unwrap()
    }
}

fn user(n: u128) -> Key {
    Key::User(UserId::from_uuid(Uuid::from_u128(n)))
}

fn topic(name: &str) -> Key {
    Key::Topic(name.to_owned())
}
