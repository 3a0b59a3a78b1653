//! The hub of a node: it admits, counts and closes connections.
//!
//! Other parts of the process render a frame and pass it to the [`Fanout`] with its audience: users, the members of a
//! conversation, the subscribers of a topic. [`Presence`] knows who is online and who watches whom. The hub limits
//! connections, and closes them when the node shuts down.

mod upkeep;

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use blegram_domain::{SessionId, UserId};
use blegram_limits::{Shares, SharesConfig};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CloseCode, Config,
    fanout::Fanout,
    metrics::{GatewayMetrics, GatewaySnapshot},
    peer::Peer,
    permit::ConnectionPermit,
    presence::{Presence, PresenceChange},
    registry::SharedRegistry,
};

/// Why a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The node shuts down.
    #[error("the node is shutting down")]
    Draining,
    /// Too many handshakes per second on this node; the client can retry after a second.
    #[error("too many clients connect at once")]
    Busy,
    /// The subscriber's network or the wider one has reached the maximum number of connections.
    #[error("there are too many connections from this address")]
    TooManyOfAddress,
    /// The user has reached the maximum number of connections.
    #[error("the user has too many connections")]
    TooManyOfUser,
}

impl Rejection {
    /// All reasons.
    pub const ALL: &[Self] = &[Self::Draining, Self::Busy, Self::TooManyOfAddress, Self::TooManyOfUser];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Busy => "busy",
            Self::TooManyOfAddress => "address",
            Self::TooManyOfUser => "user",
        }
    }
}

/// The number of connections and users on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Connections.
    pub connections: usize,
    /// Users with at least one connection.
    pub users: usize,
}

/// The connections of this node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    registry: SharedRegistry,
    fanout: Fanout,
    presence: Presence,
    handshakes: DefaultDirectRateLimiter,
    /// The connections of each address and network.
    addresses: Shares,
    draining: CancellationToken,
    tasks: TaskTracker,
    metrics: Arc<GatewayMetrics>,
}

impl Hub {
    /// Creates a hub without connections, and the receiver of its presence changes.
    pub fn new(config: Config) -> (Self, mpsc::Receiver<PresenceChange>) {
        let registry = SharedRegistry::default();
        let (presence, changes) = Presence::new(registry.clone(), &config);
        let tasks = TaskTracker::new();
        let hub = Self(Arc::new(Inner {
            handshakes: RateLimiter::direct(Quota::per_second(config.handshakes_per_second)),
            addresses: Shares::new(SharesConfig { all: usize::MAX, each: config.connections_per_address }),
            fanout: Fanout::new(registry.clone(), tasks.clone(), &config),
            presence,
            registry,
            config,
            draining: CancellationToken::new(),
            tasks,
            metrics: Arc::default(),
        }));
        (hub, changes)
    }

    /// Delivers frames to the connections.
    pub fn fanout(&self) -> &Fanout {
        &self.0.fanout
    }

    /// Who is online.
    pub fn presence(&self) -> &Presence {
        &self.0.presence
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
        let count = self.0.registry.read().users.get(&user).map_or(0, Vec::len);
        if count < self.0.config.connections_per_user { Ok(()) } else { Err(Rejection::TooManyOfUser) }
    }

    /// Admits a connection from `address` and counts it.
    ///
    /// # Errors
    /// As for [`Hub::check`]; [`Rejection::Busy`] above the rate of handshakes.
    pub fn admit(&self, address: IpAddr) -> Result<ConnectionPermit, Rejection> {
        self.try_admit(address).inspect_err(|rejection| self.0.metrics.record_rejected(*rejection))
    }

    fn try_admit(&self, address: IpAddr) -> Result<ConnectionPermit, Rejection> {
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
        let registry = self.0.registry.read();
        Count { connections: registry.peers.len(), users: registry.users.len() }
    }

    /// What the connections did since the start, and what waits now. Visits every connection.
    pub fn snapshot(&self) -> GatewaySnapshot {
        let Count { connections, users } = self.count();
        let queued_bytes = self.0.registry.read().peers.values().map(|peer| peer.queued_bytes()).sum();
        self.0.metrics.snapshot((connections, users), queued_bytes)
    }

    /// The sessions of all connections, without duplicates.
    pub fn sessions(&self) -> Vec<SessionId> {
        let sessions: HashSet<_> = self.0.registry.read().peers.values().map(|peer| peer.session()).collect();
        sessions.into_iter().collect()
    }

    /// The connected users.
    pub fn users(&self) -> Vec<UserId> {
        self.0.registry.read().users.keys().copied().collect()
    }

    /// Whether a user is connected.
    pub fn is_connected(&self, user: UserId) -> bool {
        self.0.registry.read().users.contains_key(&user)
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
        for peer in self.0.registry.read().peers.values().filter(|peer| is_affected(peer)) {
            peer.close(code);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    pub(crate) fn metrics(&self) -> &Arc<GatewayMetrics> {
        &self.0.metrics
    }

    pub(crate) fn registry(&self) -> &SharedRegistry {
        &self.0.registry
    }
}
