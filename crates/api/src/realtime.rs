//! Realtime delivery: turns the events of the features into gateway frames for the connections of this node, and passes
//! the events on to the other nodes.
//!
//! [`Realtime`] is the [`EventSink`] of every feature. It puts an event on the bus ([`remote`]) and delivers it to the
//! connections of this node itself, so that the bus can neither delay nor lose those. Events that arrive from other nodes
//! are delivered in the same way. An event is rendered once per node, and the [`Hub`] sends the same bytes to every
//! recipient.
//!
//! - Chat events carry their recipients and are sent at once ([`chat`]).
//! - Events about posts, comments and notifications are queued for [`feed`], which first asks the database which
//!   subscribers may see them.
//! - Nodes report to each other who is online ([`presence`]).
//! - [`Background`] runs the feed, the bus, and the periodic work: delivery marks, sessions that ended elsewhere,
//!   and conversations whose events this node did not deliver ([`pace`] says how often).

mod announced;
mod background;
mod bugs;
mod chat;
mod feed;
mod metrics;
mod pace;
mod presence;
pub(crate) mod protocol;
mod remote;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blegram_bus::{Bus, Connected, Health, Key};
use blegram_domain::{ConversationId, EventSink, UserId};
use blegram_gateway::{Class, CloseCode, Config, Frame, Hub, NodeId, Topic};
use blegram_media::Media;
use blegram_planted::{Bug, planted};
use serde::Serialize;
use tokio::sync::{Notify, mpsc, watch};

pub(crate) use self::metrics::RealtimeMetrics;
use self::protocol::EventName;
pub use self::{
    background::Background,
    metrics::{CommandOutcome, RealtimeSnapshot},
};
use crate::schema::gateway::DegradedEvent;

/// Capacity of the feed queue. Further events are dropped: clients see the change when they load the resource.
const MAX_FEED: usize = 1024;

/// Largest number of conversations per user with a mark that waits to be written. Marks beyond it are dropped; clients
/// send them again.
const MAX_MARKS: usize = 1000;

/// Timeout of every database access here, so that a hanging database blocks no task forever.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends events to the connections of this node. Cheap to clone. It is the [`EventSink`] of every feature.
#[derive(Clone)]
pub struct Realtime {
    node: NodeId,
    /// Another node missed messages about presence.
    ask_again: Arc<Notify>,
    hub: Hub,
    media: Media,
    bus: Arc<dyn Bus>,
    feed: mpsc::Sender<blegram_social::Event>,
    delivered: Arc<Mutex<HashMap<UserId, HashMap<ConversationId, u64>>>>,
    metrics: Arc<RealtimeMetrics>,
}

impl std::fmt::Debug for Realtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Realtime").finish_non_exhaustive()
    }
}

impl Realtime {
    /// Creates the hub of a node, without connections. Until [`Background::run`] runs, only chat events of this node are
    /// delivered.
    pub fn new(config: Config, media: Media, connected: Connected) -> (Self, Background) {
        let (hub, presence) = Hub::new(config);
        let (feed, receiver) = mpsc::channel(MAX_FEED);
        let Connected { bus, inbox, work } = connected;
        let realtime = Self {
            node: NodeId::random(),
            ask_again: Arc::default(),
            hub,
            media,
            bus,
            feed,
            delivered: Arc::default(),
            metrics: Arc::new(RealtimeMetrics::new()),
        };
        (realtime, Background { feed: receiver, presence, inbox, bus_work: work })
    }

    /// The connection to the other nodes.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// The id of this node, which is new at each start.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// What was counted since the start.
    pub fn snapshot(&self) -> RealtimeSnapshot {
        self.metrics.snapshot()
    }

    pub(crate) fn metrics(&self) -> &RealtimeMetrics {
        &self.metrics
    }

    /// Whether events of other nodes are late.
    pub fn is_degraded(&self) -> bool {
        self.health().borrow().is_degraded()
    }

    /// The event that says whether events of other nodes are late now.
    pub(crate) fn degraded(&self) -> Frame {
        state(EventName::Degraded, &[], &DegradedEvent { degraded: self.is_degraded() })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.bus.health()
    }

