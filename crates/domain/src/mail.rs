//! What the mails of blegram are about.

use std::time::Duration;

use crate::stored::stored_enum;

stored_enum! {
    /// The text of a mail. The stored values keep their text: mails wait in the queue while a site is upgraded.
    MailKind {
        /// Asks to confirm an address; contains a token.
        VerifyEmail = "verify-email",
        /// Lets the recipient choose a new password; contains a token.
        ResetPassword = "reset-password",
        /// The password was changed by its owner or an operator.
        PasswordChanged = "password-changed",
        /// The password was replaced with a link from a mail.
        PasswordReset = "password-reset",
        /// The account has another address now; for the previous one.
        EmailChanged = "email-changed",
        /// A login from a device and a network that are new to the account.
        NewLogin = "new-login",
        /// Logins to the account are limited, after many attempts.
        LoginsLimited = "logins-limited",
        /// A second factor was added.
        FactorAdded = "factor-added",
        /// A second factor was removed by its owner.
        FactorRemoved = "factor-removed",
        /// New recovery codes replace all earlier ones.
        RecoveryCodesCreated = "recovery-codes-created",
        /// All second factors were removed by an operator.
        FactorsReset = "factors-reset",
    }
}

impl MailKind {
    /// What the token in the mail is for; `None` for a notice, which has none.
    pub const fn purpose(self) -> Option<TokenPurpose> {
        match self {
            Self::VerifyEmail => Some(TokenPurpose::VerifyEmail),
            Self::ResetPassword => Some(TokenPurpose::ResetPassword),
            Self::PasswordChanged
            | Self::PasswordReset
            | Self::EmailChanged
            | Self::NewLogin
            | Self::LoginsLimited
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::RecoveryCodesCreated
            | Self::FactorsReset => None,
        }
    }

    /// The age at which a mail that could not be sent is given up: as long as mail servers try (RFC 5321, 4.5.4.1), but
    /// no longer than the recipient expects an answer.
    pub const fn given_up_after(self) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::ResetPassword => DAY,
            Self::VerifyEmail
            | Self::PasswordChanged
            | Self::PasswordReset
            | Self::EmailChanged
            | Self::NewLogin
            | Self::LoginsLimited
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::RecoveryCodesCreated
            | Self::FactorsReset => DAY.saturating_mul(5),
        }
    }
}

stored_enum! {
    /// What a token in a mail is for.
    TokenPurpose {
        /// To confirm that the account's owner receives mail at the address.
        VerifyEmail = "verify-email",
        /// To choose a new password.
        ResetPassword = "reset-password",
    }
}

impl TokenPurpose {
    /// How long a token is valid after its mail was sent.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::VerifyEmail => Duration::from_secs(24 * 60 * 60),
            Self::ResetPassword => Duration::from_secs(30 * 60),
        }
    }

    /// The mail that contains the token.
    pub const fn mail(self) -> MailKind {
        match self {
            Self::VerifyEmail => MailKind::VerifyEmail,
            Self::ResetPassword => MailKind::ResetPassword,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_can_be_parsed() {
        for kind in MailKind::ALL {
            assert_eq!(kind.as_str().parse::<MailKind>().as_ref(), Ok(kind));
        }
        for purpose in TokenPurpose::ALL {
            assert_eq!(purpose.as_str().parse::<TokenPurpose>().as_ref(), Ok(purpose));
            assert_eq!(purpose.mail().purpose(), Some(*purpose));
        }
    }
}
