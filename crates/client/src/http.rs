//! The HTTP API: one [`Client`] for an account, with its session, retries and deadlines.
//!
//! - `request`: one call, with its retries
//! - `session`: the tokens, and who refreshes them
//! - `accounts`, `chat`, `posts`: operations as methods; [`Client::request`] calls the others

mod accounts;
mod chat;
mod posts;
mod request;
mod session;

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

pub use self::{posts::Upload, request::Request, session::AccessToken};
pub use reqwest::{ClientBuilder as HttpBuilder, Method};

use self::session::Session;
use crate::error::Error;

/// How long calls take at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A single attempt.
    pub attempt: Duration,
    /// A call, with its retries.
    pub call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(15), call: Duration::from_secs(60) }
    }
}

/// A client of the HTTP API. Clones share one session.
///
/// Each call is repeated while the server is unavailable, for up to [`Limits::call`], if it can be repeated: calls other
/// than POST, POST with an `Idempotency-Key` (which each call of a logged-in client has), and after a 429, which rejects
/// a call before it starts. The delay grows and is random, and is never shorter than `Retry-After`.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    site: Url,
    limits: Limits,
    session: Session,
}

impl Client {
    /// A client of the site at this URL, not logged in.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if TLS cannot be set up.
    pub fn new(site: Url) -> Result<Self, Error> {
        Self::with(site, HttpBuilder::new(), Limits::default())
    }

    /// A client with settings of its own: proxies, certificates, time limits.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the settings are not possible.
    pub fn with(site: Url, http: HttpBuilder, limits: Limits) -> Result<Self, Error> {
        // The provider for TLS. Fails only if the program has installed one, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http.build().map_err(|error| Error::of_transport(&error))?;
        Ok(Self { shared: Arc::new(Shared { http, site, limits, session: Session::default() }) })
    }

    /// The URL of the site.
    #[must_use]
    pub fn site(&self) -> &Url {
        &self.shared.site
    }

    /// Starts a call of any operation; `path` is relative to `/api/v1`, such as `/posts`.
    #[must_use]
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        Request::new(self, method, path.into())
    }

    fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path)
    }

    fn put(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    fn delete(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.shared.site.as_str().trim_end_matches('/'))
    }
}

/// Without the tokens.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("site", &self.shared.site.as_str()).finish_non_exhaustive()
    }
}
