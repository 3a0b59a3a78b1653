//! The hub of a node: it registers connections and delivers frames to them.
//!
//! Other parts of the process render a frame and pass it to the hub with its audience: users, the subscribers of a
//! topic, the watchers of a user. The hub pushes it into the outbox of each matching connection. It also limits
//! connections, publishes changes of presence, and closes all connections when the node shuts down.

mod event;
mod upkeep;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use blegram_domain::{ConnectionId, ConversationId, PostId, SessionId, UserId};
use blegram_limits::{Shares, SharesConfig};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::event::{DurableEvent, Head, Presence};
use crate::{
    CloseCode, Config, Topic,
    frame::{Class, Frame},
    peer::{Flow, Offered, Peer},
    permit::ConnectionPermit,
    registry::Registry,
    reorder::ReorderBuffer,
};

/// Why a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The node shuts down.
    Draining,
    /// Too many handshakes per second on this node; the client can retry after a second.
    Busy,
    /// The subscriber's network or the wider one has reached the maximum number of connections.
    TooManyOfAddress,
    /// The user has reached the maximum number of connections.
    TooManyOfUser,
}

/// The number of connections and users on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Connections.
    pub connections: usize,
    /// Users with at least one connection.
    pub users: usize,
}

/// The connections of this node; cheap to clone. Sending never blocks: it only pushes frames into the outboxes of
/// connections, whose tasks write them.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    registry: RwLock<Registry>,
    reorder_buffer: Mutex<ReorderBuffer<DurableEvent>>,
    /// The connections with withheld posts, which receive their number on the next sweep.
    withheld: Mutex<HashMap<ConnectionId, Arc<Peer>>>,
    handshakes: DefaultDirectRateLimiter,
    /// The connections of each address and network.
    addresses: Shares,
    presence: mpsc::Sender<Presence>,
    has_waiting: Notify,
    draining: CancellationToken,
    tasks: TaskTracker,
}

/// The capacity of the queue of presence changes. Further changes are dropped.
const MAX_PRESENCE: usize = 1024;

