//! Conversations: direct ones between two users, which exist once per pair, and groups.
//!
//! Every function that accesses the database can return a storage error. An `# Errors` section lists only the errors
//! that a caller handles in addition.
//!
//! | Module | Purpose |
//! |---|---|
//! | [`conversations`] | creating, listing and updating conversations |
//! | [`members`] | adding and removing members |
//! | [`sending`] | sending messages, several in one transaction |
//! | [`messages`] | reading, editing and deleting (unsending) messages |
//! | [`receipts`] | read and delivery marks |
//! | [`presence`] | typing indicators, and who may see whose presence |
//! | [`sync`] | what a client missed |
//! | [`event`] | committed changes, to be delivered in real time |
//! | [`erasure`] | purging deleted data in background jobs |
//! | [`view`] | entities as a member sees them |
//!
//! Every change of a conversation locks its row. That gives all its events one order, keeps `seq` without gaps, and
//! fixes the members before a message is accepted. A message that a device sends again is recognised by its client id,
//! at any later time, and is not sent twice.
//!
//! The process that commits a change publishes its events. If it stops before that, clients find them by `seq`.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_chat::Chat;
//! use blegram_domain::{Clock, SystemClock, UserId};
//! use blegram_persistence::{Db, Settings};
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let chat = Chat::new(db, Arc::new(SystemClock));
//! assert_eq!(chat.unread_count(UserId::generate(SystemClock.now())).await?, 0);
//! # Ok(())
//! # }
//! ```

mod bugs;
pub mod conversations;
pub mod erasure;
mod error;
pub mod event;
pub mod members;
pub mod messages;
pub mod presence;
pub mod receipts;
pub mod sending;
pub mod sync;
pub mod view;

use std::sync::Arc;

use blegram_domain::{Clock, event::EventSink};
use blegram_persistence::Db;

pub use error::{Error, Result};
pub use event::{Event, RemovedReason};
pub use sync::{ChangePosition, ChangedHead, Changes, Head, SyncCursor, Synced};
pub use view::{ConversationView, EventView, MemberView, MessageView};

/// The use cases of this crate; cheap to clone.
#[derive(Clone)]
pub struct Chat {
    db: Db,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink<Event>>,
    queues: sending::WriteQueues,
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").finish_non_exhaustive()
    }
}

impl Chat {
    /// Creates the use cases over `db`, with the time of `clock`. Events are discarded.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, events: Arc::new(()), queues: sending::WriteQueues::default() }
    }

    /// Publishes events to `events`. The new value has write queues of its own.
    #[must_use]
    pub fn with_events(self, events: Arc<dyn EventSink<Event>>) -> Self {
        Self { events, queues: sending::WriteQueues::default(), ..self }
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
