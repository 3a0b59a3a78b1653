//! Delivery of frames to the connections of a node: to users, to the members of a conversation, to the subscribers of
//! topics.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use blegram_domain::{ConnectionId, ConversationId, PostId, UserId};
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use tokio_util::task::TaskTracker;

use crate::{
    Config, Topic,
    broadcast::Broadcast,
    frame::{Class, Frame},
    peer::{Flow, Offered, Peer},
    registry::SharedRegistry,
    reorder::{Hole, MAX_DELAY, MAX_REPAIR, ReorderBuffer},
};

/// An event of a conversation, with its audience.
#[derive(Debug, Clone)]
pub struct DurableEvent {
    /// The conversation of the event.
    pub conversation: ConversationId,
    /// The number of the event in the conversation.
    pub seq: u64,
    /// The members at the time of the event who may see it.
    pub members: Vec<UserId>,
    /// The members at the time of the event who may not see it. They only receive the head of the conversation.
    pub head_only: Vec<UserId>,
    /// The rendered event, of class [`Class::DurableEvent`].
    pub frame: Frame,
}

impl DurableEvent {
    /// The head of the conversation after this event.
    fn head(&self) -> Option<Frame> {
        match self.frame.class {
            Class::DurableEvent { conversation, seq, last_message_no } => {
                Some(Frame::head(conversation, seq, last_message_no))
            }
            Class::Reply | Class::State(_) | Class::Removed { .. } | Class::Hint => None,
        }
    }
}

/// The head of a conversation, for members who may have missed events.
#[derive(Debug, Clone)]
pub struct Head {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the last event.
    pub last_seq: u64,
    /// The number of the last message.
    pub last_message_no: u64,
    /// The members.
    pub members: Vec<UserId>,
}

/// The capacity of the queue of holes.
const MAX_HOLES: usize = 256;

/// Delivers frames to the connections of a node. Sending never blocks: it only pushes frames into the outboxes of
/// connections. Their tasks write them, or a few tasks for many connections.
#[derive(Debug)]
pub struct Fanout {
    registry: SharedRegistry,
    tasks: TaskTracker,
    reorder_buffer: Mutex<ReorderBuffer<DurableEvent>>,
    has_waiting: Notify,
    /// Where holes are reported, if anything fills them.
    holes: OnceLock<mpsc::Sender<Hole>>,
    /// The connections with withheld posts, which receive their number on the next sweep.
    withheld: Mutex<HashMap<ConnectionId, Arc<Peer>>>,
    topics_per_connection: usize,
    posts_per_second: u32,
}

impl Fanout {
    pub(crate) fn new(registry: SharedRegistry, tasks: TaskTracker, config: &Config) -> Self {
        Self {
            registry,
            tasks,
            reorder_buffer: Mutex::new(ReorderBuffer::new()),
            has_waiting: Notify::new(),
            holes: OnceLock::new(),
            withheld: Mutex::default(),
            topics_per_connection: config.topics_per_connection,
            posts_per_second: config.posts_per_second,
        }
    }

    /// The holes from now on: send the events of a hole with [`Fanout::send_durable`], and those that wait follow them in
    /// order. If that takes longer than a second, or without this call after 50 ms, they are delivered without them, and
    /// clients fetch the missing ones. Call it once; later calls return a receiver of nothing.
    pub fn holes(&self) -> mpsc::Receiver<Hole> {
        let (sender, receiver) = mpsc::channel(MAX_HOLES);
        let _ = self.holes.set(sender);
        receiver
    }

    /// Delivers an event to the members of its conversation. Reorders events by their number and ignores duplicates.
    pub fn send_durable(&self, durable: DurableEvent) {
        let mut reorder_buffer = lock(&self.reorder_buffer);
        let (conversation, seq) = (durable.conversation, durable.seq);
        let due = reorder_buffer.insert(Instant::now(), conversation, seq, durable);
        if due.is_empty() {
            self.has_waiting.notify_one();
        }
        // Sends under the lock, so that no later event overtakes these.
        self.deliver(&due);
    }

    fn deliver(&self, due: &[DurableEvent]) {
        let registry = self.registry.read();
        for durable in due {
            self.broadcast(registry.peers_of_users(&durable.members), &durable.frame);
            if let Some(head) = (!durable.head_only.is_empty()).then(|| durable.head()).flatten() {
                self.broadcast(registry.peers_of_users(&durable.head_only), &head);
            }
        }
    }

