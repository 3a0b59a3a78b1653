//! What people do in blegram: posts, profiles and timelines.
//!
//! | Module | Holds |
//! |---|---|
//! | [`posts`] | writing, reading and deleting posts |
//! | [`revisions`] | editing posts, and the texts that they had |
//! | [`profiles`] | accounts as others see them, and what their owners make of them |
//! | [`timelines`] | lists of posts |
//! | [`erasure`] | removing what a deleted account wrote |
//! | [`view`] | posts as a viewer sees them |
//!
//! To add a use-case: a method on [`Social`] in the file of its noun, `actor` or `viewer` first: load →
//! decide → write → commit. What the viewer may not see is not found. Lists are four steps: ids,
//! hydrate, filter, view. Then its story in `tests/it`, on both databases.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_domain::{PageRequest, SystemClock, page::{Limit, Scope}};
//! use blegram_persistence::testing::{Backend, TestDatabase};
//! use blegram_social::Social;
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let social = Social::new(database.db().clone(), Arc::new(SystemClock));
//! let first = PageRequest::new(Scope::new("getPublicTimeline", &[]), Limit::default(), None, None);
//! assert!(social.public_timeline(None, &first).await?.items.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod erasure;
mod error;
pub mod posts;
pub mod profiles;
pub mod revisions;
pub mod timelines;
pub mod view;

use std::sync::Arc;

use blegram_domain::Clock;
use blegram_persistence::Db;

pub use error::{Error, Result};
pub use posts::CreatePost;
pub use profiles::{Shown, UpdateProfile, UserRef};
pub use revisions::UpdatePost;
pub use view::{PostView, PostViewer, UserView, UserViewer};

/// The use-cases of posts, profiles and timelines; cheap to clone.
#[derive(Clone)]
pub struct Social {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Social {
    /// Makes the use-cases over `db`, at the time of `clock`.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }
}
