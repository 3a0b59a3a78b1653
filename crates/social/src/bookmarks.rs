//! What people keep for themselves: nobody else sees it, and nobody is told.

use blegram_domain::{Page, PageRequest, PostId, UserId};
use blegram_persistence::bookmarks;

use crate::{
    PostView, Result, Social,
    posts::{find_visible, hold_visible},
    view::Muted,
};

impl Social {
    /// Keeps a post that `actor` sees.
    ///
    /// # Errors
    /// [`crate::Error::PostNotFound`] also when the actor may not see it.
    pub async fn bookmark_post(&self, actor: UserId, id: PostId) -> Result<()> {
        let tx = self.db.write().await?;
        hold_visible(&tx, actor, id).await?;
        let bookmark = bookmarks::next_id(&tx, actor, self.clock.now()).await?;
        bookmarks::insert(&tx, bookmark, actor, id).await?;
        Ok(tx.commit().await?)
    }

    /// Keeps it no more, also when it is not visible to `actor` any more.
    ///
    /// # Errors
    /// [`crate::Error::PostNotFound`] also when the actor may not see it and does not keep it.
    pub async fn unbookmark_post(&self, actor: UserId, id: PostId) -> Result<()> {
        let tx = self.db.write().await?;
        if !bookmarks::delete(&tx, actor, id).await? {
            find_visible(&tx, Some(actor), id).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What `actor` keeps, the latest kept first; what they may not see any more is left out.
    pub async fn bookmarks(&self, actor: UserId, page: &PageRequest) -> Result<Page<PostView>> {
        let listed = bookmarks::list_posts(&self.db, actor, page).await?;
        self.page_of_listed(actor, listed, Muted::Shown).await
    }
}
