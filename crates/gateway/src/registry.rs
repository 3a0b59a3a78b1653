//! The connections of a node, indexed by id, user, topic, and watched user.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use blegram_domain::{ConnectionId, UserId};
use tokio::time::Instant;

use crate::{Topic, peer::Peer};

/// The registry, shared by the parts of the hub.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedRegistry(Arc<RwLock<Registry>>);

impl SharedRegistry {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) peers: HashMap<ConnectionId, Arc<Peer>>,
    pub(crate) users: HashMap<UserId, Vec<Arc<Peer>>>,
    /// The subscribers of each topic, by user: whether a frame is sent to a user is decided once for all connections.
    pub(crate) topics: HashMap<Topic, HashMap<UserId, Vec<Arc<Peer>>>>,
    pub(crate) watchers: HashMap<UserId, Vec<Arc<Peer>>>,
    /// When the last connection of a user ended. Entries are removed after the grace period or when the user
    /// reconnects.
    pub(crate) offline_since: HashMap<UserId, Instant>,
}

impl Registry {
    pub(crate) fn peers_of_users<'a>(&'a self, users: &'a [UserId]) -> impl Iterator<Item = &'a Arc<Peer>> {
        users.iter().filter_map(|user| self.users.get(user)).flatten()
    }

    /// The connections that are subscribed to a topic, of the users for whom `is_recipient` returns true.
    pub(crate) fn peers_of_topic(
        &self,
        topic: &Topic,
        is_recipient: impl Fn(UserId) -> bool,
    ) -> impl Iterator<Item = &Arc<Peer>> {
        let users = self.topics.get(topic).into_iter().flatten();
        users.filter(move |(user, _)| is_recipient(**user)).flat_map(|(_, peers)| peers)
    }

    pub(crate) fn remove_subscriber(&mut self, peer: &Peer, topic: &Topic) {
        let Some(users) = self.topics.get_mut(topic) else { return };
        if let Entry::Occupied(mut entry) = users.entry(peer.user()) {
            entry.get_mut().retain(|other| other.id() != peer.id());
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        if users.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(crate) fn remove_watcher(&mut self, id: ConnectionId, users: &[UserId]) {
        for user in users {
            if let Entry::Occupied(mut entry) = self.watchers.entry(*user) {
                entry.get_mut().retain(|peer| peer.id() != id);
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, peer: &Peer) {
        self.peers.remove(&peer.id());
        let (topics, watched) = {
            let mut state = peer.state();
            (std::mem::take(&mut state.topics), std::mem::take(&mut state.watched))
        };
        for topic in topics.keys() {
            self.remove_subscriber(peer, topic);
        }
        self.remove_watcher(peer.id(), &watched);
        if let Entry::Occupied(mut entry) = self.users.entry(peer.user()) {
            entry.get_mut().retain(|other| other.id() != peer.id());
            if entry.get().is_empty() {
                entry.remove();
                self.offline_since.insert(peer.user(), Instant::now());
            }
        }
    }
}
