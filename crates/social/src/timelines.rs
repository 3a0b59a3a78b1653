//! Lists of posts, newest first.

use blegram_domain::{Hashtag, Page, PageRequest, PostId, UserId, Visibility, page::PageKeys};
use blegram_persistence::{Listed, likes, post_hashtags, posts, timelines};

use crate::{
    PostView, Result, Social, UserRef,
    view::{Muted, view_page},
};

impl Social {
    /// The home timeline of `actor`: their posts and those of the accounts that they follow, without muted accounts.
    pub async fn home_timeline(&self, actor: UserId, page: &PageRequest) -> Result<Page<PostView>> {
        let listed = timelines::list_home(&self.db, actor, page).await?;
        Ok(view_page(Some(actor), listed, Muted::Hidden))
    }

    /// The public timeline: the public posts of all accounts, without those that `viewer` mutes.
    pub async fn public_timeline(
        &self,
        viewer: Option<UserId>,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let listed = timelines::list_public(&self.db, viewer, page).await?;
        Ok(view_page(viewer, listed, Muted::Hidden))
    }

    /// The public posts with a hashtag, without those of accounts that `viewer` mutes.
    pub async fn hashtag_timeline(
        &self,
        viewer: Option<UserId>,
        tag: &Hashtag,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let ids = post_hashtags::list_post_ids(&self.db, tag, page).await?;
        self.page_of_posts(viewer, ids, Muted::Hidden).await
    }

    /// The posts of `user` that `viewer` may see.
    ///
    /// # Errors
    /// [`crate::Error::UserNotFound`]; [`crate::Error::Blocked`], [`crate::Error::AccountPrivate`] if the viewer may
    /// not read the account's lists.
    pub async fn user_posts(
        &self,
        viewer: Option<UserId>,
        user: &UserRef,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        let (author, relation) = self.find_open(viewer, user).await?;
        let sees_all = viewer == Some(author) || relation.following;
        let only = (!sees_all).then_some(Visibility::Public);
        let ids = posts::list_ids_of_author(&self.db, author, only, page).await?;
        self.page_of_posts(viewer, ids, Muted::Included).await
    }

    /// The posts that `actor` likes, most recent like first, without those that they may no longer see.
    pub async fn liked_posts(&self, actor: UserId, page: &PageRequest) -> Result<Page<PostView>> {
        let listed = likes::list_liked_posts(&self.db, actor, page).await?;
        self.page_of_listed(actor, listed, Muted::Included).await
    }

    pub(crate) async fn page_of_posts(
        &self,
        viewer: Option<UserId>,
        page_keys: PageKeys,
        muted: Muted,
    ) -> Result<Page<PostView>> {
        let ids: Vec<PostId> = page_keys.keys().iter().copied().map(PostId::from_uuid).collect();
        let views = self.view_posts(viewer, &ids, muted).await?;
        Ok(page_keys.into_page(views))
    }

    pub(crate) async fn page_of_listed(
        &self,
        viewer: UserId,
        listed: Listed<PostId>,
        muted: Muted,
    ) -> Result<Page<PostView>> {
        let views = self.view_posts(Some(viewer), &listed.targets, muted).await?;
        Ok(listed.page_keys.into_page(views))
    }
}
