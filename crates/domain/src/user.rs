//! Accounts and their public profiles.

use serde::{Deserialize, Serialize};

use crate::{
    EmailAddress, MediaKey, Timestamp, UserId, Username, conversation::MessagesFrom, stored::stored_enum,
};

stored_enum! {
    /// The permissions of an account.
    Role {
        /// A normal user.
        User = "user",
        /// May review reports.
        Moderator = "moderator",
        /// May do everything.
        Admin = "admin",
    }
}

impl Role {
    /// Whether the role includes the permissions of `other`.
    pub const fn includes(self, other: Self) -> bool {
        self.rank() >= other.rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Moderator => 1,
            Self::Admin => 2,
        }
    }

    /// Whether the role reviews content of others, and for that sees deleted content.
    pub const fn moderates(self) -> bool {
        self.includes(Self::Moderator)
    }
}

stored_enum! {
    /// The state of an account.
    Status {
        /// In normal use.
        Active = "active",
        /// Suspended by moderators: it cannot log in, and it and its content are hidden from everyone.
        Suspended = "suspended",
        /// Deleted by its owner: it is hidden from everyone, and jobs remove its data.
        Deleted = "deleted",
    }
}

/// A reference to an account in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By its id.
    Id(UserId),
    /// By its name.
    Username(Username),
}

/// The summary of an account in lists and as the author of content, with the data that decides its visibility.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    /// The account's id.
    pub id: UserId,
    /// The unique name.
    pub username: Username,
    /// The display name.
    pub display_name: String,
    /// The storage key of the profile picture.
    pub avatar: Option<MediaKey>,
    /// Whether only followers may see its content.
    pub is_private: bool,
    /// The state of the account.
    pub status: Status,
}

impl UserSummary {
    /// Whether the account is active and not private, so that its public content is visible to everyone.
    pub fn is_public(&self) -> bool {
        self.status == Status::Active && !self.is_private
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names, picture and state.
    pub summary: UserSummary,
    /// The biography; may be empty.
    pub bio: String,
    /// Number of posts, whatever their visibility.
    pub post_count: u64,
    /// Number of followers.
    pub follower_count: u64,
    /// Number of accounts that it follows.
    pub following_count: u64,
    /// When the account was created.
    pub created_at: Timestamp,
    /// Number of edits by its owner.
    pub version: u64,
}

impl User {
    /// Whether others may see that the account exists.
    pub fn is_visible(&self) -> bool {
        self.summary.status == Status::Active
    }
}

/// A profile with the data that only its owner sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The public profile.
    pub user: User,
    /// The address given at sign-up, verified or not.
    pub email: Option<String>,
    /// Whether the owner has proved that they receive mail at the address.
    pub email_verified: bool,
    /// Whether the account has a password; accounts created through another provider's login have none.
    pub has_password: bool,
    /// The permissions.
    pub role: Role,
    /// Whether search and suggestions may include the account.
    pub discoverable: bool,
    /// Who may start a conversation with it.
    pub messages_from: MessagesFrom,
    /// Whether logins from new devices are reported to its verified address.
    pub login_notices: bool,
}

impl Account {
    /// The address, if its owner has proved that they receive mail there.
    pub fn verified_email(&self) -> Option<EmailAddress> {
        let email = self.email.as_deref().filter(|_| self.email_verified)?;
        EmailAddress::parse(email).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_can_be_parsed() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().as_ref(), Ok(role));
        }
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().as_ref(), Ok(status));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
