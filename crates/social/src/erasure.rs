//! Removing what was deleted, in steps that hold SQLite's only writer for a moment each. Every step may be done twice.

use blegram_domain::{CommentId, PostId, UserId};
use blegram_persistence::{
    Tx, blocks, bookmarks, comments, follow_requests, follows, likes, mutes, notifications, post_hashtags,
    posts::{self, Removed},
    recent_searches, reports, revisions, suggestions,
};

use crate::{
    Result, Social,
    event::{Told, retracted},
};

/// How many rows a transaction removes at most.
pub(crate) const BATCH: u64 = 500;

/// How many comments a transaction deletes at most: each is a handful of statements.
const COMMENTS: u64 = 50;

impl Social {
    /// Removes some of what `user` did, whose account is deleted; says whether there may be more. Others are notified of
    /// the notifications that they lose by it.
    pub async fn erase_user(&self, user: UserId) -> Result<bool> {
        let tx = self.db.write().await?;
        let mut taken_back = Told::new();
        let is_more = self.erase_comments_of(&tx, user).await?
            || erase_relations(&tx, user, &mut taken_back).await?
            || erase_posts(&tx, Removed::Of(user), &mut taken_back).await?;
        taken_back.retain(|(recipient, _)| *recipient != user);
        self.commit(tx, retracted(taken_back)).await?;
        Ok(is_more)
    }

    /// Removes some of what hangs on a post that is deleted, and in the end the post; says whether there may be more.
    pub async fn erase_post(&self, post: PostId) -> Result<bool> {
        let tx = self.db.write().await?;
        // Their recipients were notified when the post was deleted.
        let is_more = erase_posts(&tx, Removed::One(post), &mut Told::new()).await?;
        tx.commit().await?;
        Ok(is_more)
    }

    /// Removes some of what hangs on a comment that is deleted, and in the end the comment, unless it has replies: then
    /// it goes with the last of them. Says whether there may be more.
    pub async fn erase_comment(&self, id: CommentId) -> Result<bool> {
        let tx = self.db.write().await?;
        let Some(comment) = comments::find(&tx, id).await? else { return Ok(false) };
        // The thread before the reply: whoever removes the last of it, and whoever looks whether there are replies left,
        // wait for each other.
        for held in comment.parent.into_iter().chain([id]) {
            comments::hold(&tx, held).await?;
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

    async fn erase_comments_of(&self, tx: &Tx, user: UserId) -> Result<bool> {
        let ids = comments::list_of_author(tx, user, COMMENTS).await?;
        for id in &ids {
            let Some(comment) = comments::find(tx, *id).await? else { continue };
            posts::hold(tx, comment.post).await?;
            if let Some(comment) = comments::hold(tx, *id).await?.filter(|comment| !comment.is_deleted()) {
                self.delete_held_comment(tx, &comment).await?;
            }
        }
        Ok(!ids.is_empty())
    }
}

/// Everything that ties an account to others, with the counts of those others.
async fn erase_relations(tx: &Tx, user: UserId, taken_back: &mut Told) -> Result<bool> {
    let mut removed = likes::delete_of_user(tx, user, BATCH).await?;
    removed += follows::delete_of_user(tx, user, BATCH - removed).await?;
    removed += follow_requests::delete_of_user(tx, user, BATCH - removed).await?;
    removed += blocks::delete_of_user(tx, user, BATCH - removed).await?;
    removed += mutes::delete_of_user(tx, user, BATCH - removed).await?;
    removed += suggestions::delete_of_user(tx, user, BATCH - removed).await?;
    removed += bookmarks::delete_of_user(tx, user, BATCH - removed).await?;
    let notifications = notifications::delete_of_user(tx, user, BATCH - removed).await?;
    removed += notifications.len() as u64;
    taken_back.extend(notifications);
    removed += reports::update_disowned(tx, user, BATCH - removed).await?;
    recent_searches::delete_of_user(tx, user).await?;
    Ok(removed == BATCH)
}

/// What belongs to posts before the posts, or removing a post would remove any number of rows with it.
async fn erase_posts(tx: &Tx, of: Removed, taken_back: &mut Told) -> Result<bool> {
    let mut removed = likes::delete_below(tx, of, BATCH).await?;
    removed += bookmarks::delete_below(tx, of, BATCH - removed).await?;
    let notifications = notifications::delete_below(tx, of, BATCH - removed).await?;
    removed += notifications.len() as u64;
    taken_back.extend(notifications);
    removed += revisions::delete_below(tx, of, BATCH - removed).await?;
    removed += post_hashtags::delete_below(tx, of, BATCH - removed).await?;
    removed += comments::delete_below(tx, of, BATCH - removed).await?;
    removed += posts::delete(tx, of, BATCH - removed).await?;
    Ok(removed == BATCH)
}
