//! Live connections: who is connected to this node, what each is sent, and what happens when somebody does not keep up.
//! It knows nothing of what is said: others render frames, and run commands.
//!
//! | Module | Holds |
//! |---|---|
//! | [`handshake`] | what a client asks for before there is a connection (RFC 6455, 4) |
//! | [`hub`] | [`Hub`]: who is connected, and who is told what |
//! | [`place`] | a connection's place in it |
//! | [`connection`] | [`serve`]: reading and writing one connection |
//! | [`session`] | the rules of one connection, without I/O: heartbeat, rate, end of the credential |
//! | [`frame`] | what a client says, and what it is told |
//! | [`topic`] | what a client can subscribe to |
//! | [`close`] | why a connection ends |
//! | [`peer`] | one connection, as the hub knows it |
//! | [`config`] | what an operator decides |
//!
//! A frame is rendered once, and its bytes serve every connection. Nobody waits for a client: a frame goes into the outbox of
//! a connection, which is bounded, and whose own task writes it. When an outbox is full, what can be found again elsewhere
//! goes first.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() {
//! use blegram_domain::{Clock, ConnectionId, SessionId, SystemClock, UserId};
//! use blegram_gateway::{Class, Config, Credential, Frame, Hub, Owner};
//!
//! let (hub, _presence) = Hub::new(Config::default());
//! let now = SystemClock.now();
//! let (user, session) = (UserId::generate(now), SessionId::generate(now));
//! let lifetime = std::time::Duration::from_secs(600);
//! let expires_at = tokio::time::Instant::now() + lifetime;
//! let credential = Credential { session, valid_until: now + lifetime, expires_at, lifetime };
//! let ready = Frame::event(Class::Reply, "ready", &serde_json::json!({}));
//!
//! let place = hub.admit([127, 0, 0, 1].into()).expect("there is room");
//! let owner = Owner { user, credential };
//! let registered = place.register(ConnectionId::generate(now), owner, ready).expect("the first");
//! assert!(hub.is_online(user));
//! hub.send_to_users(&[user], &Frame::event(Class::Hint, "hello", &serde_json::json!({})));
//! // `serve` writes what was sent, once there is a stream.
//! # drop(registered);
//! # }
//! ```

pub mod close;
pub mod config;
pub mod connection;
pub mod frame;
pub mod handshake;
pub mod hub;
mod order;
mod outbox;
pub mod peer;
pub mod place;
mod registry;
pub mod session;
pub mod topic;

pub use close::CloseCode;
pub use config::{Config, Drain};
pub use connection::{Commands, MAX_MESSAGE_BYTES, MAX_WAITING, refuse, serve};
pub use frame::{Class, Command, Frame, Key, Refusal};
pub use handshake::{Handshake, PROTOCOL};
pub use hub::{Durable, Head, Hub, Presence, Refused};
pub use outbox::Room;
pub use peer::{Credential, Owner, Peer};
pub use place::{Place, Registered};
pub use session::Timing;
pub use topic::Topic;
