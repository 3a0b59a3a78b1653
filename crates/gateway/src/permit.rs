//! Guards that count and register connections in the hub.
//!
//! [`ConnectionPermit`] is a permit that is taken before the response to the handshake; it counts the connection of an address.
//! [`ConnectionGuard`] is the registration of an authenticated connection. Dropping a guard undoes it.

use std::{net::IpAddr, sync::Arc};

use blegram_domain::ConnectionId;
use blegram_limits::Permit;

use crate::{
    Hub,
    frame::Frame,
    hub::Rejection,
    peer::{ConnectionIdentity, Credential, Peer},
};

/// A permit for one connection from an address. The connection counts until the permit is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    pub(crate) hub: Hub,
    pub(crate) address: IpAddr,
    pub(crate) _share: Permit,
}

/// The registration of a connection in the hub. Dropping it removes the connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    permit: ConnectionPermit,
    peer: Arc<Peer>,
}

impl ConnectionPermit {
    /// Registers the connection, with `first` as its first frame: all other frames come after it.
    ///
    /// # Errors
    /// [`Rejection::TooManyOfUser`]; [`Rejection::Draining`] if the node has begun to shut down. Both return the permit.
    pub fn register(
        self,
        id: ConnectionId,
        identity: ConnectionIdentity,
        first: Frame,
    ) -> Result<ConnectionGuard, (Self, Rejection)> {
        let config = self.hub.config();
        let peer =
            Arc::new(Peer::new(id, identity, self.address, config.outbox, Arc::clone(self.hub.metrics())));
        peer.send(first);
        let mut registry = self.hub.registry().write();
        // Checked under the lock: `Hub::drain` cancels first and lists the connections afterwards, so it either sees
        // this connection, or this check sees that the node drains.
        if self.hub.is_draining() {
            drop(registry);
            self.hub.metrics().record_rejected(Rejection::Draining);
            return Err((self, Rejection::Draining));
        }
        let user_peers = registry.users.entry(identity.user).or_default();
        if user_peers.len() >= config.connections_per_user {
            drop(registry);
            self.hub.metrics().record_rejected(Rejection::TooManyOfUser);
            return Err((self, Rejection::TooManyOfUser));
        }
        user_peers.push(Arc::clone(&peer));
        let is_first = user_peers.len() == 1;
        registry.peers.insert(id, Arc::clone(&peer));
        let was_offline = registry.offline_since.remove(&identity.user).is_some();
        drop(registry);
        if is_first && !was_offline {
            self.hub.presence().notify_here(identity.user);
        }
        Ok(ConnectionGuard { permit: self, peer })
    }

    /// The hub of the permit.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl ConnectionGuard {
    /// The connection.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The credential of the client.
    pub(crate) fn credential(&self) -> Credential {
        self.peer.state().credential()
    }

    /// The hub of the registration.
    pub fn hub(&self) -> &Hub {
        &self.permit.hub
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.permit.hub.registry().write().remove(&self.peer);
        self.peer.detach();
    }
}
