//! The bus between the nodes of a site without Redis: notifications of PostgreSQL (`NOTIFY`).
//!
//! This crate does not know the database: its owner passes a function that sends notifications, and calls the [`Relay`] for
//! each that arrives. All nodes receive all envelopes, and the receivers skip what they have no audience for.
//!
//! - A notification has less than 8,000 bytes. A larger envelope is dropped like one that does not fit into a queue: the
//!   other nodes then look for changes in the database at once.
//! - A node that is alone sends no envelopes, only a greeting every twenty seconds. Nodes answer the greeting of a
//!   node that they do not know.

use std::{
    convert::Infallible,
    error::Error,
    future::{pending, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blegram_metrics::HistogramSnapshot;
use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    Bus, Connected, Counts, Envelope, Health, Partition, Work,
    health::Monitor,
    inbox,
    intake::Intake,
    outbox::{self, GREETING, Outbox, Outgoing, Queue},
};

/// The largest notification that PostgreSQL accepts, in bytes.
const MAX_BYTES: usize = 7_999;

/// The largest number of notifications in one statement.
const BATCH: usize = 32;

/// How often a node greets the others.
const GREETING_INTERVAL: Duration = Duration::from_secs(20);

/// How long after its last message another node counts as present.
const PRESENCE: Duration = Duration::from_secs(65);

/// The pause after a failed statement.
const RETRY: Duration = Duration::from_secs(1);

/// A node's connection to the bus.
struct NotifyBus {
    outbox: Outbox,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    monitor: Arc<Monitor>,
    /// When the last message of another node arrived.
    others: Mutex<Option<Instant>>,
    /// Wakes the sender, to greet.
    greet: Notify,
}

/// Takes the notifications of the database.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    intake: Mutex<Intake>,
}

/// Prepares the connection of a node. `send` sends notifications in one statement, outside of any transaction, and has a
/// timeout. Until the relay is listening, the bus is degraded.
pub fn connect<S, F, E>(send: S) -> (Connected, Arc<Relay>)
where
    S: Fn(Vec<String>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + Send + 'static,
{
    let degraded = Health { cannot_receive: true, ..Health::default() };
    let monitor = Arc::new(Monitor::new(degraded));
    let (slot, inbox) = inbox::inbox(inbox::CAPACITY, &monitor);
    let (outbox, queue) = outbox::outbox(&monitor);
    let intake = Mutex::new(Intake::new(outbox.origin(), slot, &monitor));
    let shared = Arc::new(Shared { monitor, others: Mutex::default(), greet: Notify::new() });
    let relay = Arc::new(Relay { shared: Arc::clone(&shared), intake });
    let work = run(Arc::clone(&shared), queue, send);
    (Connected { bus: Arc::new(NotifyBus { outbox, shared }), inbox, work: Box::pin(work) }, relay)
}

impl Relay {
    /// The connection has begun to listen: notifications before that are lost.
    pub fn begin(&self) {
        self.shared.monitor.update(|health| {
            health.cannot_receive = false;
            health.losses += 1;
        });
        self.shared.greet.notify_one();
    }

    /// The connection was lost.
    pub fn end(&self) {
        self.shared.monitor.update(|health| health.cannot_receive = true);
    }

    /// A notification arrived.
    pub fn accept(&self, text: &str) {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        let is_foreign = intake.accept(&Bytes::copy_from_slice(text.as_bytes()));
        drop(intake);
        if is_foreign {
            self.shared.note_other();
        }
    }
}

impl Shared {
    fn others(&self) -> MutexGuard<'_, Option<Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_others(&self) -> bool {
        self.others().is_some_and(|at| Instant::now() < at + PRESENCE)
    }

    fn note_other(&self) {
        let was_alone = !self.has_others();
        *self.others() = Some(Instant::now());
        if was_alone {
            self.greet.notify_one();
        }
    }
}

async fn run<F, E>(shared: Arc<Shared>, mut queue: Queue, send: impl Fn(Vec<String>) -> F + Send + Sync)
where
    F: Future<Output = Result<(), E>> + Send,
    E: Error + Send + 'static,
{
    loop {
        let Err(error) = send_all(&shared, &mut queue, &send).await;
        shared.monitor.update(|health| health.cannot_publish = true);
        tracing::debug!(error = &error as &dyn Error, "cannot notify other nodes");
        queue.discard();
        sleep(RETRY).await;
    }
}

/// Sends queued envelopes and greetings, until a statement fails.
async fn send_all<F, E>(
    shared: &Shared,
    queue: &mut Queue,
    send: impl Fn(Vec<String>) -> F + Send + Sync,
) -> Result<Infallible, E>
where
    F: Future<Output = Result<(), E>> + Send,
    E: Send,
{
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let is_greeting = tokio::select! {
            is_open = queue.receive(&mut batch, BATCH) => {
                if !is_open {
                    // The handle was dropped: there is nothing to send any more.
                    return pending().await;
                }
                false
            }
            () = greeting_due(shared) => true,
        };
        let mut texts: Vec<String> = batch.iter().filter_map(text).collect();
        (texts.len()..batch.len()).for_each(|_| queue.drop_one());
        texts.extend(is_greeting.then(|| text(&queue.for_all(GREETING))).flatten());
        let sent = if texts.is_empty() { Ok(()) } else { send(texts).await };
        queue.finish(&mut batch, sent.is_ok());
        sent?;
        shared.monitor.update(|health| health.cannot_publish = false);
        if let Some(lost) = queue.take_losses() {
            send(text(&lost).into_iter().collect()).await.inspect_err(|_| queue.note_loss())?;
        }
    }
}

