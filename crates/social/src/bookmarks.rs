//! Bookmarks: private to their owner, without a notification to the author.

use blegram_domain::{Page, PageRequest, PostId, UserId};
use blegram_persistence::bookmarks;

use crate::{
    PostView, Result, Social,
    posts::{find_visible, lock_visible},
    view::Muted,
};

impl Social {
    /// Bookmarks a post that `actor` may see.
    ///
    /// # Errors
    /// [`crate::Error::PostNotFound`] also if the actor may not see the post; [`crate::Error::UserNotFound`] if the actor's
    /// account is not active.
    pub async fn bookmark_post(&self, actor: UserId, id: PostId) -> Result<()> {
        let tx = self.db.write().await?;
        lock_visible(&tx, actor, id).await?;
        let bookmark = bookmarks::next_id(&tx, actor, self.clock.now()).await?;
        bookmarks::insert(&tx, bookmark, actor, id).await?;
        Ok(tx.commit().await?)
    }

    /// Removes a bookmark, even if `actor` may no longer see the post.
    ///
    /// # Errors
    /// [`crate::Error::PostNotFound`] also if the actor may not see the post and has not bookmarked it.
    pub async fn unbookmark_post(&self, actor: UserId, id: PostId) -> Result<()> {
        let tx = self.db.write().await?;
        if !bookmarks::delete(&tx, actor, id).await? {
            find_visible(&tx, Some(actor), id).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The posts that `actor` bookmarked, most recent bookmark first, without those that they may no longer see.
    pub async fn bookmarks(&self, actor: UserId, page: &PageRequest) -> Result<Page<PostView>> {
        let listed = bookmarks::list_posts(&self.db, actor, page).await?;
        self.page_of_listed(actor, listed, Muted::Included).await
    }
}
