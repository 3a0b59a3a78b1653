use crate::RateLimited;

/// Why a use-case of this crate did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is another's, looks like another's, or is kept by the site.
    #[error("the username is taken")]
    UsernameTaken,
    /// Strangers may not sign up here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// No such account, no password, or another password: which one is not told.
    #[error("the login or the password is wrong")]
    InvalidCredentials,
    /// The right password of an account that moderators took out.
    #[error("the account is suspended")]
    AccountSuspended,
    /// The refresh token is not, or no longer, good for anything.
    #[error("the grant is invalid")]
    InvalidGrant,
    /// No account has this name.
    #[error("no account has this name")]
    AccountNotFound,
    /// No such login, or not of this user.
    #[error("no such session")]
    SessionNotFound,
    /// The password that was given within a session is not the present one.
    #[error("the password is wrong")]
    WrongPassword,
    /// This takes a fresh login.
    #[error("the login is too old for this")]
    ReauthenticationRequired,
    /// The new password is easy to guess for whoever knows the account.
    #[error("the new password {0}")]
    WeakPassword(#[from] blegram_domain::Violation),
    /// The session ended while its request ran.
    #[error("the session has ended")]
    SessionEnded,
    /// The account was changed since the actor read it.
    #[error("it was changed meanwhile")]
    PreconditionFailed,
    /// Too many tries.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// Too many passwords are being checked at once.
    #[error("too many logins at once")]
    Overloaded,
    /// A password could not be hashed: wrong parameters, or no memory.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// A token could not be signed, or a key not be made.
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

/// A failure of the database, for those above that do not reach it themselves.
pub type StorageError = blegram_persistence::Error;
