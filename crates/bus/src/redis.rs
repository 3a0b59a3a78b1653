//! The bus between processes: Redis pub/sub, with Redis 6 or newer, or Valkey.
//!
//! A node has two connections. One publishes: `publisher` takes envelopes from a bounded queue and sends them in
//! pipelines. The other only receives: `subscriber` makes all subscriptions, hands messages to the inbox, and makes
//! the subscriptions again after a disconnection. Both reconnect without end, with full jitter.
//!
//! The channel of a partition is `<site>:<partition>`. An envelope is published once to each partition of its keys.

mod backoff;
mod publisher;
mod subscriber;
mod subscriptions;

use std::{sync::Arc, time::Duration};

use blegram_metrics::HistogramSnapshot;
use redis::{Client, ErrorKind, RedisError};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::watch, time::timeout};

use self::subscriptions::Subscriptions;
use crate::{
    Bus, Connected, Counts, Envelope, Health, Partition, Work,
    health::Monitor,
    inbox,
    intake::Intake,
    outbox::{self, Outbox},
};

/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The timeout of each command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection is tested in this interval, because nothing else would notice that Redis no longer answers, or that the
/// network drops its packets. With the timeout of the test, and the check for missed events that follows at once, clients learn
/// of a message of another node within two seconds.
const TEST_INTERVAL: Duration = Duration::from_millis(500);

/// How long [`Bus::subscribe`] waits: longer than a command, so that afterwards either the subscription is confirmed or the
/// connection counts as lost.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Where the bus is, and what its channels are called.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://` or `rediss://` (TLS), with user, password, host and port.
    pub url: SecretString,
    /// The prefix of all channels, which sites that share a server must not share: pub/sub ignores database numbers.
    pub site: String,
    /// The capacity of the inbox; `None` for the usual one.
    pub inbox_capacity: Option<usize>,
}

impl RedisSettings {
    /// The usual settings.
    pub fn new(url: SecretString, site: impl Into<String>) -> Self {
        Self { url, site: site.into(), inbox_capacity: None }
    }
}

/// An error of Redis. Its text contains no password.
#[derive(Debug, thiserror::Error)]
#[error("Redis: {0}")]
pub struct Error(#[from] RedisError);

/// A node's connection to Redis.
pub struct RedisBus {
    shared: Arc<Shared>,
    outbox: Outbox,
}

impl std::fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisBus").finish_non_exhaustive()
    }
}

/// What the publisher, the subscriber and the handle share.
struct Shared {
    client: Client,
    site: String,
    subscriptions: Subscriptions,
    monitor: Arc<Monitor>,
}

impl RedisBus {
    /// Prepares the connection of a node. It connects when its work is polled; until then the bus is degraded.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn connect(settings: &RedisSettings) -> Result<Connected, Error> {
        let client = client(&settings.url)?;
        let degraded = Health { cannot_publish: true, cannot_receive: true, ..Health::default() };
        let monitor = Arc::new(Monitor::new(degraded));
        let (slot, inbox) = inbox::inbox(settings.inbox_capacity.unwrap_or(inbox::CAPACITY), &monitor);
        let (outbox, queue) = outbox::outbox(&monitor);
        let intake = Intake::new(outbox.origin(), slot, &monitor);
        let (site, subscriptions) = (settings.site.clone(), Subscriptions::default());
        let shared = Arc::new(Shared { client, site, subscriptions, monitor });
        let (publishing, subscribing) = (Arc::clone(&shared), Arc::clone(&shared));
        let work = async move {
            tokio::join!(publisher::run(&publishing, queue), subscriber::run(&subscribing, intake));
        };
        Ok(Connected { bus: Arc::new(Self { shared, outbox }), inbox, work: Box::pin(work) })
    }

    /// Checks that a server answers at `url`.
    ///
    /// # Errors
    /// It does not, or not within three seconds.
    pub async fn ping(url: &SecretString) -> Result<(), Error> {
        let client = client(url)?;
        let pinging = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        Ok(timeout(CONNECT_TIMEOUT + COMMAND_TIMEOUT, pinging).await.unwrap_or_else(|_| Err(timed_out()))?)
    }
}

fn client(url: &SecretString) -> Result<Client, Error> {
    // Fails when the process has a provider already, which is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::open(url.expose_secret())?)
}

fn timed_out() -> RedisError {
    RedisError::from((ErrorKind::Io, "no response in time"))
}

impl Shared {
    fn channel(&self, partition: Partition) -> String {
        format!("{}:{partition}", self.site)
    }
}

impl Bus for RedisBus {
    fn has_others(&self) -> bool {
        true
    }

    fn publish(&self, envelope: Envelope) {
        self.outbox.put(&envelope);
    }

    fn subscribe<'a>(&'a self, partitions: &[Partition]) -> Work<'a, bool> {
        let Shared { subscriptions, monitor, .. } = &*self.shared;
        if subscriptions.add(partitions) {
            return Box::pin(std::future::ready(true));
        }
        let (partitions, mut health) = (partitions.to_vec(), monitor.health.subscribe());
        Box::pin(async move {
            let confirmed = timeout(SUBSCRIBE_TIMEOUT, subscriptions.confirmed(&partitions));
            tokio::select! {
                confirmed = confirmed => confirmed.is_ok(),
                // All subscriptions are made again after a reconnect, which counts as a loss.
                _ = health.wait_for(|health| health.cannot_receive) => false,
            }
        })
    }

    fn retain(&self, partitions: &[Partition]) {
        self.shared.subscriptions.retain(partitions);
    }

    fn note_loss(&self) {
        self.shared.monitor.note_loss();
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.monitor.health.subscribe()
    }

    fn counts(&self) -> Counts {
        self.shared.monitor.counts()
    }

    fn lag(&self) -> HistogramSnapshot {
        self.shared.monitor.lag.snapshot()
    }
}
