//! The accounts whose logins are counted.

use std::fmt;

use blegram_domain::{EmailKey, Username};

/// How a login names its account. The attempts by username and those by address count separately: together they would
/// tell which account has an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AccountName {
    /// By its username.
    Username(Username),
    /// By its verified e-mail address.
    Email(EmailKey),
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Username(username) => write!(f, "username:{}", username.as_str()),
            Self::Email(key) => write!(f, "email:{}", key.as_str()),
        }
    }
}
