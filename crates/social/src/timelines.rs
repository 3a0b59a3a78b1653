//! Lists of posts, newest first.

use blegram_domain::{Hashtag, Page, PageRequest, UserId, Visibility, page::Slice};
use blegram_persistence::{post_hashtags, posts};

use crate::{PostView, Result, Social, UserRef};

impl Social {
    /// The public posts of everybody.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn public_timeline(
        &self,
        viewer: Option<UserId>,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let ids = posts::list_public_ids(&self.db, page).await?;
        self.page_of_posts(viewer, ids).await
    }

    /// The public posts with a hashtag.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn hashtag_timeline(
        &self,
        viewer: Option<UserId>,
        tag: &Hashtag,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let ids = post_hashtags::list_post_ids(&self.db, tag, page).await?;
        self.page_of_posts(viewer, ids).await
    }

    /// The posts of `user` that `viewer` may see.
    ///
    /// # Errors
    /// [`crate::Error::UserNotFound`].
    pub async fn user_posts(
        &self,
        viewer: Option<UserId>,
        user: &UserRef,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let author = self.find_user(user).await?.summary.id;
        let only = (viewer != Some(author)).then_some(Visibility::Public);
        let ids = posts::list_ids_of_author(&self.db, author, only, page).await?;
        self.page_of_posts(viewer, ids).await
    }

    async fn page_of_posts(&self, viewer: Option<UserId>, ids: Slice) -> Result<Page<PostView>> {
        let posts = posts::list_by_ids(&self.db, &ids).await?;
        let views = self.view_posts(viewer, posts).await?;
        Ok(ids.into_page(views))
    }
}
