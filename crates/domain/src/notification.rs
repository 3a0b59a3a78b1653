//! What people are told of what others did.

use std::str::FromStr;

use crate::{CommentId, NotificationId, PostId, Timestamp, UserId, user::stored_enum};

stored_enum! {
    /// What somebody did.
    NoticeKind {
        /// They follow the recipient.
        Follow = "follow",
        /// They ask to follow the recipient, whose account is private.
        FollowRequest = "follow_request",
        /// They let the recipient follow them.
        FollowAccepted = "follow_accepted",
        /// They like a post of the recipient's.
        PostLike = "post_like",
        /// They like a comment of the recipient's.
        CommentLike = "comment_like",
        /// They commented on a post of the recipient's.
        Comment = "comment",
        /// They replied to a comment of the recipient's.
        Reply = "reply",
        /// They mentioned the recipient in a post or a comment.
        Mention = "mention",
    }
}

/// Something that somebody did and somebody else is to be told of. One person, kind and object is one notice, however
/// often it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Who is told.
    pub recipient: UserId,
    /// What was done.
    pub kind: NoticeKind,
    /// Who did it.
    pub actor: UserId,
    /// The post that it is about.
    pub post: Option<PostId>,
    /// The comment that it is about.
    pub comment: Option<CommentId>,
}

impl Notice {
    /// About the recipient themselves: follows and requests.
    pub const fn about_you(recipient: UserId, kind: NoticeKind, actor: UserId) -> Self {
        Self { recipient, kind, actor, post: None, comment: None }
    }

    /// About a post.
    pub const fn about_post(recipient: UserId, kind: NoticeKind, actor: UserId, post: PostId) -> Self {
        Self { post: Some(post), ..Self::about_you(recipient, kind, actor) }
    }

    /// About a comment on a post.
    pub const fn about_comment(
        recipient: UserId,
        kind: NoticeKind,
        actor: UserId,
        (post, comment): (PostId, CommentId),
    ) -> Self {
        Self { comment: Some(comment), ..Self::about_post(recipient, kind, actor, post) }
    }
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Sorts by time.
    pub id: NotificationId,
    /// What it tells.
    pub notice: Notice,
    /// When it was done.
    pub created_at: Timestamp,
}

/// How far somebody has read what they were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadMark {
    /// How many notifications are newer than the mark.
    pub unread_count: u64,
    /// The newest one that was read, on whichever device; `None` before the first.
    pub up_to: Option<NotificationId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_kinds_are_read_again() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.as_str().parse::<NoticeKind>().as_ref(), Ok(kind));
        }
    }
}
