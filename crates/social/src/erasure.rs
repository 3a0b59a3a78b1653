//! Removes the data of deleted accounts, posts and comments in the background.
//!
//! Each call runs one bounded transaction, so that SQLite's only writer is busy for a moment at a time, and returns
//! whether the job must call it again. Every step is idempotent.

use blegram_domain::{CommentId, PostId, UserId};
use blegram_persistence::{
    Tx, blocks, bookmarks, comments, follow_requests, follows, likes, mutes, notifications, post_hashtags,
    posts::{self, Removed},
    recent_searches, reports, revisions, suggestions,
};

use crate::{
    Result, Social,
    event::{Notifications, retracted},
};

/// The maximum number of rows that one transaction removes.
pub(crate) const BATCH: u64 = 500;

/// The maximum number of comments that one transaction deletes: each takes a handful of statements.
const COMMENTS: u64 = 50;

impl Social {
    /// Removes a batch of the data of `user`, whose account is deleted. Returns whether more may be left. Other users
    /// are notified of the notifications that they lose.
    pub async fn purge_user(&self, user: UserId) -> Result<bool> {
        let tx = self.db.write().await?;
        let mut withdrawn = Notifications::new();
        let is_more = self.purge_comments_of(&tx, user).await?
            || purge_relations(&tx, user, &mut withdrawn).await?
            || purge_posts(&tx, Removed::Of(user), &mut withdrawn).await?;
        withdrawn.retain(|(recipient, _)| *recipient != user);
        self.commit(tx, retracted(withdrawn)).await?;
        Ok(is_more)
    }

    /// Removes a batch of the rows that depend on a deleted post, and finally the post. Returns whether more may be
    /// left.
    pub async fn purge_post(&self, post: PostId) -> Result<bool> {
        let tx = self.db.write().await?;
        // Deleting the post has already published these retractions.
        let is_more = purge_posts(&tx, Removed::One(post), &mut Notifications::new()).await?;
        tx.commit().await?;
        Ok(is_more)
    }

    /// Removes a batch of the rows that depend on a deleted comment, and finally the comment. A comment with replies is
    /// removed together with its last reply. Returns whether more may be left.
    pub async fn purge_comment(&self, id: CommentId) -> Result<bool> {
        let tx = self.db.write().await?;
        let Some(comment) = comments::find(&tx, id).await? else { return Ok(false) };
        // The thread before the reply. The lock serialises the removal of the last reply with the check whether replies
        // are left.
        for row in comment.parent.into_iter().chain([id]) {
            comments::lock(&tx, row).await?;
        }
        let mut removed = likes::delete_of_comment(&tx, id, BATCH).await?;
        removed += notifications::delete_of_comment(&tx, id, BATCH - removed).await?;
        removed += revisions::delete_of_comment(&tx, id, BATCH - removed).await?;
        let is_more = removed == BATCH;
        if !is_more
            && comments::delete_if_bare(&tx, id).await?
            && let Some(parent) = comment.parent
        {
            comments::delete_if_bare(&tx, parent).await?;
        }
        tx.commit().await?;
        Ok(is_more)
    }

    async fn purge_comments_of(&self, tx: &Tx, user: UserId) -> Result<bool> {
        let ids = comments::list_of_author(tx, user, COMMENTS).await?;
        for id in &ids {
            let Some(comment) = comments::find(tx, *id).await? else { continue };
            posts::lock(tx, comment.post).await?;
            if let Some(comment) = comments::lock(tx, *id).await?.filter(|comment| !comment.is_deleted()) {
                self.delete_locked_comment(tx, &comment).await?;
            }
        }
        Ok(!ids.is_empty())
    }
}

/// Removes all relations of an account to others, and corrects the counts of those others.
async fn purge_relations(tx: &Tx, user: UserId, withdrawn: &mut Notifications) -> Result<bool> {
    let mut removed = likes::delete_of_user(tx, user, BATCH).await?;
    removed += follows::delete_of_user(tx, user, BATCH - removed).await?;
    removed += follow_requests::delete_of_user(tx, user, BATCH - removed).await?;
    removed += blocks::delete_of_user(tx, user, BATCH - removed).await?;
    removed += mutes::delete_of_user(tx, user, BATCH - removed).await?;
    removed += suggestions::delete_of_user(tx, user, BATCH - removed).await?;
    removed += bookmarks::delete_of_user(tx, user, BATCH - removed).await?;
    let notifications = notifications::delete_of_user(tx, user, BATCH - removed).await?;
    removed += notifications.len() as u64;
    withdrawn.extend(notifications);
    removed += reports::update_anonymized(tx, user, BATCH - removed).await?;
    recent_searches::delete_of_user(tx, user).await?;
    Ok(removed == BATCH)
}

/// Removes dependent rows before the posts: a cascading delete could remove any number of rows at once.
async fn purge_posts(tx: &Tx, of: Removed, withdrawn: &mut Notifications) -> Result<bool> {
    let mut removed = likes::delete_below(tx, of, BATCH).await?;
    removed += bookmarks::delete_below(tx, of, BATCH - removed).await?;
    let notifications = notifications::delete_below(tx, of, BATCH - removed).await?;
    removed += notifications.len() as u64;
    withdrawn.extend(notifications);
    removed += revisions::delete_below(tx, of, BATCH - removed).await?;
    removed += post_hashtags::delete_below(tx, of, BATCH - removed).await?;
    removed += comments::delete_below(tx, of, BATCH - removed).await?;
    removed += posts::delete(tx, of, BATCH - removed).await?;
    Ok(removed == BATCH)
}
