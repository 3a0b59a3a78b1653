//! Comments on posts, with one level of replies.

use crate::{CommentId, PostId, Timestamp, UserId};

/// A comment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Sorts by time of writing. Posts and comments share one space of ids.
    pub id: CommentId,
    /// What it is about.
    pub post: PostId,
    /// The comment at the top of its thread; `None` for one at the top itself.
    pub parent: Option<CommentId>,
    /// Who wrote it; `None` once it is deleted.
    pub author: Option<UserId>,
    /// What it says; see [`crate::CommentText`]. Empty once it is deleted.
    pub text: String,
    /// The accounts it mentions, in order of first appearance.
    pub mentions: Vec<UserId>,
    /// How many accounts like it.
    pub like_count: u64,
    /// How many replies it has that are not deleted.
    pub reply_count: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text last changed.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// How often its author edited it.
    pub version: u64,
}

impl Comment {
    /// Whether it was deleted. While it has replies it stands as a tombstone, so that they do not hang in the air.
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// Whether there is anything of it to see, by whoever sees the post.
    pub const fn is_there(&self) -> bool {
        !self.is_deleted() || self.reply_count > 0
    }

    /// The top of the thread that a reply to this comment joins.
    pub fn thread(&self) -> CommentId {
        self.parent.unwrap_or(self.id)
    }
}
