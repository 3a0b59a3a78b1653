//! Second factors: what the owner of an account proves besides the first step of a login.

use crate::{FactorId, Timestamp, stored::stored_enum};

stored_enum! {
    /// The kind of a second factor.
    FactorKind {
        /// An authenticator app that shows time-based codes (RFC 6238).
        Totp = "totp",
        /// A passkey: a discoverable `WebAuthn` credential.
        Passkey = "passkey",
    }
}

stored_enum! {
    /// A way to complete a login.
    LoginMethod {
        /// A code of an authenticator app.
        Totp = "totp",
        /// A single-use recovery code.
        RecoveryCode = "recovery_code",
        /// A passkey.
        Passkey = "passkey",
    }
}

/// A confirmed second factor of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// The id.
    pub id: FactorId,
    /// The kind.
    pub kind: FactorKind,
    /// The owner's name for it.
    pub name: Option<String>,
    /// When its setup started.
    pub created_at: Timestamp,
    /// The last login or confirmation with it.
    pub last_used_at: Option<Timestamp>,
}

impl Factor {
    /// The largest number of passkeys of an account. Of authenticator apps there is at most one.
    pub const MAX_PASSKEYS: usize = 10;
}

/// The methods that complete a login to an account with confirmed factors of `kinds` and `recovery_codes` unused codes.
/// Empty if the account has no second factor: recovery codes alone are none.
pub fn login_methods(kinds: &[FactorKind], recovery_codes: u64) -> Vec<LoginMethod> {
    let mut methods = Vec::new();
    if kinds.contains(&FactorKind::Passkey) {
        methods.push(LoginMethod::Passkey);
    }
    if kinds.contains(&FactorKind::Totp) {
        methods.push(LoginMethod::Totp);
    }
    if !methods.is_empty() && recovery_codes > 0 {
        methods.push(LoginMethod::RecoveryCode);
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_alone_are_no_second_factor() {
        use FactorKind::{Passkey, Totp};
        assert_eq!(login_methods(&[], 10), []);
        assert_eq!(login_methods(&[Totp], 0), [LoginMethod::Totp]);
        assert_eq!(login_methods(&[Totp], 1), [LoginMethod::Totp, LoginMethod::RecoveryCode]);
        let all = [LoginMethod::Passkey, LoginMethod::Totp, LoginMethod::RecoveryCode];
        assert_eq!(login_methods(&[Totp, Passkey, Passkey], 3), all);
    }
}
