//! Posts and profiles as link previews and search engines see them: what an anonymous visitor may see, and whether it may
//! be indexed.

use blegram_domain::{Account, PostId, User, Username};
use blegram_persistence::users;

use crate::{PostView, Result, Social, UserRef};

/// A post that everyone may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPreview {
    /// The post with its author and images.
    pub post: PostView,
    /// Whether search engines may index it.
    pub is_indexable: bool,
}

/// A profile, as everyone sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPreview {
    /// The profile.
    pub user: User,
    /// Whether search engines may index it.
    pub is_indexable: bool,
}

impl Social {
    /// The post as everyone sees it, in a constant number of statements.
    ///
    /// # Errors
    /// [`Error::PostNotFound`](crate::Error::PostNotFound) also for a post that only some may see.
    pub async fn preview_post(&self, id: PostId) -> Result<PostPreview> {
        let post = self.get_post(None, id).await?;
        let author = users::find_account(&self.db, post.author.id).await?;
        Ok(PostPreview { post, is_indexable: author.is_some_and(|author| is_indexable(&author)) })
    }

    /// The profile as everyone sees it, in a constant number of statements. Names and biography of a private account
    /// are visible to everyone, but not indexable.
    ///
    /// # Errors
    /// [`Error::UserNotFound`](crate::Error::UserNotFound) also for an account that is not active.
    pub async fn preview_user(&self, username: &Username) -> Result<UserPreview> {
        let user = self.get_user(None, &UserRef::Username(username.clone())).await?.user;
        let account = users::find_account(&self.db, user.summary.id).await?;
        Ok(UserPreview { user, is_indexable: account.is_some_and(|account| is_indexable(&account)) })
    }
}

/// Search engines may index what search of the site itself may find, and everyone may see.
fn is_indexable(account: &Account) -> bool {
    account.discoverable && account.user.summary.is_public()
}
