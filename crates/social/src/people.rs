//! Lists of accounts: followers, following, follow requests, blocks and mutes.

use blegram_domain::{Page, PageRequest, User, UserId};
use blegram_persistence::{Listed, blocks, follow_requests, follows, mutes, relations, users};

use crate::{Result, Social, UserRef, UserView};

impl Social {
    /// The followers of an account, most recent first.
    ///
    /// # Errors
    /// [`crate::Error::UserNotFound`]; [`crate::Error::Blocked`], [`crate::Error::AccountPrivate`] if the viewer may
    /// not read the account's lists.
    pub async fn followers(
        &self,
        viewer: Option<UserId>,
        user: &UserRef,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        let (user, _) = self.find_open(viewer, user).await?;
        let listed = follows::list_followers(&self.db, user, page).await?;
        self.page_of_users(viewer, listed).await
    }

    /// The accounts that an account follows, most recent first.
    ///
    /// # Errors
    /// The same as [`Social::followers`].
    pub async fn following(
        &self,
        viewer: Option<UserId>,
        user: &UserRef,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        let (user, _) = self.find_open(viewer, user).await?;
        let listed = follows::list_following(&self.db, user, page).await?;
        self.page_of_users(viewer, listed).await
    }

    /// The users who request to follow `actor`, most recent first.
    pub async fn follow_requests(&self, actor: UserId, page: &PageRequest) -> Result<Page<UserView>> {
        let listed = follow_requests::list_requesters(&self.db, actor, page).await?;
        self.page_of_users(Some(actor), listed).await
    }

    /// The accounts that `actor` blocks, most recent first.
    pub async fn blocks(&self, actor: UserId, page: &PageRequest) -> Result<Page<UserView>> {
        let listed = blocks::list_blocked(&self.db, actor, page).await?;
        self.page_of_headers(actor, listed).await
    }

    /// The accounts that `actor` mutes, most recent first.
    pub async fn mutes(&self, actor: UserId, page: &PageRequest) -> Result<Page<UserView>> {
        let listed = mutes::list_muted(&self.db, actor, page).await?;
        self.page_of_headers(actor, listed).await
    }

    async fn page_of_users(&self, viewer: Option<UserId>, listed: Listed<UserId>) -> Result<Page<UserView>> {
        let users = self.view_users(viewer, &listed.targets).await?;
        Ok(listed.page_keys.into_page(users))
    }

    /// Lists every active account, including those across a block: otherwise the actor could not find them to unblock
    /// or unmute.
    async fn page_of_headers(&self, actor: UserId, listed: Listed<UserId>) -> Result<Page<UserView>> {
        let users = users::list_by_ids(&self.db, &listed.targets).await?;
        let relations = relations::find(&self.db, actor, listed.targets.iter().copied()).await?;
        let views = users.into_iter().filter(User::is_visible).map(|user| UserView {
            viewer: Some(relations.get(&user.summary.id).copied().unwrap_or_default()),
            user,
        });
        Ok(listed.page_keys.into_page(views.collect()))
    }
}