    /// Queues a frame for each of `peers`, and has it written.
    fn broadcast<'a>(&self, peers: impl Iterator<Item = &'a Arc<Peer>>, frame: &Frame) {
        let mut broadcast = Broadcast::new(&self.tasks);
        for peer in peers {
            peer.queue(frame.clone());
            broadcast.add(peer);
        }
    }

    /// Sends the heads of those conversations of which this node did not deliver all events.
    pub fn send_heads(&self, heads: Vec<Head>) {
        let now = Instant::now();
        let mut reorder_buffer = lock(&self.reorder_buffer);
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

    /// Sends a frame to all connections.
    pub fn send_to_all(&self, frame: &Frame) {
        self.broadcast(self.registry.read().peers.values(), frame);
    }

    /// Sends a frame to all connections of `users`.
    pub fn send_to_users(&self, users: &[UserId], frame: &Frame) {
        self.broadcast(self.registry.read().peers_of_users(users), frame);
    }

    /// Sends a frame to those connections of `users` that display the conversation.
    pub fn send_to_open(&self, conversation: ConversationId, users: &[UserId], frame: &Frame) {
        let registry = self.registry.read();
        let displays = |peer: &&Arc<Peer>| peer.state().open.contains(&conversation);
        self.broadcast(registry.peers_of_users(users).filter(displays), frame);
    }

    /// The topics with a subscriber on this node.
    pub fn topics(&self) -> Vec<Topic> {
        self.registry.read().topics.keys().cloned().collect()
    }

    /// The users with a subscription to a topic on this node, without duplicates.
    pub fn subscribers(&self, topic: &Topic) -> Vec<UserId> {
        let registry = self.registry.read();
        registry.topics.get(topic).map(|users| users.keys().copied().collect()).unwrap_or_default()
    }

    /// Whether a topic has a subscriber on this node.
    pub fn has_subscribers(&self, topic: &Topic) -> bool {
        self.registry.read().topics.contains_key(topic)
    }

    /// Sends a frame to the subscribers of a topic for whom `is_recipient` returns true.
    pub fn send_to_topic(&self, topic: &Topic, frame: &Frame, is_recipient: impl Fn(UserId) -> bool) {
        self.broadcast(self.registry.read().peers_of_topic(topic, is_recipient), frame);
    }

    /// Sends a post to the subscribers of a topic for whom `is_recipient` returns true. Above
    /// [`Config::posts_per_second`](crate::Config::posts_per_second), a connection receives the number of further posts instead.
    pub fn send_post(
        &self,
        topic: &Topic,
        post: PostId,
        frame: &Frame,
        is_recipient: impl Fn(UserId) -> bool,
    ) {
        let (now, limit) = (Instant::now(), self.posts_per_second);
        let mut withheld = Vec::new();
        let mut broadcast = Broadcast::new(&self.tasks);
        for peer in self.registry.read().peers_of_topic(topic, is_recipient) {
            match peer.offer((topic, post), frame, now, limit) {
                Offered::Delivered => broadcast.add(peer),
                Offered::Withheld => withheld.push(Arc::clone(peer)),
            }
        }
        drop(broadcast);
        if !withheld.is_empty() {
            lock(&self.withheld).extend(withheld.into_iter().map(|peer| (peer.id(), peer)));
        }
    }

    /// Subscribes a connection to a topic. Returns `false` if it has reached the maximum number of topics.
    pub fn subscribe(&self, peer: &Arc<Peer>, topic: &Topic) -> bool {
        let mut registry = self.registry.write();
        let mut state = peer.state();
        let is_full = state.topics.len() >= self.topics_per_connection;
        match state.topics.entry(topic.clone()) {
            Entry::Occupied(_) => true,
            Entry::Vacant(_) if is_full => false,
            Entry::Vacant(entry) => {
                entry.insert_entry(Flow::default());
                if registry.peers.contains_key(&peer.id()) {
                    let users = registry.topics.entry(topic.clone()).or_default();
                    users.entry(peer.user()).or_default().push(Arc::clone(peer));
                }
                true
            }
        }
    }

    /// Removes a connection's subscription to a topic.
    pub fn unsubscribe(&self, peer: &Peer, topic: &Topic) {
        let mut registry = self.registry.write();
        peer.state().topics.remove(topic);
        registry.remove_subscriber(peer, topic);
    }

    /// Removes the subscriptions of users for whom `has_lost_access` returns true, and sends them `topic.revoked`.
    pub fn revoke_topic(&self, topic: &Topic, has_lost_access: impl Fn(UserId) -> bool) {
        let lost: Vec<Arc<Peer>> = {
            let registry = self.registry.read();
            registry.peers_of_topic(topic, has_lost_access).cloned().collect()
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

    /// Delivers events whose predecessors are missing, once they have waited long enough.
    pub(crate) async fn deliver_late(&self) -> ! {
        loop {
            self.has_waiting.notified().await;
            while self.deliver_overdue(Instant::now()) {
                tokio::time::sleep(MAX_DELAY / 2).await;
            }
        }
    }

    /// Reports new holes, and delivers the events that have waited long enough. Returns whether others still wait.
    fn deliver_overdue(&self, now: Instant) -> bool {
        let mut reorder_buffer = lock(&self.reorder_buffer);
        let holes = self.holes.get();
        for hole in holes.map(|_| reorder_buffer.take_holes(now)).into_iter().flatten() {
            // Dropping a hole is harmless: clients fetch what is missing.
            let _ = holes.map(|holes| holes.try_send(hole));
        }
        let patience = if holes.is_some() { MAX_REPAIR } else { MAX_DELAY };
        let late = reorder_buffer.take_overdue(now, patience);
        self.deliver(&late);
        reorder_buffer.has_waiting()
    }

    /// Sends the numbers of withheld posts, and forgets inactive conversations. Called every second.
    pub(crate) fn sweep(&self, now: Instant) {
        let withheld = std::mem::take(&mut *lock(&self.withheld));
        for peer in withheld.into_values() {
            peer.send_withheld_counts();
        }
        lock(&self.reorder_buffer).prune(now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