async fn greeting_due(shared: &Shared) {
    let _ = timeout(GREETING_INTERVAL, shared.greet.notified()).await;
}

/// The notification; `None` if it is too large.
fn text(outgoing: &Outgoing) -> Option<String> {
    let is_small = outgoing.bytes.len() <= MAX_BYTES;
    is_small.then(|| String::from_utf8(outgoing.bytes.clone()).ok()).flatten()
}

impl Bus for NotifyBus {
    fn has_others(&self) -> bool {
        self.shared.has_others()
    }

    fn publish(&self, envelope: Envelope) {
        if self.shared.has_others() {
            self.outbox.put(&envelope);
        }
    }

    fn subscribe<'a>(&'a self, _: &[Partition]) -> Work<'a, bool> {
        Box::pin(ready(!self.shared.monitor.health.borrow().cannot_receive))
    }

    fn retain(&self, _: &[Partition]) {}

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

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::task::JoinSet;

    use super::*;
    use crate::Key;

    /// Delivers notifications to all nodes, as PostgreSQL does.
    #[derive(Debug, Clone, Default)]
    struct Server(Arc<Mutex<Vec<Arc<Relay>>>>);

    impl Server {
        /// Connects a node that listens.
        fn connect(&self, tasks: &mut JoinSet<()>) -> Connected {
            let server = self.clone();
            let (mut connected, relay) = connect(move |texts| {
                server.notify(&texts);
                ready(Ok::<_, io::Error>(()))
            });
            self.0.lock().unwrap().push(Arc::clone(&relay));
            relay.begin();
            tasks.spawn(std::mem::replace(&mut connected.work, Box::pin(pending())));
            connected
        }

        fn notify(&self, texts: &[String]) {
            let relays = self.0.lock().unwrap().clone();
            for text in texts {
                assert!(text.len() < 8_000, "PostgreSQL would reject it");
                relays.iter().for_each(|relay| relay.accept(text));
            }
        }
    }

    fn envelope(payload: &str) -> Envelope {
        Envelope::new("test.text", vec![Key::All], payload.to_owned())
    }

    async fn introduced(bus: &Arc<dyn Bus>) {
        while !bus.has_others() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_find_each_other_and_a_node_alone_sends_nothing() {
        let (server, mut tasks) = (Server::default(), JoinSet::new());
        let one = server.connect(&mut tasks);
        sleep(GREETING_INTERVAL * 3).await;
        one.bus.publish(envelope("to no node"));
        assert!(!one.bus.has_others() && one.bus.counts().published == 0);

        let mut other = server.connect(&mut tasks);
        introduced(&one.bus).await;
        introduced(&other.bus).await;
        one.bus.publish(envelope("hello"));
        assert_eq!(other.inbox.receive().await, envelope("hello"));
        assert_eq!((one.bus.lag().count(), other.bus.lag().count()), (0, 1));

        let left = server.0.lock().unwrap().pop();
        drop((other, left));
        tasks.abort_all();
        tokio::time::advance(PRESENCE).await;
        assert!(!one.bus.has_others());
    }

    #[tokio::test(start_paused = true)]
    async fn envelopes_that_are_too_large_are_reported_as_losses() {
        let (server, mut tasks) = (Server::default(), JoinSet::new());
        let (one, mut other) = (server.connect(&mut tasks), server.connect(&mut tasks));
        introduced(&one.bus).await;
        let losses = other.bus.health().borrow().losses;
        one.bus.publish(envelope(&"x".repeat(8_000)));
        one.bus.publish(envelope("small"));
        assert_eq!(other.inbox.receive().await, envelope("small"));
        let mut health = other.bus.health();
        let reported = health.wait_for(|health| health.losses == losses + 1);
        timeout(RETRY, reported).await.expect("the loss is reported").unwrap();
        assert_eq!(one.bus.counts().dropped_outgoing, 1);
        assert!(!one.bus.health().borrow().is_degraded());
    }

    #[tokio::test(start_paused = true)]
    async fn node_that_does_not_listen_is_degraded() {
        let (server, mut tasks) = (Server::default(), JoinSet::new());
        let one = server.connect(&mut tasks);
        let relay = server.0.lock().unwrap()[0].clone();
        assert!(one.bus.subscribe(&[Partition::Users(1)]).await);
        relay.end();
        assert!(one.bus.health().borrow().is_degraded() && !one.bus.subscribe(&[Partition::Users(1)]).await);
        relay.begin();
        assert!(!one.bus.health().borrow().is_degraded());
    }
}
