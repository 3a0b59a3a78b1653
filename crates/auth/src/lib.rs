//! Accounts and sessions of blegram: sign-up, login, logout, and who a request comes from.
//!
//! | Module | Holds |
//! |---|---|
//! | [`account`] | sign-up and login: [`Auth::sign_up`], [`Auth::log_in`] |
//! | [`session`] | [`Auth::authenticate`], [`Auth::log_out`] |
//! | [`password`] | the rules of new passwords; argon2id on a bounded pool |
//! | [`token`] | secrets that clients hold, and what is stored of them |
//! | [`csrf`] | proof that a request of a browser was meant |
//! | [`limit`] | how often somebody may try |
//!
//! To add a use-case: a method on [`Auth`] in the file of its noun: take the time once, one
//! transaction, return a domain type; then its story in `tests/it`, on both databases.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_auth::{Auth, Config, Device, NewPassword, SignUp};
//! use blegram_domain::{SystemClock, Username};
//! use blegram_persistence::testing::{Backend, TestDatabase};
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let auth = Auth::new(database.db().clone(), Arc::new(SystemClock), Config::default())?;
//! let ann = auth
//!     .sign_up(SignUp {
//!         username: Username::parse("ann")?,
//!         password: NewPassword::parse("노을이 지는 제주 바다", &["ann"])?,
//!         display_name: None,
//!         email: None,
//!         device: Device::default(),
//!     })
//!     .await?;
//! let viewer = auth.authenticate(ann.token.expose()).await?.expect("a live session");
//! assert_eq!(viewer.user, ann.account.user.summary.id);
//! # Ok(())
//! # }
//! ```

pub mod account;
pub mod csrf;
mod error;
pub mod limit;
pub mod password;
pub mod session;
pub mod token;

use std::{sync::Arc, time::Duration};

use blegram_domain::{Clock, session::SessionLifetime};
use blegram_persistence::Db;

pub use account::{LogIn, LoggedIn, SignUp};
pub use csrf::CsrfKey;
pub use error::{Error, Result, StorageError};
pub use limit::{Limits, Policy, Quota, RateLimited};
pub use password::{GivenPassword, NewPassword, PasswordCost};
pub use session::{Authenticated, Device};
pub use token::SessionToken;

use password::Hasher;

/// Whether strangers may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// They may.
    Open,
    /// Accounts are made by operators.
    Closed,
}

/// What an operator decides about accounts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether strangers may sign up.
    pub registration: Registration,
    /// What a guess of a password costs.
    pub password_cost: PasswordCost,
    /// How many passwords are hashed at once, each on a core of its own.
    pub hash_threads: usize,
    /// How many more may wait for that before [`Error::Overloaded`].
    pub hash_queue: usize,
    /// How long sessions live.
    pub session_lifetime: SessionLifetime,
    /// How often somebody may try.
    pub limits: Limits,
    /// What CSRF tokens are made with.
    pub csrf_key: CsrfKey,
}

impl Default for Config {
    /// The defaults of `docs/configuration.md`, with a CSRF key that ends with the process.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            registration: Registration::Open,
            password_cost: PasswordCost::default(),
            hash_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            hash_queue: 64,
            session_lifetime: SessionLifetime { idle: 7 * day, absolute: 30 * day },
            limits: Limits::default(),
            csrf_key: CsrfKey::generate(),
        }
    }
}

/// The use-cases of accounts and sessions; cheap to clone.
#[derive(Clone)]
pub struct Auth {
    db: Db,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    limiter: Arc<limit::Limiter>,
    registration: Registration,
    lifetime: SessionLifetime,
    csrf_key: CsrfKey,
}

impl Auth {
    /// Makes the use-cases over `db`, at the time of `clock`.
    ///
    /// # Errors
    /// When the password cost is one that argon2 does not know.
    pub fn new(db: Db, clock: Arc<dyn Clock>, config: Config) -> Result<Self> {
        Ok(Self {
            hasher: Hasher::new(config.password_cost, config.hash_threads, config.hash_queue)?,
            limiter: Arc::new(limit::Limiter::new(&config.limits, Arc::clone(&clock))),
            db,
            clock,
            registration: config.registration,
            lifetime: config.session_lifetime,
            csrf_key: config.csrf_key,
        })
    }

    /// Whether strangers may sign up.
    pub const fn registration(&self) -> Registration {
        self.registration
    }

    /// How long sessions live.
    pub const fn session_lifetime(&self) -> SessionLifetime {
        self.lifetime
    }

    /// How often somebody may try, and how often somebody did.
    pub fn limiter(&self) -> &limit::Limiter {
        &self.limiter
    }
}
