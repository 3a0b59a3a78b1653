use std::time::Duration;

use blegram_domain::ProviderId;
use blegram_limits::RateLimited;

/// An error of a use-case of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The username belongs to another account, looks like another account's, or is reserved.
    #[error("the username is taken")]
    UsernameTaken,
    /// Users may not sign up here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Unknown username, no password, or wrong password: the error does not disclose which.
    #[error("the username or password is wrong")]
    InvalidCredentials,
    /// The password is right, but moderators suspended the account.
    #[error("the account is suspended")]
    AccountSuspended,
    /// The refresh token, code or sign-up token is unknown, expired or already used.
    #[error("the token is invalid or expired; log in again")]
    InvalidGrant,
    /// No login provider has this id.
    #[error("no login provider has this id")]
    ProviderNotFound,
    /// The login provider does not respond.
    #[error("the login provider {0} is unavailable")]
    ProviderUnavailable(ProviderId),
    /// The login provider rejected the login, or its response cannot be trusted.
    #[error("the response of the login provider {0} was rejected")]
    ProviderRejected(ProviderId),
    /// The user cancelled the login at the provider.
    #[error("the login was cancelled")]
    LoginCancelled,
    /// The login with a provider is unknown, was used before, took too long, or began in another browser.
    #[error("the login has expired; begin again")]
    LoginExpired,
    /// The redirect URI is not one of those that the operator listed.
    #[error("the redirect URI is not allowed")]
    RedirectUriNotAllowed,
    /// The identity belongs to another account, or the account has another identity of the provider.
    #[error("the identity is in use")]
    IdentityInUse,
    /// The account has no identity of the provider.
    #[error("the account has no identity of this provider")]
    IdentityNotFound,
    /// The account could not be used any more without this identity.
    #[error("this is the last way to log in")]
    LastLoginMethod,
    /// The operation requires the session of a browser.
    #[error("this requires a browser")]
    BrowserRequired,
    /// An unlink notice is not authentic.
    #[error("the notice is not authentic")]
    NoticeRejected,
    /// No account has this username.
    #[error("no account has this username")]
    AccountNotFound,
    /// The session does not exist, or belongs to another user.
    #[error("the session does not exist")]
    SessionNotFound,
    /// The given password is not the current one.
    #[error("the password is wrong")]
    WrongPassword,
    /// The operation requires a recent login.
    #[error("this requires a recent login; log in again")]
    ReauthenticationRequired,
    /// The login to complete does not exist, has expired, is complete, or had too many attempts.
    #[error("the login has expired; log in again")]
    LoginChallengeInvalid,
    /// The second factor of a login is wrong, or was used before.
    #[error("the code or passkey was not accepted")]
    SecondFactorInvalid,
    /// The code or passkey that confirms an action is wrong, or was used before.
    #[error("the code or passkey was not accepted")]
    WrongCode,
    /// The confirmation lacks the second factor of the account.
    #[error("the second factor is missing")]
    SecondFactorRequired,
    /// The second factor does not exist, or belongs to another user.
    #[error("the second factor does not exist")]
    FactorNotFound,
    /// The URL of the site has no domain, so it can have no passkeys.
    #[error("this site cannot have passkeys")]
    PasskeysUnavailable,
    /// What an authenticator returned for a new passkey is not valid for this site and this registration.
    #[error("the passkey was not accepted")]
    PasskeyRejected,
    /// The new passkey is registered already.
    #[error("the passkey is registered already")]
    PasskeyInUse,
    /// The account has the largest number of passkeys.
    #[error("the account has too many passkeys")]
    TooManyPasskeys,
    /// A passkey ceremony could not be started.
    #[error("a passkey ceremony could not be started: {0}")]
    Passkey(String),
    /// The new password is easy to guess from the account's data.
    #[error("the new password {0}")]
    WeakPassword(#[from] blegram_domain::Violation),
    /// The token from a mail is unknown, used, replaced by a newer one or expired.
    #[error("the link is invalid, has expired or was used")]
    EmailTokenInvalid,
    /// Another account has verified an address of the same mailbox.
    #[error("another account uses this e-mail address")]
    EmailTaken,
    /// The site sends no mail.
    #[error("this site sends no mail")]
    MailDisabled,
    /// A mail could not be sent now; the cause is for the log only.
    #[error("the mail was not sent: {0}")]
    Mail(String),
    /// The session ended while the request ran.
    #[error("the session has ended")]
    SessionEnded,
    /// The account was changed since the caller read it.
    #[error("the account was changed in the meantime; reload it and try again")]
    PreconditionFailed,
    /// A rate limit is exceeded.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// Too many passwords are being hashed at once; there will probably be room again after this time.
    #[error("too many logins at once; try again later")]
    Overloaded(Duration),
    /// Password hashing failed: invalid parameters, or not enough memory.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// Signing a token or generating a key failed.
    #[error("signing failed: {0}")]
    Signing(String),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

impl Error {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn signing(cause: impl ToString) -> Self {
        Self::Signing(cause.to_string())
    }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A database error, re-exported for crates that do not depend on the persistence crate.
pub type StorageError = blegram_persistence::Error;
