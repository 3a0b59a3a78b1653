//! The audit log: security-relevant changes of accounts, for incident response.

use std::net::IpAddr;

use crate::{AuditEventId, Timestamp, UserId, stored::stored_enum};

stored_enum! {
    /// What happened. The names are those of the OWASP logging vocabulary, where it has one.
    Kind {
        /// An account was created.
        UserCreated = "user_created",
        /// An account got another username.
        UserUpdated = "user_updated",
        /// An account was deleted by its owner.
        UserDeleted = "user_deleted",
        /// An account was suspended.
        UserSuspended = "user_suspended",
        /// A suspended account was reinstated.
        UserReinstated = "user_reinstated",
        /// A login succeeded.
        LoginSuccess = "authn_login_success",
        /// Too many logins to an account failed: attempts from new addresses are rejected.
        LoginFailMax = "authn_login_fail_max",
        /// A password was replaced.
        PasswordChange = "authn_password_change",
        /// A password was replaced with a link from a mail.
        PasswordReset = "authn_password_reset",
        /// The owner of an account asked for a change of its e-mail address.
        EmailChangeRequested = "user_email_change_requested",
        /// The e-mail address of an account was verified.
        EmailVerified = "user_email_verified",
        /// Too many attempts to complete logins to an account with a second factor failed, although the password was right.
        FactorFailMax = "authn_factor_fail_max",
        /// A second factor was added.
        FactorAdded = "authn_factor_added",
        /// A second factor was removed.
        FactorRemoved = "authn_factor_removed",
        /// New recovery codes replaced the previous ones.
        RecoveryCodesCreated = "authn_recovery_codes_created",
        /// A recovery code was used.
        RecoveryCodeUsed = "authn_recovery_code_used",
        /// A passkey was rejected, because there may be a copy of its authenticator.
        PasskeyCopied = "authn_passkey_copied",
        /// A user proved again within a session who they are.
        Reauthenticated = "authn_reauthenticated",
        /// Sessions were ended by their owner.
        TokenRevoked = "authn_token_revoked",
        /// A refresh token was used twice, possibly by a thief. The session was ended.
        TokenReuse = "authn_token_reuse",
        /// An identity at a login provider was linked to an account.
        IdentityLinked = "authn_identity_linked",
        /// An identity at a login provider was unlinked from an account, by its owner or at the provider.
        IdentityUnlinked = "authn_identity_unlinked",
        /// An account got another role.
        RoleChange = "authz_change",
    }
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// The id; sorts by time.
    pub id: AuditEventId,
    /// What happened.
    pub kind: Kind,
    /// Who did it; `None` for an operator at the command line, and for a client that is not logged in.
    pub actor: Option<UserId>,
    /// The account that it happened to.
    pub target: Option<UserId>,
    /// The address of the client. Removed with the account of `actor`.
    pub address: Option<IpAddr>,
    /// When it happened.
    pub at: Timestamp,
}

/// Which entries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only entries of this kind.
    pub kind: Option<Kind>,
    /// Only entries with this account as actor or target.
    pub user: Option<UserId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_kinds_can_be_parsed() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse::<Kind>().as_ref(), Ok(kind));
        }
    }
}
