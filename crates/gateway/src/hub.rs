//! Who is connected to this node, and who is told what.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use blegram_domain::{ConnectionId, ConversationId, PostId, SessionId, UserId};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::RngExt;
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CloseCode, Config, Topic,
    frame::{Class, Frame},
    order::{Order, PATIENCE},
    peer::{Flow, Offered, Peer},
    place::Place,
    registry::Registry,
};

/// How long what runs may go on when a node stops and its clients are gone.
const LAST_COMMANDS: Duration = Duration::from_secs(10);

/// Something that happened in a conversation, for its members.
#[derive(Debug, Clone)]
pub struct Durable {
    /// Where.
    pub conversation: ConversationId,
    /// What number it has.
    pub seq: u64,
    /// Those who were in when it happened and may see it.
    pub members: Vec<UserId>,
    /// Those who were in and may not see it: they are sent how far the conversation is.
    pub head_only: Vec<UserId>,
    /// What members are told; its class is [`Class::Durable`].
    pub frame: Frame,
}

impl Durable {
    /// How far the conversation is by it.
    fn head(&self) -> Option<Frame> {
        match self.frame.class {
            Class::Durable { conversation, seq, last_message_no } => {
                Some(Frame::head(conversation, seq, last_message_no))
            }
            Class::Reply | Class::State(_) | Class::Removed { .. } | Class::Hint => None,
        }
    }
}

/// How far a conversation is, for those of its members who may not have heard.
#[derive(Debug, Clone)]
pub struct Head {
    /// Which.
    pub conversation: ConversationId,
    /// The number of what happened last.
    pub last_seq: u64,
    /// The number of the last message.
    pub last_message_no: u64,
    /// Who is in.
    pub members: Vec<UserId>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The node stops.
    Draining,
    /// Too many come at once; in a second there is room again.
    Busy,
    /// Their address has as many connections as it may have.
    TooManyOfAddress,
    /// They have as many connections as they may have.
    TooManyOfUser,
}

/// That somebody came or went, for those who watch them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// Whether they are there.
    pub is_online: bool,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Connections.
    pub connections: usize,
    /// The users whose they are.
    pub users: usize,
}

/// Who is connected to this node; cheap to clone. Nothing here waits: frames are put into the outboxes of connections,
/// whose own tasks write them.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    registry: RwLock<Registry>,
    order: Mutex<Order<Durable>>,
    /// Those who are to be told how many posts were held.
    held: Mutex<HashMap<ConnectionId, Arc<Peer>>>,
    handshakes: DefaultDirectRateLimiter,
    presence: mpsc::Sender<Presence>,
    has_waiting: Notify,
    draining: CancellationToken,
    tasks: TaskTracker,
}

/// How many changes of presence may wait to be told; more are told to nobody.
const MAX_PRESENCE: usize = 1024;

impl Hub {
    /// A hub without connections, and what it has to say about who comes and goes.
    pub fn new(config: Config) -> (Self, mpsc::Receiver<Presence>) {
        let (presence, changes) = mpsc::channel(MAX_PRESENCE);
        let hub = Self(Arc::new(Inner {
            handshakes: RateLimiter::direct(Quota::per_second(config.handshakes_per_second)),
            config,
            registry: RwLock::default(),
            order: Mutex::new(Order::new()),
            held: Mutex::default(),
            presence,
            has_waiting: Notify::new(),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        (hub, changes)
    }

    /// What was decided about connections.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Where the tasks of connections and of their commands belong: stopping waits for them.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Whether somebody at `address` would be let in.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        if self.is_draining() {
            return Err(Refused::Draining);
        }
        let count = self.read().addresses.get(&address).copied().unwrap_or(0);
        if count >= self.0.config.connections_per_address {
            return Err(Refused::TooManyOfAddress);
        }
        Ok(())
    }

    /// Whether `user` may have one more connection.
    ///
    /// # Errors
    /// [`Refused::TooManyOfUser`].
    pub fn check_user(&self, user: UserId) -> Result<(), Refused> {
        let count = self.read().users.get(&user).map_or(0, Vec::len);
        if count < self.0.config.connections_per_user { Ok(()) } else { Err(Refused::TooManyOfUser) }
    }

    /// Lets somebody at `address` in.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, address: IpAddr) -> Result<Place, Refused> {
        self.check(address)?;
        if self.0.handshakes.check().is_err() {
            return Err(Refused::Busy);
        }
        *self.write().addresses.entry(address).or_default() += 1;
        Ok(Place { hub: self.clone(), address })
    }