impl Hub {
    /// Creates a hub without connections, and the receiver of its presence changes.
    pub fn new(config: Config) -> (Self, mpsc::Receiver<Presence>) {
        let (presence, changes) = mpsc::channel(MAX_PRESENCE);
        let hub = Self(Arc::new(Inner {
            handshakes: RateLimiter::direct(Quota::per_second(config.handshakes_per_second)),
            addresses: Shares::new(SharesConfig { all: usize::MAX, each: config.connections_per_address }),
            config,
            registry: RwLock::default(),
            reorder_buffer: Mutex::new(ReorderBuffer::new()),
            withheld: Mutex::default(),
            presence,
            has_waiting: Notify::new(),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        (hub, changes)
    }

    /// The limits and time limits.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The tracker for tasks of connections and commands, for which [`Hub::drain`] waits.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Checks whether a connection from `address` would be admitted, without counting it.
    ///
    /// # Errors
    /// [`Rejection::Draining`] and [`Rejection::TooManyOfAddress`].
    pub fn check(&self, address: IpAddr) -> Result<(), Rejection> {
        if self.is_draining() {
            return Err(Rejection::Draining);
        }
        self.0.addresses.check_address(address).map_err(|_| Rejection::TooManyOfAddress)
    }

    /// Checks whether `user` may open another connection.
    ///
    /// # Errors
    /// [`Rejection::TooManyOfUser`].
    pub fn check_user(&self, user: UserId) -> Result<(), Rejection> {
        let count = self.read().users.get(&user).map_or(0, Vec::len);
        if count < self.0.config.connections_per_user { Ok(()) } else { Err(Rejection::TooManyOfUser) }
    }

    /// Admits a connection from `address` and counts it.
    ///
    /// # Errors
    /// As for [`Hub::check`]; [`Rejection::Busy`] above the rate of handshakes.
    pub fn admit(&self, address: IpAddr) -> Result<ConnectionPermit, Rejection> {
        if self.is_draining() {
            return Err(Rejection::Draining);
        }
        let share = self.0.addresses.take_for_address(address).map_err(|_| Rejection::TooManyOfAddress)?;
        if self.0.handshakes.check().is_err() {
            return Err(Rejection::Busy);
        }
        Ok(ConnectionPermit { hub: self.clone(), address, _share: share })
    }

    /// Counts the connections and users.
    pub fn count(&self) -> Count {
        let registry = self.read();
        Count { connections: registry.peers.len(), users: registry.users.len() }
    }

    /// The sessions of all connections, without duplicates.
    pub fn sessions(&self) -> Vec<SessionId> {
        let sessions: HashSet<_> = self.read().peers.values().map(|peer| peer.session()).collect();
        sessions.into_iter().collect()
    }

    /// The connected users.
    pub fn users(&self) -> Vec<UserId> {
        self.read().users.keys().copied().collect()
    }

    /// Whether a user is connected, or was within the grace period ([`Config::presence_grace`]).
    pub fn is_online(&self, user: UserId) -> bool {
        let registry = self.read();
        registry.users.contains_key(&user) || registry.offline_since.contains_key(&user)
    }

    /// Whether a user is connected.
    pub fn is_connected(&self, user: UserId) -> bool {
        self.read().users.contains_key(&user)
    }

    /// Delivers an event to the members of its conversation. Reorders events by their number and ignores duplicates.
    pub fn send_durable(&self, durable: DurableEvent) {
        let mut reorder_buffer = self.reorder_buffer();
        let (conversation, seq) = (durable.conversation, durable.seq);
        let due = reorder_buffer.insert(Instant::now(), conversation, seq, durable);
        if due.is_empty() {
            self.0.has_waiting.notify_one();
        }
        // Sends under the lock, so that no later event overtakes these.
        self.deliver(&due);
    }

    fn deliver(&self, due: &[DurableEvent]) {
        let registry = self.read();
        for durable in due {
            for peer in registry.peers_of_users(&durable.members) {
                peer.send(durable.frame.clone());
            }
            if let Some(head) = (!durable.head_only.is_empty()).then(|| durable.head()).flatten() {
                for peer in registry.peers_of_users(&durable.head_only) {
                    peer.send(head.clone());
                }
            }
        }
    }

    /// Sends the heads of those conversations of which this node did not deliver all events.
    pub fn send_heads(&self, heads: Vec<Head>) {
        let now = Instant::now();
        let mut reorder_buffer = self.reorder_buffer();
        let lags = |head: &Head| {
            reorder_buffer.delivered(head.conversation).is_none_or(|delivered| delivered < head.last_seq)
        };
        let lagging: Vec<Head> = heads.into_iter().filter(lags).collect();
        for head in lagging {
            reorder_buffer.mark_delivered(now, head.conversation, head.last_seq);
            let frame = Frame::head(head.conversation, head.last_seq, head.last_message_no);
            self.send_to_users(&head.members, &frame);
        }
    }

    /// Sends a frame to all connections of `users`.
    pub fn send_to_users(&self, users: &[UserId], frame: &Frame) {
        for peer in self.read().peers_of_users(users) {
            peer.send(frame.clone());
        }
    }

    /// Sends a frame to those connections of `users` that display the conversation.
    pub fn send_to_open(&self, conversation: ConversationId, users: &[UserId], frame: &Frame) {
        for peer in self.read().peers_of_users(users) {
            if peer.state().open.contains(&conversation) {
                peer.send(frame.clone());
            }
        }
    }

    /// The topics with a subscriber on this node.
    pub fn topics(&self) -> Vec<Topic> {
        self.read().topics.keys().cloned().collect()
    }

    /// The users with a subscription to a topic on this node, without duplicates.
    pub fn subscribers(&self, topic: &Topic) -> Vec<UserId> {
        let registry = self.read();
        let peers = registry.topics.get(topic).into_iter().flat_map(HashMap::values);
        let users: HashSet<UserId> = peers.map(|peer| peer.user()).collect();
        users.into_iter().collect()
    }

    /// Sends a frame to the subscribers of a topic for whom `is_recipient` returns true.
    pub fn send_to_topic(&self, topic: &Topic, frame: &Frame, is_recipient: impl Fn(UserId) -> bool) {
        for peer in self.read().peers_of_topic(topic) {
            if is_recipient(peer.user()) {
                peer.send(frame.clone());
            }
        }
    }

    /// Sends a post to the subscribers of a topic for whom `is_recipient` returns true. Above
    /// [`Config::posts_per_second`], a connection receives the number of further posts instead.
    pub fn send_post(
        &self,
        topic: &Topic,
        post: PostId,
        frame: &Frame,
        is_recipient: impl Fn(UserId) -> bool,
    ) {
        let (now, limit) = (Instant::now(), self.0.config.posts_per_second);
        let mut withheld = Vec::new();
        for peer in self.read().peers_of_topic(topic) {
            if is_recipient(peer.user()) && peer.offer((topic, post), frame, now, limit) == Offered::Withheld
            {
                withheld.push(Arc::clone(peer));
            }
        }
        if !withheld.is_empty() {
            lock(&self.0.withheld).extend(withheld.into_iter().map(|peer| (peer.id(), peer)));
        }
    }

    /// Subscribes a connection to a topic. Returns `false` if it has reached the maximum number of topics.
    pub fn subscribe(&self, peer: &Arc<Peer>, topic: &Topic) -> bool {
        let mut registry = self.write();
        let mut state = peer.state();
        let is_full = state.topics.len() >= self.0.config.topics_per_connection;
        match state.topics.entry(topic.clone()) {
            Entry::Occupied(_) => true,
            Entry::Vacant(_) if is_full => false,
            Entry::Vacant(entry) => {
                entry.insert_entry(Flow::default());
                if registry.peers.contains_key(&peer.id()) {
                    let subscribers = registry.topics.entry(topic.clone()).or_default();
                    subscribers.insert(peer.id(), Arc::clone(peer));
                }
                true
            }
        }
    }

    /// Removes a connection's subscription to a topic.
    pub fn unsubscribe(&self, peer: &Peer, topic: &Topic) {
        let mut registry = self.write();
        peer.state().topics.remove(topic);
        registry.remove_subscriber(peer.id(), topic);
    }

    /// Removes the subscriptions of users for whom `has_lost_access` returns true, and sends them `topic.revoked`.
    pub fn revoke_topic(&self, topic: &Topic, has_lost_access: impl Fn(UserId) -> bool) {
        let lost: Vec<Arc<Peer>> = {
            let registry = self.read();
            registry.peers_of_topic(topic).filter(|peer| has_lost_access(peer.user())).cloned().collect()
        };
        if lost.is_empty() {
            return;
        }
        let key = format!("topic.revoked:{topic}");
        let revoked = json!({ "topic": topic.to_string() });
        let frame = Frame::event(Class::State(key.into()), "topic.revoked", &revoked);
        for peer in lost {
            self.unsubscribe(&peer, topic);
            peer.send(frame.clone());
        }
    }

    /// Replaces the set of users whose presence a connection watches.
    pub fn watch(&self, peer: &Arc<Peer>, users: Vec<UserId>) {
        let mut registry = self.write();
        let before = std::mem::replace(&mut peer.state().watched, users.clone());
        registry.remove_watcher(peer.id(), &before);
        if registry.peers.contains_key(&peer.id()) {
            for user in users {
                registry.watchers.entry(user).or_default().push(Arc::clone(peer));
            }
        }
    }

    /// The users who watch the presence of `user`, without duplicates.
    pub fn watchers(&self, user: UserId) -> Vec<UserId> {
        let registry = self.read();
        let peers = registry.watchers.get(&user).into_iter().flatten();
        let users: HashSet<UserId> = peers.map(|peer| peer.user()).collect();
        users.into_iter().collect()
    }

    /// Sends a frame to the watchers of `user` for whom `is_recipient` returns true.
    pub fn send_to_watchers(&self, user: UserId, frame: &Frame, is_recipient: impl Fn(UserId) -> bool) {
        for peer in self.read().watchers.get(&user).into_iter().flatten() {
            if is_recipient(peer.user()) {
                peer.send(frame.clone());
            }
        }
    }

    /// Closes the connections of a session.
    pub fn close_session(&self, session: SessionId, code: CloseCode) {
        self.close_where(code, |peer| peer.session() == session);
    }

    /// Closes the connections of a user, except those of the session `except`.
    pub fn close_user(&self, user: UserId, except: Option<SessionId>, code: CloseCode) {
        self.close_where(code, |peer| peer.user() == user && Some(peer.session()) != except);
    }

    fn close_where(&self, code: CloseCode, is_affected: impl Fn(&Peer) -> bool) {
        for peer in self.read().peers.values().filter(|peer| is_affected(peer)) {
            peer.close(code);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    pub(crate) fn notify_presence(&self, user: UserId, is_online: bool) {
        // Dropping a change is harmless: clients get the current state when they query presence.
        let _ = self.0.presence.try_send(Presence { user, is_online });
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn reorder_buffer(&self) -> MutexGuard<'_, ReorderBuffer<DurableEvent>> {
        lock(&self.0.reorder_buffer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
