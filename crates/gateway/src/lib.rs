//! The realtime gateway: WebSocket connections of this node, delivery of frames to them, and backpressure for slow
//! clients.
//!
//! This crate does not know the content of frames. Its caller renders events, implements [`Commands`] and passes each
//! upgraded stream to [`serve`].
//!
//! | Module | Content |
//! |---|---|
//! | [`handshake`] | the WebSocket handshake (RFC 6455, 4) |
//! | [`hub`] | [`Hub`]: admits, counts and closes connections |
//! | [`fanout`] | [`Fanout`]: delivers frames to users, members and subscribers |
//! | [`presence`] | [`Presence`]: who is online, and who watches whom |
//! | [`permit`] | permits and registrations of connections |
//! | [`connection`] | [`serve`]: reads and writes one connection |
//! | [`session`] | the state machine of one connection, without I/O: heartbeat, rate limit, expiry of the credential |
//! | [`frame`] | frames from and to clients |
//! | [`topic`] | subscription topics |
//! | [`close`] | close codes |
//! | [`peer`] | [`Peer`]: one connection in the hub |
//! | [`config`] | limits and time limits |
//!
//! A frame is rendered and encoded once, and all connections share its bytes. Senders never wait for a client: they push
//! the frame into the bounded outbox of the connection, and the task of the connection writes it. For many connections,
//! a few tasks write to those that accept the frame at once. A full outbox first drops frames whose content clients can
//! get elsewhere.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! use blegram_domain::{Clock, ConnectionId, SessionId, SystemClock, UserId};
//! use blegram_gateway::{Class, Config, ConnectionIdentity, Credential, Frame, Hub};
//!
//! let (hub, _presence) = Hub::new(Config::default());
//! let now = SystemClock.now();
//! let (user, session) = (UserId::generate(now), SessionId::generate(now));
//! let lifetime = std::time::Duration::from_secs(600);
//! let expires_at = tokio::time::Instant::now() + lifetime;
//! let credential = Credential { session, valid_until: now + lifetime, expires_at, lifetime };
//! let ready = Frame::event(Class::Reply, "ready", &serde_json::json!({}));
//!
//! let permit = hub.admit([127, 0, 0, 1].into()).expect("below the limits");
//! let identity = ConnectionIdentity { user, credential };
//! let guard = permit.register(ConnectionId::generate(now), identity, ready).expect("below the limits");
//! assert!(hub.presence().is_online(user));
//! hub.fanout().send_to_users(&[user], &Frame::event(Class::Hint, "hello", &serde_json::json!({})));
//! // `serve` writes the frames to the stream of the connection.
//! # drop(guard);
//! # }
//! ```

mod broadcast;
pub mod close;
pub mod config;
pub mod connection;
pub mod fanout;
pub mod frame;
pub mod handshake;
pub mod hub;
mod metrics;
mod outbox;
pub mod peer;
pub mod permit;
pub mod presence;
mod registry;
mod reorder;
pub mod session;
mod stream;
pub mod topic;

pub use close::CloseCode;
pub use config::{Config, Drain};
pub use connection::{Commands, MAX_MESSAGE_BYTES, MAX_WAITING, reject, serve};
pub use fanout::{DurableEvent, Fanout, Head};
pub use frame::{Class, Command, CommandError, Frame, Key};
pub use handshake::{Handshake, PROTOCOL};
pub use hub::{Hub, Rejection};
pub use metrics::GatewaySnapshot;
pub use outbox::OutboxLimits;
pub use peer::{ConnectionIdentity, Credential, Peer};
pub use permit::{ConnectionGuard, ConnectionPermit};
pub use presence::{NodeId, Place, Presence, PresenceChange};
pub use reorder::Hole;
pub use session::Timing;
pub use topic::Topic;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
