//! The social use cases of blegram: posts, comments, likes, follows, timelines, search and notifications.
//!
//! Every function that accesses the database can return a storage error. An `# Errors` section lists only the errors
//! that a caller handles in addition.
//!
//! | Module | Purpose |
//! |---|---|
//! | [`posts`] | creating, reading and deleting posts |
//! | [`revisions`] | editing posts; the revisions of posts and comments |
//! | [`comments`] | comments, replies and tombstones |
//! | [`likes`], [`bookmarks`] | likes, and private bookmarks |
//! | [`previews`] | posts and profiles for link previews and search engines |
//! | [`relations`] | following, blocking and muting |
//! | [`people`] | lists of followers, followed, blocked and muted accounts |
//! | [`profiles`] | reading and editing profiles |
//! | [`timelines`] | lists of posts |
//! | [`search`], [`discovery`] | full-text search; trending hashtags and suggested accounts |
//! | [`notifications`] | notifications and their read mark |
//! | [`reports`] | reports to moderators |
//! | [`erasure`] | purging deleted data in background jobs |
//! | [`recount`] | verifying and correcting denormalised counts |
//! | [`view`] | entities as a viewer sees them |
//! | [`Event`] | committed changes, to be delivered |
//! | [`audience`] | the relations that decide who gets an event |
//!
//! To add a use case, add a method to [`Social`] in the file of its noun, with `actor` or `viewer` as the first
//! parameter. It loads, decides, writes, commits and publishes, in this order. What the viewer may not see is reported
//! as not found. A list takes four steps: ids, hydrate, filter, view. Then add a test in `tests/it`, for both
//! databases.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_domain::{PageRequest, SystemClock, page::{Limit, Scope}};
//! use blegram_persistence::{Db, Settings};
//! use blegram_social::Social;
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let social = Social::new(db, Arc::new(SystemClock));
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
pub mod previews;
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

pub use audience::Relations;
pub use blegram_domain::UserRef;
pub use comments::WriteComment;
pub use discovery::SuggestedUser;
pub use error::{Error, Result};
pub use event::Event;
pub use likes::LikeState;
pub use notifications::NotificationView;
pub use posts::CreatePost;
pub use previews::{PostPreview, UserPreview};
pub use profiles::{NewDisplayName, UpdateProfile};
pub use recount::Recounted;
pub use relations::FollowState;
pub use reports::{CreateReport, Reported};
pub use revisions::{PostRevision, UpdatePost};
pub use search::{HashtagView, SearchHistory, Suggestions};
pub use view::{CommentView, PostView, UserView};

/// The use cases of this crate; cheap to clone.
#[derive(Clone)]
pub struct Social {
    db: Db,
    clock: Arc<dyn Clock>,
    trends: discovery::CachedTrends,
    events: Arc<dyn EventSink<Event>>,
}

impl std::fmt::Debug for Social {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Social").finish_non_exhaustive()
    }
}

impl Social {
    /// Creates the use cases over `db`, with the time of `clock`. Events are discarded.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, trends: discovery::CachedTrends::default(), events: Arc::new(()) }
    }

    /// Publishes events to `events`.
    #[must_use]
    pub fn with_events(self, events: Arc<dyn EventSink<Event>>) -> Self {
        Self { events, ..self }
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
