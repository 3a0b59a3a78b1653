//! Accounts and sessions of blegram: sign-up, login, logout, and authentication of requests.
//!
//! Every function that accesses the database can fail with [`Error::Storage`]. An `# Errors` section lists only the
//! errors that a caller handles beyond that.
//!
//! | Module | Contents |
//! |---|---|
//! | [`provider`] | login providers: what a login needs of them, and the known ones (feature `providers`) |
//! | [`external_login`] | login with them: [`Auth::start_login`], [`Auth::finish_login`], [`Auth::finish_sign_up`] |
//! | [`authorization_code`], [`app_redirect`] | such logins of native apps: [`Auth::exchange_code`] |
//! | [`identities`] | linked identities: [`Auth::link_identity`], [`Auth::receive_unlink_notice`] |
//! | [`avatar`] | the import of profile pictures |
//! | [`account`] | sign-up and login: [`Auth::sign_up`], [`Auth::log_in`] |
//! | [`session`] | [`Auth::authenticate`], [`Auth::authenticate_bearer`], the list of sessions, [`Auth::log_out`] |
//! | [`session_cache`] | a short-lived cache of session look-ups |
//! | [`revocation`] | sessions of open connections: [`Auth::check_sessions`] |
//! | [`ticket`] | single-use tickets for such connections: [`Auth::create_ticket`], [`Auth::redeem_ticket`] |
//! | [`native`] | the tokens of native apps: [`Auth::refresh`] |
//! | [`access_token`], [`signing_key`] | access tokens and the keys that sign them: [`Auth::public_keys`] |
//! | [`credentials`] | [`Auth::change_password`] |
//! | [`second_factor`] | the second step of a login: [`Auth::complete_login`] |
//! | [`factor`] | the second factors of an account: [`Auth::list_factors`], [`Auth::delete_factor`] |
//! | [`passkey`] | passkeys: [`Auth::start_passkey_login`] |
//! | [`totp`], [`recovery_code`] | authenticator apps and recovery codes |
//! | [`reauthentication`] | [`Auth::reauthenticate`] |
//! | [`device`] | devices and networks that an account was logged in from before |
//! | [`email`] | [`Auth::change_email`], [`Auth::verify_email`] |
//! | [`password_reset`] | [`Auth::request_password_reset`], [`Auth::complete_password_reset`] |
//! | [`mail`] | the queue of mails: [`Auth::send_mail`], [`Mailer`] |
//! | `login_notice` | mails about logins |
//! | [`rename`] | [`Auth::change_username`] |
//! | [`deletion`] | [`Auth::delete_account`] |
//! | [`unlinking`] | ends the links of deleted accounts at their providers: [`Auth::unlink_at_provider`] |
//! | [`operator`] | account administration by operators |
//! | [`audit`] | the audit log |
//! | [`event`] | events about ended sessions, for open connections |
//! | [`retention`] | deletion of expired rows |
//! | [`idempotency`] | idempotency keys of requests |
//! | [`password`] | rules for new passwords; argon2id on a bounded thread pool |
//! | [`token`] | secrets that clients hold, and their stored hashes |
//! | [`csrf`] | CSRF tokens |
//! | [`site_key`] | the site's secret and the keys derived from it |
//!
//! To add a use-case: write a method on [`Auth`] in the file of its noun. It reads the clock once, uses one
//! transaction, and returns a domain type. Then test it in `tests/it`, on both databases.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_auth::{Auth, Config, Device, NewPassword, Secret, SignUp};
//! use blegram_domain::{SystemClock, Username};
//! use blegram_persistence::{Db, Settings};
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let auth = Auth::new(db, Arc::new(SystemClock), Config::default())?;
//! let ann = auth
//!     .sign_up(SignUp {
//!         username: Username::parse("ann")?,
//!         password: NewPassword::parse("노을이 지는 제주 바다", &["ann"])?,
//!         display_name: None,
//!         email: None,
//!         device: Device::default(),
//!     })
//!     .await?;
//! let Secret::Browser(token) = ann.secret else { panic!("expected a browser session") };
//! let viewer = auth.authenticate(token.expose()).await?.expect("a valid session");
//! assert_eq!(viewer.user, ann.account.user.summary.id);
//! # Ok(())
//! # }
//! ```
//!
//! ## Features
//!
//! - `providers`: login with OpenID Connect and OAuth 2.0, and the HTTP client for it.
//! - `testing`: a login provider for tests.