    /// How many connections there are.
    pub fn count(&self) -> Count {
        let registry = self.read();
        Count { connections: registry.peers.len(), users: registry.users.len() }
    }

    /// The logins that connections belong to.
    pub fn sessions(&self) -> Vec<SessionId> {
        let sessions: HashSet<_> = self.read().peers.values().map(|peer| peer.session()).collect();
        sessions.into_iter().collect()
    }

    /// The users who are connected.
    pub fn users(&self) -> Vec<UserId> {
        self.read().users.keys().copied().collect()
    }

    /// Whether a user is connected, or was a moment ago.
    pub fn is_online(&self, user: UserId) -> bool {
        let registry = self.read();
        registry.users.contains_key(&user) || registry.leaving.contains_key(&user)
    }

    /// Whether a user is connected.
    pub fn is_connected(&self, user: UserId) -> bool {
        self.read().users.contains_key(&user)
    }

    /// Tells the members of a conversation what happened there, in its order, each once.
    pub fn send_durable(&self, durable: Durable) {
        let mut order = self.order();
        let (of, seq) = (durable.conversation, durable.seq);
        let due = order.take(Instant::now(), of, seq, durable);
        if due.is_empty() {
            self.0.has_waiting.notify_one();
        }
        // While it is held, so that nobody overtakes.
        self.tell(&due);
    }

    fn tell(&self, due: &[Durable]) {
        let registry = self.read();
        for durable in due {
            for peer in registry.of_users(&durable.members) {
                peer.send(durable.frame.clone());
            }
            if let Some(head) = (!durable.head_only.is_empty()).then(|| durable.head()).flatten() {
                for peer in registry.of_users(&durable.head_only) {
                    peer.send(head.clone());
                }
            }
        }
    }

    /// Tells members how far their conversations are, of those of which not everything was told here.
    pub fn send_heads(&self, heads: Vec<Head>) {
        let now = Instant::now();
        let mut order = self.order();
        let lags = |head: &Head| order.given(head.conversation).is_none_or(|given| given < head.last_seq);
        let lagging: Vec<Head> = heads.into_iter().filter(lags).collect();
        for head in lagging {
            order.give(now, head.conversation, head.last_seq);
            let frame = Frame::head(head.conversation, head.last_seq, head.last_message_no);
            self.send_to_users(&head.members, &frame);
        }
    }

    /// Sends a frame to every connection of some users.
    pub fn send_to_users(&self, users: &[UserId], frame: &Frame) {
        for peer in self.read().of_users(users) {
            peer.send(frame.clone());
        }
    }

    /// Sends a frame to those connections of some users that have the conversation on the screen.
    pub fn send_to_open(&self, conversation: ConversationId, users: &[UserId], frame: &Frame) {
        for peer in self.read().of_users(users) {
            if peer.state().open.contains(&conversation) {
                peer.send(frame.clone());
            }
        }
    }

    /// The users who subscribed to a topic here.
    pub fn subscribers(&self, topic: &Topic) -> Vec<UserId> {
        let registry = self.read();
        let peers = registry.topics.get(topic).into_iter().flat_map(HashMap::values);
        let users: HashSet<UserId> = peers.map(|peer| peer.user()).collect();
        users.into_iter().collect()
    }

    /// Sends a frame to those who subscribed to a topic and whom `is_for` admits.
    pub fn send_to_topic(&self, topic: &Topic, frame: &Frame, is_for: impl Fn(UserId) -> bool) {
        for peer in self.read().of_topic(topic) {
            if is_for(peer.user()) {
                peer.send(frame.clone());
            }
        }
    }

    /// Tells those who subscribed to a topic, and whom `is_for` admits, of a post; when there are many, how many there are.
    pub fn send_post(&self, topic: &Topic, post: PostId, frame: &Frame, is_for: impl Fn(UserId) -> bool) {
        let (now, limit) = (Instant::now(), self.0.config.posts_per_second);
        let mut held = Vec::new();
        for peer in self.read().of_topic(topic) {
            if is_for(peer.user()) && peer.offer((topic, post), frame, now, limit) == Offered::Held {
                held.push(Arc::clone(peer));
            }
        }
        if !held.is_empty() {
            lock(&self.0.held).extend(held.into_iter().map(|peer| (peer.id(), peer)));
        }
    }

    /// Subscribes a connection to a topic; `false` if it has as many as it may have.
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

