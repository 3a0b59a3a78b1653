//! The bus: carries events from the node that committed a change to the other nodes of the site.
//!
//! A node publishes an [`Envelope`] with the keys of its audience (users, topics, or all nodes). Keys belong to
//! [`Partition`]s; a node receives the envelopes of the partitions that it subscribed to. The bus knows no feature's
//! events: the payload is bytes.
//!
//! **It may lose envelopes, and it never waits.** Publishing puts the envelope into a bounded queue or drops it, so a
//! commit or a request is never delayed. Whatever may have been lost shows in [`Health`]: while it is degraded the
//! receivers look for changes in the database more often, and [`Health::losses`] asks them to look at once. What must
//! arrive is a job.
//!
//! | Module | Content |
//! |---|---|
//! | [`envelope`] | [`Envelope`] and its wire format |
//! | [`partition`] | [`Key`], [`Partition`] |
//! | [`health`] | [`Health`], [`Counts`] |
//! | [`inbox`] | the bounded queue of received envelopes |
//! | [`exchange`] | [`Exchange`]: the bus between the nodes of one process |
//! | [`redis`] | [`RedisBus`]: the bus between processes |
//! | [`alarm`] | reports losses in a second way |
//! | [`notify`] | the bus between processes without Redis: notifications of the database |
//!
//! To add an implementation, implement [`Bus`] and return a [`Connected`].
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! use blegram_bus::{Bus, Envelope, Exchange, Key};
//! use blegram_domain::{Clock, SystemClock, UserId};
//!
//! let exchange = Exchange::default();
//! let (ann, mut bob) = (exchange.connect(), exchange.connect());
//! let user = UserId::generate(SystemClock.now());
//! bob.bus.subscribe(&[Key::User(user).partition()]).await;
//! ann.bus.publish(Envelope::new("chat.typing", vec![Key::User(user)], b"{}".as_slice()));
//! assert_eq!(bob.inbox.receive().await.kind, "chat.typing");
//! # }
//! ```
//!
//! ## Features
//!
//! - `testing`: starts Redis servers for tests.

pub mod alarm;
pub mod envelope;
pub mod exchange;
pub mod health;
pub mod inbox;
mod intake;
pub mod notify;
mod outbox;
pub mod partition;
mod recent;
pub mod redis;
#[cfg(feature = "testing")]
pub mod testing;

use std::pin::Pin;
use std::sync::Arc;

use blegram_metrics::HistogramSnapshot;
use tokio::sync::watch;

pub use envelope::Envelope;
pub use exchange::Exchange;
pub use health::{Counts, Health};
pub use inbox::Inbox;
pub use partition::{Key, Partition};
pub use redis::{RedisBus, RedisSettings};
/// The type of the URL in [`RedisSettings`].
pub use secrecy::SecretString;

/// A boxed future of a [`Bus`], which is used as a trait object.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The connection of one node to the bus.
pub trait Bus: Send + Sync {
    /// Whether other nodes may receive envelopes. A node that is alone saves the work of building them.
    fn has_others(&self) -> bool;

    /// Publishes an envelope to the other nodes that subscribed to one of its partitions. Neither waits nor fails; an
    /// envelope that cannot be sent now is dropped and counted.
    fn publish(&self, envelope: Envelope);

    /// Subscribes to partitions, until [`Bus::retain`] removes them. Returns true once it is confirmed that all later
    /// envelopes arrive; false, in time, if that is not possible now: then the bus subscribes when it can, and counts a
    /// loss.
    fn subscribe<'a>(&'a self, partitions: &[Partition]) -> Work<'a, bool>;

    /// Ends the subscriptions to all other partitions, except recent ones: a connection may be about to use them.
    fn retain(&self, partitions: &[Partition]);

    /// Counts a loss that was reported in another way.
    fn note_loss(&self);

    /// The state of the bus, and its changes.
    fn health(&self) -> watch::Receiver<Health>;

    /// What was published, received and dropped since the start.
    fn counts(&self) -> Counts;

    /// The times that envelopes of other nodes were on their way, by the clocks of the two nodes. Empty if they are on their
    /// way for no time.
    fn lag(&self) -> HistogramSnapshot;
}

/// A node's connection to the bus.
pub struct Connected {
    /// Publishes and subscribes.
    pub bus: Arc<dyn Bus>,
    /// The envelopes of other nodes.
    pub inbox: Inbox,
    /// The work of the connection; it never ends. The bus does nothing until it is polled.
    pub work: Work<'static, ()>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").finish_non_exhaustive()
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
