//! Events of this crate: what its use cases publish after they commit.

use std::{collections::BTreeMap, panic::resume_unwind, sync::Arc};

use blegram_domain::{Comment, NotificationId, Post, PostId, UserId, UserSummary, notification::ReadMark};
use blegram_persistence::{Error as StorageError, Tx};
use serde::{Deserialize, Serialize};

use crate::{CommentView, PostView, Result, Social};

/// A committed change. Calls that are rejected or change nothing publish no event; background jobs publish only the
/// notifications that they retract or add.
///
/// Views are rendered for a logged-out viewer, regardless of who may see them. The receiver decides who gets an event,
/// with [`Post::is_visible_to`] and [`Social::relations`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A post was created.
    PostCreated(PostView),
    /// A post was edited.
    PostUpdated {
        /// The post after the edit.
        post: PostView,
        /// The post before the edit, when its audience and hashtags may have been different.
        before: Post,
    },
    /// A post was deleted.
    PostDeleted {
        /// The post before its deletion.
        post: Post,
        /// The post's author.
        author: UserSummary,
    },
    /// A comment or reply was created.
    CommentCreated {
        /// The comment.
        comment: CommentView,
        /// Its post. `comment_count` includes the comment.
        post: Post,
        /// The post's author.
        post_author: UserSummary,
    },
    /// A comment was edited.
    CommentUpdated {
        /// The comment after the edit.
        comment: CommentView,
        /// Its post.
        post: Post,
        /// The post's author.
        post_author: UserSummary,
    },
    /// A comment was deleted. With replies, it stays as a tombstone.
    CommentDeleted {
        /// The comment before its deletion.
        comment: Comment,
        /// Its post. `comment_count` no longer includes the comment.
        post: Post,
        /// The post's author.
        post_author: UserSummary,
    },
    /// The counts of a post changed.
    PostCounts {
        /// The post.
        post: PostId,
        /// The post's author.
        author: UserId,
        /// The number of likes.
        like_count: u64,
        /// The number of comments and replies.
        comment_count: u64,
    },
    /// A user has a new notification; see [`Social::get_notification`].
    Notified {
        /// The user.
        recipient: UserId,
        /// The new notification.
        notification: NotificationId,
    },
    /// Notifications were retracted, because their cause was undone or deleted.
    Retracted {
        /// The user who had them.
        recipient: UserId,
        /// The retracted notifications.
        notifications: Vec<NotificationId>,
    },
    /// A user moved their read mark of notifications forward.
    NotificationsRead {
        /// The user.
        user: UserId,
        /// The new read mark and the number of unread notifications.
        mark: ReadMark,
    },
    /// A user newly blocked an account.
    Blocked {
        /// The user who blocks.
        by: UserId,
        /// The blocked account.
        user: UserId,
    },
}

impl Event {
    /// The counts of `post`, as the transaction commits them.
    pub(crate) const fn counts(post: &Post) -> Self {
        let Post { id, author, like_count, comment_count, .. } = *post;
        Self::PostCounts { post: id, author, like_count, comment_count }
    }
}

/// Notifications that were added or removed, with their recipients.
pub(crate) type Notifications = Vec<(UserId, NotificationId)>;

pub(crate) fn notified(added: Notifications) -> impl Iterator<Item = Event> {
    added.into_iter().map(|(recipient, notification)| Event::Notified { recipient, notification })
}

/// Groups the notifications into one event per recipient.
pub(crate) fn retracted(withdrawn: Notifications) -> impl Iterator<Item = Event> {
    let mut by_recipient: BTreeMap<UserId, Vec<NotificationId>> = BTreeMap::new();
    for (recipient, notification) in withdrawn {
        by_recipient.entry(recipient).or_default().push(notification);
    }
    by_recipient.into_iter().map(|(recipient, notifications)| Event::Retracted { recipient, notifications })
}

impl Social {
    /// Commits the transaction, then publishes `events`, both in a separate task: if the caller is cancelled or its
    /// deadline passes, a committed change is still published.
    #[expect(clippy::disallowed_methods, reason = "the task ends after its commit")]
    pub(crate) async fn commit(&self, tx: Tx, events: impl IntoIterator<Item = Event>) -> Result<()> {
        let (sink, events) = (Arc::clone(&self.events), Vec::from_iter(events));
        let committing = tokio::spawn(async move {
            tx.commit().await?;
            events.into_iter().for_each(|event| sink.publish(event));
            Ok(())
        });
        match committing.await {
            Ok(committed) => committed,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is shutting down: whether the commit took effect is unknown.
            Err(_) => Err(StorageError::TimedOut.into()),
        }
    }
}
