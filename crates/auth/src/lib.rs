//! Accounts and sessions of blegram: sign-up, login, logout, and who a request comes from.
//!
//! Every function that touches the database can fail with it. A section `# Errors` names only what a caller handles
//! beyond that.
//!
//! | Module | Holds |
//! |---|---|
//! | [`account`] | sign-up and login: [`Auth::sign_up`], [`Auth::log_in`] |
//! | [`session`] | [`Auth::authenticate`], [`Auth::authenticate_bearer`], the list of sessions, [`Auth::log_out`] |
//! | [`live`] | logins behind connections that stay open: [`Auth::check_sessions`] |
//! | [`ticket`] | what opens such a connection: [`Auth::create_ticket`], [`Auth::redeem_ticket`] |
//! | [`native`] | the tokens of native apps: [`Auth::refresh`] |
//! | [`signing_key`] | what access tokens are signed with: [`Auth::public_keys`] |
//! | [`credentials`] | [`Auth::change_password`] |
//! | [`rename`] | [`Auth::change_username`] |
//! | [`deletion`] | [`Auth::delete_account`] |
//! | [`operator`] | what operators do with accounts |
//! | [`event`] | what ends while somebody may still be connected |
//! | [`retention`] | forgetting what counts no more |
//! | [`idempotency`] | requests that may be sent again |
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
//! use blegram_auth::{Auth, Config, Device, NewPassword, Secret, SignUp};
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
//! let Secret::Browser(token) = ann.secret else { panic!("a browser by default") };
//! let viewer = auth.authenticate(token.expose()).await?.expect("a live session");
//! assert_eq!(viewer.user, ann.account.user.summary.id);
//! # Ok(())
//! # }
//! ```

pub mod access_token;
pub mod account;
mod audit;
pub mod credentials;
pub mod csrf;
pub mod deletion;
mod error;
pub mod event;
pub mod idempotency;
pub mod limit;
pub mod live;
pub mod native;
pub mod operator;
pub mod password;
pub mod rename;
pub mod retention;
pub mod session;
pub mod session_cache;
pub mod signing_key;
pub mod site_key;
pub mod ticket;
pub mod token;

use std::{sync::Arc, time::Duration};

use blegram_domain::{
    Clock,
    event::EventSink,
    session::{SessionLifetime, SessionLifetimes},
};
use blegram_persistence::{Db, sessions::TokenHash};
use quick_cache::sync::Cache;

pub use access_token::AccessToken;
pub use account::{LogIn, LoggedIn, Secret, SignUp};
/// One budget of waiting for the database, for those above that do not reach it themselves.
pub use blegram_persistence::with_patience;
pub use credentials::ChangePassword;
pub use error::{Error, Result, StorageError};
pub use event::Event;
pub use limit::{Limits, Policy, Quota, RateLimited};
pub use live::Ended;
pub use native::Tokens;
pub use operator::CreateAccount;
pub use password::{GivenPassword, NewPassword, PasswordCost};
pub use session::{Authenticated, Device};
pub use site_key::SiteKey;
pub use token::{GatewayTicket, RefreshToken, SessionToken};

use access_token::Claims;
use password::Hasher;
use session_cache::SessionCache;
use signing_key::Keyring;
use site_key::DerivedKey;

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
    pub session_lifetimes: SessionLifetimes,
    /// How long an access token is good.
    pub access_token_lifetime: Duration,
    /// How old a signing key gets before the next one is made.
    pub signing_key_period: Duration,
    /// How often somebody may try.
    pub limits: Limits,
    /// What CSRF tokens and the like are made with.
    pub site_key: SiteKey,
    /// The URL of the site, as access tokens name who issued them and for whom.
    pub issuer: String,
}

impl Default for Config {
    /// The defaults of `docs/configuration.md`, with a site's key that ends with the process.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            registration: Registration::Open,
            password_cost: PasswordCost::default(),
            hash_threads: blegram_workers::default_threads(),
            hash_queue: 64,
            session_lifetimes: SessionLifetimes {
                browser: SessionLifetime { idle: 7 * day, absolute: 30 * day },
                native: SessionLifetime { idle: 30 * day, absolute: 180 * day },
            },
            access_token_lifetime: Duration::from_secs(10 * 60),
            signing_key_period: 30 * day,
            limits: Limits::default(),
            site_key: SiteKey::generate(),
            issuer: "http://127.0.0.1:8080".to_owned(),
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
    sessions: Arc<SessionCache>,
    events: Arc<dyn EventSink<Event>>,
    /// Those whose signature was found to be right.
    access_tokens: Arc<Cache<TokenHash, Claims>>,
    keys: Arc<Keyring>,
    registration: Registration,
    lifetimes: SessionLifetimes,
    access_token_lifetime: Duration,
    signing_key_period: Duration,
    csrf_key: DerivedKey,
    refresh_key: DerivedKey,
}

/// Access tokens whose signature need not be checked again; each takes about 150 bytes.
const VERIFIED_TOKENS: usize = 20_000;

impl Auth {
    /// Makes the use-cases over `db`, at the time of `clock`.
    ///
    /// # Errors
    /// When the password cost is one that argon2 does not know.
    pub fn new(db: Db, clock: Arc<dyn Clock>, config: Config) -> Result<Self> {
        let seal = config.site_key.derive(signing_key::PURPOSE);
        Ok(Self {
            sessions: Arc::new(SessionCache::new()),
            events: Arc::new(()),
            access_tokens: Arc::new(Cache::new(VERIFIED_TOKENS)),
            keys: Arc::new(Keyring::new(db.clone(), Arc::clone(&clock), seal, config.issuer)),
            hasher: Hasher::new(config.password_cost, config.hash_threads, config.hash_queue)?,
            limiter: Arc::new(limit::Limiter::new(&config.limits, Arc::clone(&clock))),
            db,
            clock,
            registration: config.registration,
            lifetimes: config.session_lifetimes,
            access_token_lifetime: config.access_token_lifetime,
            signing_key_period: config.signing_key_period,
            csrf_key: config.site_key.derive(csrf::PURPOSE),
            refresh_key: config.site_key.derive(native::PURPOSE),
        })
    }

    /// Tells `events` what ends from now on. Called once, before the handle is shared.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventSink<Event>>) -> Self {
        self.events = events;
        self
    }

    /// Whether strangers may sign up.
    pub const fn registration(&self) -> Registration {
        self.registration
    }

    /// How long sessions live.
    pub const fn session_lifetimes(&self) -> &SessionLifetimes {
        &self.lifetimes
    }

    /// The keys that access tokens are signed with, the newest first.
    pub async fn public_keys(&self) -> Result<Vec<signing_key::PublicKey>> {
        self.keys.public_keys().await
    }

    /// Makes the next signing key when it is time, and forgets those that no token needs any more. To be called now
    /// and then; on several nodes at once, too.
    pub async fn rotate_signing_keys(&self) -> Result<()> {
        self.keys.rotate(self.signing_key_period).await
    }

    /// How often somebody may try, and how often somebody did.
    pub fn limiter(&self) -> &limit::Limiter {
        &self.limiter
    }

    /// Makes known what ended. To be called after the commit of whatever ends sessions or changes what users may do.
    pub(crate) fn announce(&self, events: impl IntoIterator<Item = Event>) {
        // First the cache: whoever hears of it and asks again must not be told what was.
        self.sessions.clear();
        for event in events {
            self.events.publish(event);
        }
    }
}