pub mod access_token;
pub mod account;
pub mod app_redirect;
pub mod audit;
pub mod authorization_code;
pub mod avatar;
mod config;
pub mod credentials;
pub mod csrf;
pub mod deletion;
pub mod device;
pub mod email;
mod error;
pub mod event;
pub mod external_login;
pub mod factor;
pub mod idempotency;
pub mod identities;
mod login_notice;
pub mod mail;
pub mod native;
pub mod operator;
pub mod passkey;
pub mod password;
pub mod password_reset;
pub mod provider;
pub mod reauthentication;
pub mod recovery_code;
mod relying_party;
pub mod rename;
pub mod retention;
pub mod revocation;
pub mod second_factor;
pub mod session;
pub mod session_cache;
pub mod signing_key;
pub mod site_key;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ticket;
pub mod token;
pub mod totp;
pub mod unlinking;

use std::{sync::Arc, time::Duration};

use blegram_domain::{Clock, Timestamp, UserId, event::EventSink, session::SessionLifetimes};
use blegram_limits::Limiter;
use blegram_persistence::{Db, sessions::TokenHash};
use quick_cache::sync::Cache;

pub use access_token::AccessToken;
pub use account::{LogIn, LoggedIn, Secret, SignUp};
pub use app_redirect::AppRedirectUri;
pub use audit::{AuditEventView, with_client_address};
pub use authorization_code::{ExchangeCode, Exchanged};
/// A shared time limit for database access, re-exported for crates that do not depend on the persistence crate.
pub use blegram_persistence::with_wait_budget;
pub use config::{Config, Registration};
pub use credentials::ChangePassword;
pub use device::DeviceToken;
pub use email::ChangeEmail;
pub use error::{Error, Result, StorageError};
pub use event::Event;
pub use external_login::{
    AppRequest, FailedLogin, FinishLogin, FinishedLogin, LocalPath, PendingSignUp, ReturnTo, StartLogin,
    StartedLogin,
};
pub use factor::Factors;
pub use identities::NoticeReceipt;
pub use mail::{Mailer, OutgoingMail, SendError};
pub use native::Tokens;
pub use operator::CreateAccount;
pub use passkey::{PasskeyResponse, PasskeySetup};
pub use password::{EnteredPassword, NewPassword, PasswordCost};
pub use provider::{Provider, Providers};
pub use reauthentication::Reauthenticate;
pub use recovery_code::RecoveryCode;
pub use revocation::Ended;
pub use second_factor::{CompleteLogin, EnteredCode, Login, LoginChallenge, Proof};
pub use session::{Authenticated, Device};
pub use site_key::SiteKey;
pub use token::{
    BrowserSecret, ChallengeToken, EmailToken, GatewayTicket, NativeCode, PendingToken, RefreshToken,
    SessionToken,
};
pub use totp::TotpSetup;

use access_token::Claims;
use password::Hasher;
use relying_party::RelyingParty;
use session_cache::SessionCache;
use signing_key::Keyring;
use site_key::DerivedKey;

