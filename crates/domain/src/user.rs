//! Accounts and the profiles that others see of them.

use std::str::FromStr;

use crate::{MediaKey, Timestamp, UserId, Username, conversation::MessagesFrom};

/// A text that names no [`Role`] or [`Status`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of the known values")]
pub struct UnknownValue(pub String);

/// Writes `as_str` and `FromStr` of an enum from one list, so that what is stored can be read again.
macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value as it is stored and sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = $crate::user::UnknownValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::user::UnknownValue(text.to_owned())),
                }
            }
        }
    };
}
pub(crate) use stored_enum;

stored_enum! {
    /// What an account may do beyond its own things.
    Role {
        /// Everybody.
        User = "user",
        /// May judge reports.
        Moderator = "moderator",
        /// May do everything.
        Admin = "admin",
    }
}

impl Role {
    /// Whether an account judges what others wrote, and sees for it what they took back.
    pub const fn moderates(self) -> bool {
        matches!(self, Self::Moderator | Self::Admin)
    }
}

stored_enum! {
    /// Whether an account takes part.
    Status {
        /// It does.
        Active = "active",
        /// Moderators took it out: it cannot log in, and nobody sees it or what it wrote.
        Suspended = "suspended",
        /// Its owner deleted it: nobody sees it any more, and jobs remove what is left.
        Deleted = "deleted",
    }
}

/// How a caller names an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By its id.
    Id(UserId),
    /// By its name.
    Username(Username),
}

/// Who wrote something: what a list shows of an account, and what decides who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// The account.
    pub id: UserId,
    /// Its unique name.
    pub username: Username,
    /// The name it shows.
    pub display_name: String,
    /// Where its picture is.
    pub avatar: Option<MediaKey>,
    /// Whether only followers may see what it writes.
    pub is_private: bool,
    /// Whether it takes part.
    pub status: Status,
}

impl UserSummary {
    /// Whether everybody may see what it writes, where each thing itself says so.
    pub fn is_public(&self) -> bool {
        self.status == Status::Active && !self.is_private
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name and standing.
    pub summary: UserSummary,
    /// What it says of itself; empty when it says nothing.
    pub bio: String,
    /// How many posts it has, whoever may see them.
    pub post_count: u64,
    /// How many accounts follow it.
    pub follower_count: u64,
    /// How many accounts it follows.
    pub following_count: u64,
    /// When it signed up.
    pub created_at: Timestamp,
    /// How often its owner edited it.
    pub version: u64,
}

impl User {
    /// Whether anybody may see that the account exists.
    pub fn is_visible(&self) -> bool {
        self.summary.status == Status::Active
    }
}

/// A profile with what only its owner sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What others see.
    pub user: User,
    /// The address given at sign-up, proven or not.
    pub email: Option<String>,
    /// Whether the owner proved to receive mail there.
    pub email_verified: bool,
    /// Whether a password opens it (not so for accounts made by another provider's login).
    pub has_password: bool,
    /// What it may do.
    pub role: Role,
    /// Whether search and suggestions may show it.
    pub discoverable: bool,
    /// Who may write to it first.
    pub messages_from: MessagesFrom,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_are_read_again() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().as_ref(), Ok(role));
        }
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().as_ref(), Ok(status));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