    /// Takes a connection's subscription back.
    pub fn unsubscribe(&self, peer: &Peer, topic: &Topic) {
        let mut registry = self.write();
        peer.state().topics.remove(topic);
        registry.remove_subscriber(peer.id(), topic);
    }

    /// Takes the subscriptions back of those whom `has_lost` names, and tells them.
    pub fn revoke_topic(&self, topic: &Topic, has_lost: impl Fn(UserId) -> bool) {
        let lost: Vec<Arc<Peer>> = {
            let registry = self.read();
            registry.of_topic(topic).filter(|peer| has_lost(peer.user())).cloned().collect()
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

    /// Lets a connection hear when some users come and go, instead of those before.
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

    /// The users who want to hear when `user` comes and goes.
    pub fn watchers(&self, user: UserId) -> Vec<UserId> {
        let registry = self.read();
        let peers = registry.watchers.get(&user).into_iter().flatten();
        let users: HashSet<UserId> = peers.map(|peer| peer.user()).collect();
        users.into_iter().collect()
    }

    /// Tells those who watch `user`, and whom `is_for` admits.
    pub fn send_to_watchers(&self, user: UserId, frame: &Frame, is_for: impl Fn(UserId) -> bool) {
        for peer in self.read().watchers.get(&user).into_iter().flatten() {
            if is_for(peer.user()) {
                peer.send(frame.clone());
            }
        }
    }

    /// Closes the connections of a login.
    pub fn close_session(&self, session: SessionId, code: CloseCode) {
        self.close_where(code, |peer| peer.session() == session);
    }

    /// Closes the connections of a user, but for those of one login.
    pub fn close_user(&self, user: UserId, except: Option<SessionId>, code: CloseCode) {
        self.close_where(code, |peer| peer.user() == user && Some(peer.session()) != except);
    }

    fn close_where(&self, code: CloseCode, is_meant: impl Fn(&Peer) -> bool) {
        for peer in self.read().peers.values().filter(|peer| is_meant(peer)) {
            peer.close(code);
        }
    }

    /// Does what is due with time until `shutdown`: late events, held posts, users who do not come back.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.0.has_waiting.notified() => self.tell_late().await,
                _ = second.tick() => self.sweep(Instant::now()),
            }
        }
    }

    async fn tell_late(&self) {
        while self.tell_those_who_waited(Instant::now()) {
            tokio::time::sleep(PATIENCE / 2).await;
        }
    }

    /// Says whether some wait still.
    fn tell_those_who_waited(&self, now: Instant) -> bool {
        let mut order = self.order();
        let late = order.take_late(now);
        self.tell(&late);
        order.has_waiting()
    }

    fn sweep(&self, now: Instant) {
        let held = std::mem::take(&mut *lock(&self.0.held));
        for peer in held.into_values() {
            peer.tell_held();
        }
        self.order().forget(now);
        let grace = self.0.config.presence_grace;
        let gone: Vec<UserId> = {
            let mut registry = self.write();
            let gone = registry.leaving.extract_if(|_, since| now >= *since + grace);
            gone.map(|(user, _)| user).collect()
        };
        for user in gone {
            self.tell_presence(user, false);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    pub(crate) fn tell_presence(&self, user: UserId, is_online: bool) {
        // Who falls behind with it is told the truth when they ask.
        let _ = self.0.presence.try_send(Presence { user, is_online });
    }

    /// Lets nobody in any more, asks every client to reconnect at a time of its own, and closes the connections then;
    /// returns when they and their commands have ended, or ten seconds later. Says how many have not.
    pub async fn drain(&self) -> usize {
        self.0.draining.cancel();
        self.0.tasks.close();
        let peers: Vec<Arc<Peer>> = self.read().peers.values().cloned().collect();
        let window = self.0.config.drain.window(peers.len());
        let now = Instant::now();
        for peer in peers {
            peer.drain(now, spread(window));
        }
        _ = timeout(window + LAST_COMMANDS, self.0.tasks.wait()).await;
        self.0.tasks.len()
    }

    /// A delay for a client that is refused because the node drains, spread as those of the others are.
    pub(crate) fn reconnect_delay(&self) -> Duration {
        spread(self.0.config.drain.window(self.count().connections + 1))
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self) -> MutexGuard<'_, Order<Durable>> {
        lock(&self.0.order)
    }
}

/// A random part of `window`.
fn spread(window: Duration) -> Duration {
    window.mul_f64(rand::rng().random())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
