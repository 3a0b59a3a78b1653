//! What an operation demands of a request.

use std::time::Duration;

use blegram_domain::user::Role;
use blegram_limits::Policy;

/// The maximum size of a request body that is not a form.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The maximum size of the fields of an HTML form.
pub const MAX_FIELDS_BYTES: usize = 16 * 1024;

/// Whether an operation requires a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// No login; reads do not look up the session.
    None,
    /// Optional: a logged-in viewer also gets their relationship to each item.
    Optional,
    /// A login is required.
    Required,
    /// Another service sends the request and authenticates itself in its own way, which the handler checks. The gate
    /// does not read its credentials.
    Foreign,
}

/// The request body of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// No body.
    None,
    /// JSON of at most [`MAX_BODY_BYTES`], which the gate reads before it authenticates the request.
    Json,
    /// The fields of an HTML form (`application/x-www-form-urlencoded`) of at most [`MAX_FIELDS_BYTES`], which the gate
    /// reads before it authenticates the request.
    Fields,
    /// A multipart form with files, which the surface reads after the gate has authenticated the request.
    Form {
        /// The maximum size of the whole form.
        max_bytes: u64,
    },
}

/// The time limit for authentication and the handler; reading the request body does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// For reads and writes of rows: 10 seconds.
    Standard,
    /// For operations that hash a password, which may have to wait for a free worker: 30 seconds.
    PasswordHash,
    /// For operations that process image files: ten images, each with up to `media.deadline_ms` of processing and its
    /// transfer to storage, 10 minutes.
    Images,
}

impl Deadline {
    pub(crate) const fn duration(self) -> Duration {
        match self {
            Self::Standard => Duration::from_secs(10),
            Self::PasswordHash => Duration::from_secs(30),
            Self::Images => Duration::from_secs(600),
        }
    }
}

/// What an operation demands of a request; the gate enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether it requires a login.
    pub login: Login,
    /// The role that the user must have at least; [`Role::User`] is no restriction.
    pub role: Role,
    /// Whether it changes data, and so needs the CSRF check.
    pub is_write: bool,
    /// Its request body.
    pub body: RequestBody,
    /// The rate limit for all calls, by address.
    pub policy: Option<Policy>,
    /// The rate limit for rejected calls, by address. Successful calls do not count, so that clients that share an
    /// address are not locked out.
    pub failure_policy: Option<Policy>,
    /// Whether it supports `Idempotency-Key`.
    pub takes_key: bool,
    /// Its time limit.
    pub deadline: Deadline,
}

impl Rule {
    /// The rule of an operation that only reads.
    pub const fn read(login: Login) -> Self {
        Self {
            login,
            role: Role::User,
            is_write: false,
            body: RequestBody::None,
            policy: None,
            failure_policy: None,
            takes_key: false,
            deadline: Deadline::Standard,
        }
    }

    /// The rule of an operation that changes data.
    pub const fn write(login: Login) -> Self {
        Self { is_write: true, ..Self::read(login) }
    }
}
