//! What people do in blegram: posts, comments, likes, follows, timelines and what they are told of it.
//!
//! Every function that touches the database can fail with it. A section `# Errors` names only what a caller handles
//! beyond that.
//!
//! | Module | Holds |
//! |---|---|
//! | [`posts`] | writing, reading and deleting posts |
//! | [`revisions`] | editing posts, and the texts that posts and comments had |
//! | [`comments`] | comments, replies and tombstones |
//! | [`likes`], [`bookmarks`] | what people keep of it |
//! | [`relations`] | following, blocking and muting |
//! | [`people`] | lists of people |
//! | [`profiles`] | accounts as others see them, and what their owners make of them |
//! | [`timelines`] | lists of posts |
//! | [`search`], [`discovery`] | finding by words; what many write about, whom to follow |
//! | [`notifications`] | what people are told, and how far they have read it |
//! | [`reports`] | telling moderators |
//! | [`erasure`] | removing what was deleted |
//! | [`recount`] | checking the counts that rows keep |
//! | [`view`] | things as a viewer sees them |
//! | [`Event`] | what happened, for those who deliver it |
//! | [`audience`] | whom they deliver it to |
//!
//! To add a use-case: a method on [`Social`] in the file of its noun, `actor` or `viewer` first: load →
//! decide → write → commit and publish. What the viewer may not see is not found. Lists are four steps: ids,
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

pub mod audience;
pub mod bookmarks;
pub mod comments;
pub mod discovery;
pub mod erasure;
mod error;
mod event;
pub mod likes;
mod media;
pub mod notifications;
pub mod people;
pub mod posts;
pub mod profiles;
pub mod recount;
pub mod relations;
pub mod reports;
pub mod revisions;
pub mod search;
pub mod timelines;
pub mod view;

use std::sync::Arc;

use blegram_domain::{Clock, EventSink};
use blegram_persistence::Db;

pub use audience::Standings;
pub use blegram_domain::UserRef;
pub use comments::WriteComment;
pub use discovery::SuggestedUser;
pub use error::{Error, Result};
pub use event::Event;
pub use likes::LikeState;
pub use notifications::NotificationView;
pub use posts::CreatePost;
pub use profiles::{Shown, UpdateProfile};
pub use recount::Recounted;
pub use relations::FollowState;
pub use reports::{CreateReport, Reported};
pub use revisions::{PostRevision, UpdatePost};
pub use search::{HashtagView, Suggestions};
pub use view::{CommentView, PostView, UserView};

/// What people do with posts and with each other; cheap to clone.
#[derive(Clone)]
pub struct Social {
    db: Db,
    clock: Arc<dyn Clock>,
    trends: discovery::KnownTrends,
    events: Arc<dyn EventSink<Event>>,
}

impl Social {
    /// Makes the use-cases over `db`, at the time of `clock`. Nobody is told what they do.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, trends: discovery::KnownTrends::default(), events: Arc::new(()) }
    }

    /// Tells `events` what the use-cases do.
    #[must_use]
    pub fn with_events(self, events: Arc<dyn EventSink<Event>>) -> Self {
        Self { events, ..self }
    }
}
