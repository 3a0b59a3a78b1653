//! Conversations: direct ones of two, which are found again, and groups.
//!
//! | Module | Holds |
//! |---|---|
//! | [`conversations`] | beginning and listing them |
//! | [`members`] | who is in, and who lets them in or out |
//! | [`messages`] | sending, editing, unsending |
//! | [`receipts`] | what was read |
//! | [`sync`] | what somebody missed |
//! | [`erasure`] | removing what was deleted |
//! | [`view`] | things as a member sees them |
//!
//! Whatever happens in a conversation happens while its row is held: so it has one order, `seq` has no gap, and who is a
//! member is decided before anything is said. A message that a device sends again is found by what the device called it,
//! and is not sent twice, however much later.
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
pub mod members;
pub mod messages;
pub mod receipts;
pub mod sync;
pub mod view;

use std::sync::Arc;

use blegram_domain::Clock;
use blegram_persistence::Db;

pub use error::{Error, Result};
pub use sync::{Changes, Head, SyncCursor, Synced};
pub use view::{ConversationView, EventView, MemberView, MessageView};

/// What people do in conversations; cheap to clone.
#[derive(Clone)]
pub struct Chat {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Chat {
    /// Makes the use-cases over `db`, at the time of `clock`.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }
}