    /// Subscribes this node to the events for a user who is about to connect. If the bus does not confirm it, the node is
    /// degraded.
    pub(crate) async fn subscribe_user(&self, user: UserId) -> bool {
        if planted(Bug::HeadsBeforeSubscription) {
            return bugs::subscribe_later(&self.bus, user);
        }
        self.bus.subscribe(&[Key::User(user).partition()]).await
    }

    /// Subscribes this node to what only it needs.
    async fn subscribe_node(&self) -> bool {
        self.bus.subscribe(&[presence::node_key(self.node).partition()]).await
    }

    /// Subscribes this node to the events of topics that a connection is about to subscribe to.
    pub(crate) async fn subscribe_topics(&self, topics: &[Topic]) {
        let partitions: Vec<_> = topics.iter().map(|topic| remote::topic_key(topic).partition()).collect();
        if !partitions.is_empty() {
            self.bus.subscribe(&partitions).await;
        }
    }

    /// Ends the subscriptions of users and topics that no connection needs any more.
    fn retain_subscriptions(&self) {
        let users = self.hub.users().into_iter().map(Key::User);
        let topics = self.hub.fanout().topics().into_iter().map(|topic| remote::topic_key(&topic));
        let mut partitions: Vec<_> =
            users.chain(topics).chain([presence::node_key(self.node)]).map(|key| key.partition()).collect();
        partitions.sort_unstable();
        partitions.dedup();
        self.bus.retain(&partitions);
    }

    /// The registry of the connections.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Records the delivery marks of a device; [`Background::run`] writes and publishes them within [`MARK_INTERVAL`].
    pub(crate) fn record_delivered(&self, user: UserId, marks: Vec<(ConversationId, u64)>) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = delivered.entry(user).or_default();
        for (conversation, seq) in marks {
            if delivered.len() < MAX_MARKS || delivered.contains_key(&conversation) {
                let mark = delivered.entry(conversation).or_default();
                *mark = seq.max(*mark);
            }
        }
    }

    fn take_delivered(&self) -> HashMap<UserId, HashMap<ConversationId, u64>> {
        std::mem::take(&mut *self.delivered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A frame of [`Class::State`]: a later frame with the same `name` and `about` replaces it in the outbox of a slow
/// connection.
fn state(name: EventName, about: &[&dyn std::fmt::Display], d: &impl Serialize) -> Frame {
    let about: String = about.iter().map(|part| format!(":{part}")).collect();
    protocol::event(Class::State(format!("{}{about}", name.as_str()).into()), name, d)
}

fn warn(error: &(dyn std::error::Error + 'static), what: &'static str) {
    tracing::warn!(error, what, "realtime delivery may be late");
}

/// Each event is on the bus before it is delivered here, so that a slow rendering does not delay the other nodes.
impl EventSink<blegram_chat::Event> for Realtime {
    fn publish(&self, event: blegram_chat::Event) {
        self.share(&event);
        self.deliver_chat(event);
    }
}

impl EventSink<blegram_social::Event> for Realtime {
    fn publish(&self, event: blegram_social::Event) {
        self.share(&event);
        self.deliver_social(event);
    }
}

impl EventSink<blegram_auth::Event> for Realtime {
    fn publish(&self, event: blegram_auth::Event) {
        self.share(&event);
        self.deliver_auth(&event);
    }
}

impl Realtime {
    fn deliver_social(&self, event: blegram_social::Event) {
        if self.feed.try_send(event).is_err() {
            self.metrics.dropped_feed_events.increment();
            tracing::warn!("the feed queue is full; an event was dropped");
        }
    }

    fn deliver_auth(&self, event: &blegram_auth::Event) {
        match *event {
            blegram_auth::Event::SessionEnded { session } => {
                self.hub.close_session(session, CloseCode::Revoked);
            }
            blegram_auth::Event::SessionsEnded { user, except } => {
                self.hub.close_user(user, except, CloseCode::Revoked);
            }
            blegram_auth::Event::Suspended { user } => {
                self.hub.close_user(user, None, CloseCode::Suspended);
            }
            // The role is in the cached sessions, which the publisher and `remote` clear.
            blegram_auth::Event::RoleChanged { .. } => {}
        }
    }
}
