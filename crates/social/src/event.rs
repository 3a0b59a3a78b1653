//! What happened, as those are told who deliver it.

use std::{collections::BTreeMap, panic::resume_unwind, sync::Arc};

use blegram_domain::{Comment, NotificationId, Post, PostId, UserId, UserSummary, notification::ReadMark};
use blegram_persistence::{Error as StorageError, Tx};

use crate::{CommentView, PostView, Result, Social};

/// Something that a use-case did, and committed. What did nothing, or was refused, is no event; of what jobs remove only
/// the notifications are that others lose.
///
/// Views are those of somebody not logged in, whoever may see the thing: whom it is shown to is for the receiver to
/// decide, by [`Post::is_visible_to`] with [`Social::standings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A post was written.
    PostCreated(PostView),
    /// A post was edited.
    PostUpdated {
        /// The post now.
        post: PostView,
        /// The post before: others may have seen it, and under other hashtags.
        before: Post,
    },
    /// A post was deleted.
    PostDeleted {
        /// The post as it was.
        post: Post,
        /// Who wrote it.
        author: UserSummary,
    },
    /// A comment was written.
    CommentCreated {
        /// The comment.
        comment: CommentView,
        /// The post that it is about, which already counts it.
        post: Post,
        /// Who wrote the post.
        post_author: UserSummary,
    },
    /// A comment was edited.
    CommentUpdated {
        /// The comment now.
        comment: CommentView,
        /// The post that it is about.
        post: Post,
        /// Who wrote the post.
        post_author: UserSummary,
    },
    /// A comment was deleted; with replies it stays as a tombstone.
    CommentDeleted {
        /// The comment as it was.
        comment: Comment,
        /// The post that it was about, which counts it no more.
        post: Post,
        /// Who wrote the post.
        post_author: UserSummary,
    },
    /// A post has other counts than before.
    PostCounts {
        /// The post.
        post: PostId,
        /// Who wrote it.
        author: UserId,
        /// How many like it.
        like_count: u64,
        /// How many comments and replies it has.
        comment_count: u64,
    },
    /// Somebody is told something that they were not told before; see [`Social::get_notification`].
    Notified {
        /// Who.
        recipient: UserId,
        /// What.
        notification: NotificationId,
    },
    /// Notifications were taken back: what they told of was undone or deleted.
    Retracted {
        /// Whose they were.
        recipient: UserId,
        /// Which.
        notifications: Vec<NotificationId>,
    },
    /// Somebody read further in what they are told.
    NotificationsRead {
        /// Who.
        user: UserId,
        /// How far, and how many are left.
        mark: ReadMark,
    },
    /// Somebody blocked somebody whom they did not block before.
    Blocked {
        /// Who blocks.
        by: UserId,
        /// Whom.
        user: UserId,
    },
}

impl Event {
    /// The counts of `post`, as its transaction leaves them.
    pub(crate) const fn counts(post: &Post) -> Self {
        let Post { id, author, like_count, comment_count, .. } = *post;
        Self::PostCounts { post: id, author, like_count, comment_count }
    }
}

/// Who was told something new, with what each was told.
pub(crate) type Told = Vec<(UserId, NotificationId)>;

pub(crate) fn notified(told: Told) -> impl Iterator<Item = Event> {
    told.into_iter().map(|(recipient, notification)| Event::Notified { recipient, notification })
}

/// One event for each recipient.
pub(crate) fn retracted(taken_back: Told) -> impl Iterator<Item = Event> {
    let mut by_recipient: BTreeMap<UserId, Vec<NotificationId>> = BTreeMap::new();
    for (recipient, notification) in taken_back {
        by_recipient.entry(recipient).or_default().push(notification);
    }
    by_recipient.into_iter().map(|(recipient, notifications)| Event::Retracted { recipient, notifications })
}

impl Social {
    /// Commits what a use-case did, then publishes it. Both happen in a task of their own: a caller that goes away, or gives
    /// up when its deadline has passed, must not leave a change committed that nobody is notified of.
    #[expect(clippy::disallowed_methods, reason = "the task ends with its commit")]
    pub(crate) async fn commit(&self, tx: Tx, events: impl IntoIterator<Item = Event>) -> Result<()> {
        let (sink, events) = (Arc::clone(&self.events), Vec::from_iter(events));
        let committing = tokio::spawn(async move {
            tx.commit().await?;
            events.into_iter().for_each(|event| sink.publish(event));
            Ok(())
        });
        match committing.await {
            Ok(committed) => committed,
            Err(lost) if lost.is_panic() => resume_unwind(lost.into_panic()),
            // The runtime ends: whether it took effect is not known.
            Err(_) => Err(StorageError::TimedOut.into()),
        }
    }
}
