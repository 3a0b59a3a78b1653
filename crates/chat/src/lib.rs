//! Conversations: direct ones of two, which are found again, and groups.
//!
//! Every function that touches the database can fail with it. A section `# Errors` names only what a caller handles
//! beyond that.
//!
//! | Module | Holds |
//! |---|---|
//! | [`conversations`] | beginning and listing them |
//! | [`members`] | who is in, and who lets them in or out |
//! | [`sending`] | sending messages, several in one transaction |
//! | [`messages`] | reading, editing, unsending them |
//! | [`receipts`] | what was read, and what devices have got |
//! | [`presence`] | who is writing, and who may see whom |
//! | [`sync`] | what somebody missed |
//! | [`event`] | what others are told at once |
//! | [`erasure`] | removing what was deleted |
//! | [`view`] | things as a member sees them |
//!
//! Whatever happens in a conversation happens while its row is held: so it has one order, `seq` has no gap, and who is a
//! member is decided before anything is said. A message that a device sends again is found by what the device called it,
//! and is not sent twice, however much later.
//!
//! What was committed is published, by whoever committed it; what the process did not come to publish is found again by `seq`.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_chat::Chat;
//! use blegram_domain::{Clock, SystemClock, UserId};
//! use blegram_persistence::testing::{Backend, TestDatabase};
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let chat = Chat::new(database.db().clone(), Arc::new(SystemClock));
//! assert_eq!(chat.unread_count(UserId::generate(SystemClock.now())).await?, 0);
//! # Ok(())
//! # }
//! ```

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

/// What people do in conversations; cheap to clone.
#[derive(Clone)]
pub struct Chat {
    db: Db,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink<Event>>,
    queues: sending::Queues,
}

impl Chat {
    /// Makes the use-cases over `db`, at the time of `clock`. Nobody is told what happens.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, events: Arc::new(()), queues: sending::Queues::default() }
    }

    /// The same, telling `events` what happens.
    #[must_use]
    pub fn with_events(self, events: Arc<dyn EventSink<Event>>) -> Self {
        Self { events, queues: sending::Queues::default(), ..self }
    }
}
