//! The settings of this crate.

use std::time::Duration;

use blegram_domain::session::{SessionLifetime, SessionLifetimes};
use blegram_limits::{Quotas, Shared};

use crate::{AppRedirectUri, PasswordCost, SiteKey};

/// Whether users may create accounts themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone may sign up.
    Open,
    /// Only operators create accounts.
    Closed,
}

/// The settings for accounts and sessions.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether users may sign up.
    pub registration: Registration,
    /// The cost of one password hash.
    pub password_cost: PasswordCost,
    /// The number of passwords hashed concurrently, each on its own core.
    pub hash_threads: usize,
    /// The number of passwords that may wait to be hashed; more are rejected with [`crate::Error::Overloaded`].
    pub hash_queue: usize,
    /// The session lifetimes.
    pub session_lifetimes: SessionLifetimes,
    /// The lifetime of an access token.
    pub access_token_lifetime: Duration,
    /// The age at which a signing key is replaced.
    pub signing_key_period: Duration,
    /// The rate limits.
    pub quotas: Quotas,
    /// The rate limits of clients that connect over loopback, if they differ.
    pub loopback_quotas: Option<Quotas>,
    /// The counters that all nodes share, if there are any. Without them each node counts alone.
    pub shared_limits: Option<Shared>,
    /// The secret that CSRF keys and others are derived from.
    pub site_key: SiteKey,
    /// The URL of the site: issuer and audience of access tokens, and the base of redirect URIs. Its domain is that of
    /// passkeys.
    pub issuer: String,
    /// Whether the site sends mail. Without it, mails are not queued; with it, a process that runs jobs needs a
    /// [`crate::Mailer`].
    pub sends_mail: bool,
    /// The URL below which the links in mails are, without a trailing slash.
    pub pages_url: String,
    /// Further web origins whose pages may use passkeys; those outside the domain of `issuer` are ignored.
    pub web_origins: Vec<String>,
    /// The redirect URIs of native apps that may log in with other providers.
    pub app_redirect_uris: Vec<AppRedirectUri>,
}

impl Default for Config {
    /// The defaults of `docs/configuration.md`, with a random site key that is valid until the process ends.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            registration: Registration::Open,
            password_cost: PasswordCost::default(),
            hash_threads: blegram_cpu_pool::default_threads(),
            hash_queue: 64,
            session_lifetimes: SessionLifetimes {
                browser: SessionLifetime { idle: 7 * day, absolute: 30 * day },
                native: SessionLifetime { idle: 30 * day, absolute: 180 * day },
            },
            access_token_lifetime: Duration::from_secs(10 * 60),
            signing_key_period: 30 * day,
            quotas: Quotas::default(),
            loopback_quotas: None,
            shared_limits: None,
            site_key: SiteKey::generate(),
            issuer: "http://127.0.0.1:8080".to_owned(),
            sends_mail: false,
            pages_url: "http://127.0.0.1:8080".to_owned(),
            web_origins: Vec::new(),
            app_redirect_uris: Vec::new(),
        }
    }
}
