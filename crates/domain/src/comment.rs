//! Comments on posts, with one level of replies.

use serde::{Deserialize, Serialize};

use crate::{CommentId, PostId, Timestamp, UserId};

/// A stored comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Sorts by creation time. Posts and comments share one id space.
    pub id: CommentId,
    /// The post that it belongs to.
    pub post: PostId,
    /// The top-level comment of its thread; `None` if this is a top-level comment.
    pub parent: Option<CommentId>,
    /// The author; `None` once the comment is deleted.
    pub author: Option<UserId>,
    /// The text; see [`crate::CommentText`]. Empty once the comment is deleted.
    pub text: String,
    /// The mentioned accounts, in order of first appearance.
    pub mentions: Vec<UserId>,
    /// Number of accounts that like it.
    pub like_count: u64,
    /// Number of replies that are not deleted.
    pub reply_count: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its text was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// Number of edits by the author.
    pub version: u64,
}

impl Comment {
    /// Whether it was deleted. A deleted comment with replies stays as a tombstone, so that the replies keep their
    /// parent.
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// Whether viewers of the post see the comment, at least as a tombstone.
    pub const fn exists(&self) -> bool {
        !self.is_deleted() || self.reply_count > 0
    }

    /// The top-level comment of the thread that a reply to this comment joins.
    pub fn thread(&self) -> CommentId {
        self.parent.unwrap_or(self.id)
    }
}
