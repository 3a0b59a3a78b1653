//! Presence: who is online, and the connections that watch it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use blegram_domain::UserId;
use tokio::{sync::mpsc, time::Instant};

use crate::{Config, frame::Frame, peer::Peer, registry::SharedRegistry};

/// A change of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// The user.
    pub user: UserId,
    /// Whether the user is online now.
    pub is_online: bool,
}

/// The capacity of the queue of changes. Further ones are dropped.
const MAX_CHANGES: usize = 1024;

/// Who is online on this node.
#[derive(Debug)]
pub struct Presence {
    registry: SharedRegistry,
    grace: Duration,
    changes: mpsc::Sender<PresenceChange>,
}

impl Presence {
    pub(crate) fn new(registry: SharedRegistry, config: &Config) -> (Self, mpsc::Receiver<PresenceChange>) {
        let (changes, receiver) = mpsc::channel(MAX_CHANGES);
        (Self { registry, grace: config.presence_grace, changes }, receiver)
    }

    /// Whether a user is connected, or was within the grace period ([`Config::presence_grace`](crate::Config::presence_grace)).
    pub fn is_online(&self, user: UserId) -> bool {
        let registry = self.registry.read();
        registry.users.contains_key(&user) || registry.offline_since.contains_key(&user)
    }

    /// Replaces the set of users whose presence a connection watches.
    pub fn watch(&self, peer: &Arc<Peer>, users: Vec<UserId>) {
        let mut registry = self.registry.write();
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

    /// Publishes users who went offline. Called every second.
    pub(crate) fn sweep(&self, now: Instant) {
        let expired: Vec<UserId> = {
            let mut registry = self.registry.write();
            let expired = registry.offline_since.extract_if(|_, since| now >= *since + self.grace);
            expired.map(|(user, _)| user).collect()
        };
        for user in expired {
            self.notify(user, false);
        }
    }

    pub(crate) fn notify(&self, user: UserId, is_online: bool) {
        // Dropping a change is harmless: clients get the current state when they query presence.
        let _ = self.changes.try_send(PresenceChange { user, is_online });
    }
}