/// The use-cases of accounts and sessions; cheap to clone.
#[derive(Clone)]
pub struct Auth {
    db: Db,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    limiter: Arc<Limiter>,
    sessions: Arc<SessionCache>,
    events: Arc<dyn EventSink<Event>>,
    /// Access tokens with a verified signature.
    access_tokens: Arc<Cache<TokenHash, Claims>>,
    keys: Arc<Keyring>,
    registration: Registration,
    lifetimes: SessionLifetimes,
    access_token_lifetime: Duration,
    signing_key_period: Duration,
    csrf_key: DerivedKey,
    device_key: DerivedKey,
    refresh_key: DerivedKey,
    mail_key: DerivedKey,
    mailer: Option<Arc<dyn Mailer>>,
    sends_mail: bool,
    pages_url: String,
    /// When the owners of accounts were notified that logins are limited, so that most further attempts cost no query.
    limit_notices: Arc<Cache<UserId, Timestamp>>,
    factor_key: DerivedKey,
    relying_party: Option<RelyingParty>,
    issuer: String,
    login_key: DerivedKey,
    providers: Providers,
    app_redirect_uris: Arc<[AppRedirectUri]>,
    site: Arc<str>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// The number of access tokens whose verified signature is cached; each takes about 150 bytes.
const VERIFIED_TOKENS: usize = 20_000;

/// The number of accounts of which it is cached that their owner was notified about limited logins.
const LIMIT_NOTICES: usize = 10_000;

impl Auth {
    /// Creates the use-cases over `db`, with the time of `clock`.
    ///
    /// # Errors
    /// If argon2 does not support the password cost.
    pub fn new(db: Db, clock: Arc<dyn Clock>, config: Config) -> Result<Self> {
        let (seal, issuer) = (config.site_key.derive(signing_key::PURPOSE), config.issuer);
        let site = issuer.as_str().into();
        Ok(Self {
            sessions: Arc::new(SessionCache::new()),
            events: Arc::new(()),
            access_tokens: Arc::new(Cache::new(VERIFIED_TOKENS)),
            keys: Arc::new(Keyring::new(db.clone(), Arc::clone(&clock), seal, issuer.clone())),
            hasher: Hasher::new(config.password_cost, config.hash_threads, config.hash_queue)?,
            limiter: Arc::new(
                Limiter::new(config.quotas, Arc::clone(&clock))
                    .with_loopback_quotas(config.loopback_quotas.unwrap_or(config.quotas))
                    .with_shared(config.shared_limits),
            ),
            db,
            clock,
            registration: config.registration,
            lifetimes: config.session_lifetimes,
            access_token_lifetime: config.access_token_lifetime,
            signing_key_period: config.signing_key_period,
            csrf_key: config.site_key.derive(csrf::PURPOSE),
            device_key: config.site_key.derive(device::PURPOSE),
            refresh_key: config.site_key.derive(native::PURPOSE),
            mail_key: config.site_key.derive(mail::PURPOSE),
            mailer: None,
            sends_mail: config.sends_mail,
            pages_url: config.pages_url,
            limit_notices: Arc::new(Cache::new(LIMIT_NOTICES)),
            factor_key: config.site_key.derive(totp::PURPOSE),
            relying_party: RelyingParty::new(&issuer, &config.web_origins),
            issuer,
            login_key: config.site_key.derive(external_login::PURPOSE),
            providers: Providers::default(),
            app_redirect_uris: config.app_redirect_uris.into(),
            site,
        })
    }

    /// Publishes events to `events` from now on. Call it once, before the handle is shared.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventSink<Event>>) -> Self {
        self.events = events;
        self
    }

    /// Sends mails with `mailer` from now on. Call it once, before the handle is shared.
    #[must_use]
    pub fn with_mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.mailer = Some(mailer);
        self
    }

    /// Lets users log in with `providers`. Call it once, before the handle is shared.
    #[must_use]
    pub fn with_providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    /// The address of a page for browsers: below the URL of the pages if they are elsewhere, and otherwise `path`.
    pub fn page(&self, path: &str) -> String {
        if self.has_pages_elsewhere() { format!("{}{path}", self.pages_url) } else { path.to_owned() }
    }

    /// The full URL of a page for browsers.
    pub fn absolute_page(&self, path: &str) -> String {
        format!("{}{path}", self.pages_url)
    }

    /// Whether the pages for browsers are those of another site.
    pub fn has_pages_elsewhere(&self) -> bool {
        self.pages_url != *self.site
    }

    /// The providers that users can log in with.
    pub const fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Whether users may sign up.
    pub const fn registration(&self) -> Registration {
        self.registration
    }

    /// The session lifetimes.
    pub const fn session_lifetimes(&self) -> &SessionLifetimes {
        &self.lifetimes
    }

    /// The public keys that verify access tokens, newest first.
    pub async fn public_keys(&self) -> Result<Vec<signing_key::PublicKey>> {
        self.keys.public_keys().await
    }

    /// Creates the next signing key when it is due. Call it periodically; concurrent calls on several nodes are safe.
    pub async fn rotate_signing_keys(&self) -> Result<()> {
        self.keys.rotate(self.signing_key_period).await
    }

    /// The rate limiter, which other crates share.
    pub const fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// What the threads do that hash passwords.
    pub fn hash_pool(&self) -> blegram_cpu_pool::Snapshot {
        self.hasher.pool().snapshot()
    }

    /// Makes this node read every session from the database again. Call it for each event of another node.
    pub fn clear_session_cache(&self) {
        self.sessions.clear();
    }

    /// Publishes `events`. Call it after the commit of every change that ends sessions or changes permissions.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = Event>) {
        // The cache first: a subscriber that checks the session in response must not get a stale result.
        self.sessions.clear();
        for event in events {
            self.events.publish(event);
        }
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
