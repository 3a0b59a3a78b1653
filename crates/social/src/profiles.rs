//! Reading and editing profiles.

use blegram_domain::{
    Account, Bio, DisplayName, Job, MediaId, Relation, User, UserId, UserRef, conversation::MessagesFrom,
    relation::Closed, version::Precondition,
};
use blegram_persistence::{hashtags, jobs, relations, users};

use crate::{
    Error, Result, Social, UserView,
    event::{notified, retracted},
    media,
    relations::{Accepted, accept_or_enqueue, lock_requesters},
};

/// Changes to a profile; `None` leaves a field unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateProfile {
    /// The display name; [`NewDisplayName::Username`] removes it.
    pub display_name: Option<NewDisplayName>,
    /// The bio.
    pub bio: Option<Bio>,
    /// The avatar; `Some(None)` removes it.
    pub avatar: Option<Option<MediaId>>,
    /// Whether only followers may see the account's posts.
    pub is_private: Option<bool>,
    /// Whether search and suggestions may list the account.
    pub discoverable: Option<bool>,
    /// Who may start a conversation with the account.
    pub messages_from: Option<MessagesFrom>,
    /// Whether logins from new devices are reported by mail.
    pub login_notices: Option<bool>,
}

/// The name that a profile shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewDisplayName {
    /// A display name.
    Name(DisplayName),
    /// The current username.
    Username,
}

impl Social {
    /// Updates the profile of `actor`. If the account becomes public, its pending follow requests are accepted. Of
    /// concurrent updates with the same precondition, one succeeds. An update without a change writes nothing.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] if the account is not active; [`Error::PreconditionFailed`]; [`Error::AvatarNotFound`],
    /// [`Error::MediaInUse`].
    pub async fn update_profile(
        &self,
        actor: UserId,
        input: UpdateProfile,
        precondition: &Precondition,
    ) -> Result<Account> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.filter(|account| account.user.is_visible());
        let account = account.ok_or(Error::UserNotFound)?;
        if !precondition.is_met(account.user.version) {
            return Err(Error::PreconditionFailed);
        }
        let avatar = input.avatar;
        let mut updated = edit(&account, input);
        if let Some(id) = avatar {
            let avatar = media::replace_avatar(&tx, actor, id, now).await?;
            updated.user.summary.avatar = avatar.map(|media| media.key);
        }
        let mut accepted = Accepted::default();
        let is_changed = updated != account;
        if is_changed {
            users::update_profile(&tx, &updated).await?;
            let (before, after) = (&account.user.summary, &updated.user.summary);
            let is_opened = before.is_private && !after.is_private;
            let requesters = if is_opened { lock_requesters(&tx, actor).await? } else { Vec::new() };
            hashtags::update_of_author(&tx, before, after).await?;
            if before.is_private != after.is_private {
                jobs::insert_again(&tx, Job::MoveMedia(actor), now).await?;
            }
            if is_opened {
                accepted = accept_or_enqueue(&tx, actor, &requesters, now).await?;
                let user = users::find(&tx, actor).await?.ok_or(Error::UserNotFound)?;
                updated.user.follower_count = user.follower_count;
            }
        }
        let Accepted { added, withdrawn, .. } = accepted;
        self.commit(tx, retracted(withdrawn).chain(notified(added))).await?;
        updated.user.version += u64::from(is_changed);
        Ok(updated)
    }

    /// The profile of `user` as `viewer` sees it.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] also if the viewer may not see the profile.
    pub async fn get_user(&self, viewer: Option<UserId>, user: &UserRef) -> Result<UserView> {
        let user = self.find_user(user).await?;
        let relation = self.relation(viewer, user.summary.id).await?;
        if !user.summary.is_header_visible(relation) {
            return Err(Error::UserNotFound);
        }
        Ok(UserView { user, viewer: viewer.map(|_| relation) })
    }

    /// An active account, without checking who may see it.
    /// The profiles of `ids` that `viewer` may see, in that order, in a constant number of statements. Leaves out accounts
    /// that do not exist, are not active, or are across a block.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn get_users(&self, viewer: Option<UserId>, ids: &[UserId]) -> Result<Vec<UserView>> {
        self.view_users(viewer, ids).await
    }

    pub(crate) async fn find_user(&self, user: &UserRef) -> Result<User> {
        let found = match user {
            UserRef::Id(id) => users::find(&self.db, *id).await?,
            UserRef::Username(username) => users::find_by_username(&self.db, username).await?,
        };
        found.filter(User::is_visible).ok_or(Error::UserNotFound)
    }

    /// An account whose lists `viewer` may read, and the viewer's relation to it.
    pub(crate) async fn find_open(
        &self,
        viewer: Option<UserId>,
        user: &UserRef,
    ) -> Result<(UserId, Relation)> {
        let user = self.find_user(user).await?.summary;
        let relation = self.relation(viewer, user.id).await?;
        if !user.is_header_visible(relation) {
            return Err(Error::UserNotFound);
        }
        user.check_lists_visible(relation, viewer == Some(user.id)).map_err(|closed| match closed {
            Closed::Blocked => Error::Blocked,
            Closed::Private => Error::AccountPrivate,
        })?;
        Ok((user.id, relation))
    }

    async fn relation(&self, viewer: Option<UserId>, other: UserId) -> Result<Relation> {
        match viewer {
            Some(viewer) => Ok(relations::find_one(&self.db, viewer, other).await?),
            None => Ok(Relation::default()),
        }
    }
}

fn edit(account: &Account, input: UpdateProfile) -> Account {
    let mut edited = account.clone();
    let summary = &mut edited.user.summary;
    match input.display_name {
        None => {}
        Some(NewDisplayName::Name(name)) => summary.display_name = name.into(),
        Some(NewDisplayName::Username) => summary.display_name = summary.username.to_string(),
    }
    summary.is_private = input.is_private.unwrap_or(summary.is_private);
    if let Some(bio) = input.bio {
        edited.user.bio = bio.into();
    }
    edited.discoverable = input.discoverable.unwrap_or(edited.discoverable);
    edited.messages_from = input.messages_from.unwrap_or(edited.messages_from);
    edited.login_notices = input.login_notices.unwrap_or(edited.login_notices);
    edited
}
