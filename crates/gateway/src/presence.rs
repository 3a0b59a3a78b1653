//! Presence: who is online, on this node and on the other ones, and the connections that watch it.
//!
//! Nodes report to each other who comes and goes; a node remembers that of the users whom its connections watch, as long
//! as the other node renews its lease. So the users of a node that was killed go offline by themselves.

mod elsewhere;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blegram_domain::UserId;
use tokio::{sync::mpsc, time::Instant};

use self::elsewhere::Elsewhere;
use crate::{Config, frame::Frame, peer::Peer, registry::SharedRegistry};

/// Identifies a node, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeId(u64);

impl NodeId {
    /// A random id.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where the presence of a user changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this node, which reports it to the others.
    Here,
    /// On another node.
    Elsewhere,
}

/// A user came or went. Whether they are online now is up to [`Presence::is_online`]: they can be so in several places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// The user.
    pub user: UserId,
    /// Where.
    pub place: Place,
}

/// The capacity of the queue of changes. Further ones are dropped.
const MAX_CHANGES: usize = 1024;

/// Who is online.
#[derive(Debug)]
pub struct Presence {
    registry: SharedRegistry,
    grace: Duration,
    elsewhere: Mutex<Elsewhere>,
    changes: mpsc::Sender<PresenceChange>,
}

impl Presence {
    pub(crate) fn new(registry: SharedRegistry, config: &Config) -> (Self, mpsc::Receiver<PresenceChange>) {
        let (changes, receiver) = mpsc::channel(MAX_CHANGES);
        let elsewhere = Mutex::new(Elsewhere::new(config.presence_lease));
        (Self { registry, grace: config.presence_grace, elsewhere, changes }, receiver)
    }

    /// Whether a user is connected, or was within the grace period
    /// ([`Config::presence_grace`](crate::Config::presence_grace)), on this node or, if a connection watches them, on
    /// another one.
    pub fn is_online(&self, user: UserId) -> bool {
        self.is_online_here(user) || self.is_online_elsewhere(user)
    }

    /// Whether a user whom a connection of this node watches is online on another node.
    pub fn is_online_elsewhere(&self, user: UserId) -> bool {
        self.elsewhere().is_online(user)
    }

    /// Whether a user is connected to this node, or was within the grace period.
    pub fn is_online_here(&self, user: UserId) -> bool {
        let registry = self.registry.read();
        registry.users.contains_key(&user) || registry.offline_since.contains_key(&user)
    }

    /// Replaces the set of users whose presence a connection watches. Returns those whom none watched before: what the
    /// other nodes know of them has to be asked for.
    pub fn watch(&self, peer: &Arc<Peer>, users: Vec<UserId>) -> Vec<UserId> {
        let mut registry = self.registry.write();
        let before = std::mem::replace(&mut peer.state().watched, users.clone());
        let new = users.iter().copied().filter(|user| !registry.watchers.contains_key(user)).collect();
        registry.remove_watcher(peer.id(), &before);
        if registry.peers.contains_key(&peer.id()) {
            for user in users {
                registry.watchers.entry(user).or_default().push(Arc::clone(peer));
            }
        }
        new
    }

    /// The users whom a connection of this node watches.
    pub fn watched(&self) -> Vec<UserId> {
        self.registry.read().watchers.keys().copied().collect()
    }

    /// The users who watch the presence of `user`, without duplicates.
    pub fn watchers(&self, user: UserId) -> Vec<UserId> {
        let registry = self.registry.read();
        let peers = registry.watchers.get(&user).into_iter().flatten();
        let users: HashSet<UserId> = peers.map(|peer| peer.user()).collect();
        users.into_iter().collect()
    }

    /// Sends a frame to the watchers of `user` for whom `is_recipient` returns true.
    pub fn send_to_watchers(&self, user: UserId, frame: &Frame, is_recipient: impl Fn(UserId) -> bool) {
        for peer in self.registry.read().watchers.get(&user).into_iter().flatten() {
            if is_recipient(peer.user()) {
                peer.send(frame.clone());
            }
        }
    }

    /// Renews the lease of another node.
    pub fn renew(&self, node: NodeId) {
        self.elsewhere().renew(node, Instant::now());
    }

    /// Records what another node reported: who is online there and who is not.
    pub fn report(&self, node: NodeId, online: &[UserId], offline: &[UserId]) {
        let changed = {
            let registry = self.registry.read();
            let watched = online.iter().copied().filter(|user| registry.watchers.contains_key(user));
            let mut elsewhere = self.elsewhere();
            elsewhere.renew(node, Instant::now());
            elsewhere.report(node, watched, offline)
        };
        self.notify_elsewhere(changed);
    }

    /// Publishes users who went offline here, and those of nodes whose leases have ended. Called every second.
    pub(crate) fn sweep(&self, now: Instant) {
        let expired: Vec<UserId> = {
            let mut registry = self.registry.write();
            let expired = registry.offline_since.extract_if(|_, since| now >= *since + self.grace);
            expired.map(|(user, _)| user).collect()
        };
        expired.into_iter().for_each(|user| self.notify_here(user));
        let changed = {
            let registry = self.registry.read();
            self.elsewhere().sweep(now, |user| registry.watchers.contains_key(&user))
        };
        self.notify_elsewhere(changed);
    }

    pub(crate) fn notify_here(&self, user: UserId) {
        self.notify(PresenceChange { user, place: Place::Here });
    }

    fn notify_elsewhere(&self, users: Vec<UserId>) {
        for user in users {
            self.notify(PresenceChange { user, place: Place::Elsewhere });
        }
    }

    fn notify(&self, change: PresenceChange) {
        // Dropping a change is harmless: clients get the current state when they query presence.
        let _ = self.changes.try_send(change);
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
