//! A connection's place in the hub: taken before the handshake is answered, given back when it ends.

use std::{collections::hash_map::Entry, net::IpAddr, sync::Arc};

use blegram_domain::ConnectionId;

use crate::{
    Hub,
    frame::Frame,
    hub::Refused,
    peer::{Credential, Owner, Peer},
};

/// That a connection from an address was let in. It counts until this is dropped.
#[derive(Debug)]
pub struct Place {
    pub(crate) hub: Hub,
    pub(crate) address: IpAddr,
}

/// That a connection is known. It is until this is dropped.
#[derive(Debug)]
pub struct Registered {
    place: Place,
    peer: Arc<Peer>,
}

impl Place {
    /// Makes the connection known, with what it is told first: whatever is sent from now on comes after that.
    ///
    /// # Errors
    /// [`Refused::TooManyOfUser`], and the node may have begun to stop.
    pub fn register(
        self,
        id: ConnectionId,
        owner: Owner,
        first: Frame,
    ) -> Result<Registered, (Self, Refused)> {
        let config = self.hub.config();
        let peer = Arc::new(Peer::new(id, owner, self.address, config.room));
        peer.send(first);
        let mut registry = self.hub.write();
        // Under the lock: whoever drains asks everybody who is known after this.
        if self.hub.is_draining() {
            drop(registry);
            return Err((self, Refused::Draining));
        }
        let of_user = registry.users.entry(owner.user).or_default();
        if of_user.len() >= config.connections_per_user {
            drop(registry);
            return Err((self, Refused::TooManyOfUser));
        }
        of_user.push(Arc::clone(&peer));
        let is_first = of_user.len() == 1;
        registry.peers.insert(id, Arc::clone(&peer));
        let was_leaving = registry.leaving.remove(&owner.user).is_some();
        drop(registry);
        if is_first && !was_leaving {
            self.hub.tell_presence(owner.user, true);
        }
        Ok(Registered { place: self, peer })
    }

    /// Where it is.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.hub.write().addresses.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl Registered {
    /// The connection.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// What its client authenticated with.
    pub(crate) fn credential(&self) -> Credential {
        self.peer.state().credential()
    }

    /// Where it is known.
    pub fn hub(&self) -> &Hub {
        &self.place.hub
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.place.hub.write().remove(&self.peer);
    }
}
