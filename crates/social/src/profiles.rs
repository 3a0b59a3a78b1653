//! Accounts as others see them.

use blegram_domain::{User, UserId, Username};
use blegram_persistence::users;

use crate::{Error, Result, Social, UserView};

/// How a caller names an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By its id.
    Id(UserId),
    /// By its name.
    Username(Username),
}

impl Social {
    /// The profile of `user` as `viewer` sees it.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] also when the viewer may not see it.
    pub async fn get_user(&self, viewer: Option<UserId>, user: &UserRef) -> Result<UserView> {
        Ok(UserView::new(self.find_user(user).await?, viewer))
    }

    pub(crate) async fn find_user(&self, user: &UserRef) -> Result<User> {
        let found = match user {
            UserRef::Id(id) => users::find(&self.db, *id).await?,
            UserRef::Username(username) => users::find_by_username(&self.db, username).await?,
        };
        found.filter(User::is_visible).ok_or(Error::UserNotFound)
    }
}
