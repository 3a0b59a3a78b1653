//! The vocabulary and the pure rules of blegram: ids, validated value types, entities, pages and text analysis. Nothing
//! here performs I/O, so every rule can be read and tested on its own.
//!
//! | Module | Contents |
//! |---|---|
//! | [`id`] | typed, time-ordered ids ([`UserId`], [`PostId`], …) |
//! | [`clock`] | [`Clock`], [`Timestamp`] |
//! | [`clock_guard`] | detects a wrong system clock, so that retention deletes nothing too early |
//! | [`text`] | [`PostText`], [`DisplayName`], …: user-written text, normalised and limited |
//! | [`username`] | [`Username`] and its confusable [`Skeleton`](username::Skeleton) |
//! | [`email`] | [`EmailAddress`] |
//! | [`identity`] | [`Identity`]: a user's account at another login provider |
//! | [`analysis`], [`link`] | hashtags, mentions and links in a text |
//! | [`search`], [`trend`] | search terms and queries, trending hashtags |
//! | [`user_agent`] | the device of a `User-Agent`, in words |
//! | [`user`], [`post`], [`comment`], [`session`] | entities and their visibility rules |
//! | [`factor`] | second factors of accounts |
//! | [`conversation`] | conversations, members, messages and events |
//! | [`relation`] | relationships between accounts, and the visibility that follows from them |
//! | [`notification`], [`report`] | notifications to users, reports to moderators |
//! | [`audit`] | the audit log |
//! | [`media`] | images, their variants and storage keys |
//! | [`job`] | durable background jobs |
//! | [`event`] | the sink that receives committed events |
//! | [`page`] | keyset pagination with opaque cursors |
//! | [`version`] | preconditions for conditional requests |
//! | [`violation`] | why a value was rejected |
//!
//! To add a value type: write a newtype with a private field and a `parse` that returns [`Violation`], a table of
//! accepted and rejected inputs, and a property test that parsing an accepted value again changes nothing.
//!
//! ```
//! use blegram_domain::{PostText, Username, analysis::Analysis};
//!
//! let text = PostText::parse("오늘의 노을 #제주 #Jeju with @Ann")?;
//! let found = Analysis::of(text.as_str())?;
//! assert_eq!(found.hashtags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["제주", "jeju"]);
//! assert_eq!(found.mentions[0].candidates(), [Username::parse("ann")?]);
//! # Ok::<(), blegram_domain::Violation>(())
//! ```

pub mod analysis;
pub mod audit;
pub mod clock;
pub mod clock_guard;
pub mod comment;
pub mod conversation;
pub mod email;
pub mod event;
pub mod factor;
pub mod id;
pub mod identity;
pub mod job;
pub mod language;
pub mod link;
pub mod mail;
pub mod media;
pub mod notification;
pub mod page;
pub mod post;
pub mod relation;
pub mod report;
pub mod search;
pub mod session;
pub mod stored;
pub mod text;
pub mod trend;
pub mod user;
pub mod user_agent;
pub mod username;
pub mod version;
pub mod violation;

pub use analysis::Hashtag;
pub use audit::AuditEvent;
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use comment::Comment;
pub use conversation::{Conversation, ConversationEvent, Message};
pub use email::{EmailAddress, EmailKey};
pub use event::EventSink;
pub use factor::Factor;
pub use id::{
    AuditEventId, BookmarkId, ClientId, CommentId, ConnectionId, ConversationId, FactorId, JobId, LikeId,
    MailId, MediaId, MessageId, NotificationId, PostId, RecentSearchId, RelationId, ReportId, RequestId,
    RevisionId, SessionId, TokenId, UnlinkId, UploadId, UserId,
};
pub use identity::{Identity, IdentityKey, ProviderId};
pub use job::Job;
pub use language::Language;
pub use media::{Media, MediaKey};
pub use notification::{Notice, NoticeKind, Notification};
pub use page::{Page, PageRequest};
pub use post::{Post, Revision, Visibility};
pub use relation::Relation;
pub use report::Report;
pub use session::Session;
pub use text::{
    AltText, Bio, CommentText, ConversationTitle, DeviceName, DisplayName, MessageText, PostText, ReportNote,
    SearchText,
};
pub use user::{Account, User, UserRef, UserSummary};
pub use username::Username;
pub use violation::Violation;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
