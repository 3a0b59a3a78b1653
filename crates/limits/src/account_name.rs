//! The accounts whose logins are counted.

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
