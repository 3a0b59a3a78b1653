//! Notifications about other accounts' actions.

use serde::{Deserialize, Serialize};

use crate::{CommentId, NotificationId, PostId, Timestamp, UserId, stored::stored_enum};

stored_enum! {
    /// What the actor did.
    NoticeKind {
        /// The actor follows the recipient.
        Follow = "follow",
        /// The actor requests to follow the recipient, whose account is private.
        FollowRequest = "follow_request",
        /// The actor accepted the recipient's follow request.
        FollowAccepted = "follow_accepted",
        /// The actor likes a post of the recipient.
        PostLike = "post_like",
        /// The actor likes a comment of the recipient.
        CommentLike = "comment_like",
        /// The actor commented on a post of the recipient.
        Comment = "comment",
        /// The actor replied to a comment of the recipient.
        Reply = "reply",
        /// The actor mentioned the recipient in a post or a comment.
        Mention = "mention",
    }
}

/// An action that the recipient is to be notified of. The same recipient, kind, actor and object make one notice,
/// however often the action is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The account to notify.
    pub recipient: UserId,
    /// What the actor did.
    pub kind: NoticeKind,
    /// The account that acted.
    pub actor: UserId,
    /// The post concerned.
    pub post: Option<PostId>,
    /// The comment concerned.
    pub comment: Option<CommentId>,
}

impl Notice {
    /// A notice about the recipient's account: follows and follow requests.
    pub const fn about_account(recipient: UserId, kind: NoticeKind, actor: UserId) -> Self {
        Self { recipient, kind, actor, post: None, comment: None }
    }

    /// A notice about a post.
    pub const fn about_post(recipient: UserId, kind: NoticeKind, actor: UserId, post: PostId) -> Self {
        Self { post: Some(post), ..Self::about_account(recipient, kind, actor) }
    }

    /// A notice about a comment on a post.
    pub const fn about_comment(
        recipient: UserId,
        kind: NoticeKind,
        actor: UserId,
        (post, comment): (PostId, CommentId),
    ) -> Self {
        Self { comment: Some(comment), ..Self::about_post(recipient, kind, actor, post) }
    }
}

/// A stored notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Sorts by time.
    pub id: NotificationId,
    /// What the recipient is notified of.
    pub notice: Notice,
    /// When the action happened.
    pub created_at: Timestamp,
}

/// How far a recipient has read their notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadMark {
    /// Number of notifications newer than the mark.
    pub unread_count: u64,
    /// The newest notification that was read, on any device; `None` if none was.
    pub up_to: Option<NotificationId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_notice_kinds_can_be_parsed() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.as_str().parse::<NoticeKind>().as_ref(), Ok(kind));
        }
    }
}
