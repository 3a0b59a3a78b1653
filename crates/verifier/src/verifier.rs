//! The verifier of one site.

use std::sync::Arc;

use blegram_domain::{Clock, SystemClock};
use url::{Host, Url};

use crate::{Claims, Error, fetch::Fetch, keys::Keys, token};

/// Verifies the access tokens of one site. Cheap to clone; the clones share the cached keys.
#[derive(Clone)]
pub struct Verifier {
    issuer: Arc<str>,
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
}

/// The address of a site, or of its keys, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSite {
    /// It is no `http` or `https` URL.
    #[error("{0:?} is not an http or https URL")]
    Url(String),
    /// It is `http`, and not of this machine: an attacker in between could send other keys.
    #[error("{0:?} must be https, because its keys decide which tokens are valid")]
    Insecure(String),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

impl Verifier {
    /// A verifier for the site at `issuer`: exactly its `server.public_url`, without a trailing slash. The keys are loaded
    /// with the first token, from `/.well-known/jwks.json` below it.
    ///
    /// # Errors
    /// [`InvalidSite`]: the URL must be https, or http on this machine.
    pub fn new(issuer: &str) -> Result<Self, InvalidSite> {
        let invalid = || InvalidSite::Url(issuer.to_owned());
        let site = http_url(issuer).filter(|url| url.query().is_none() && url.fragment().is_none());
        let site = site.ok_or_else(invalid)?;
        if site.scheme() != "https" && !is_loopback(&site) {
            return Err(InvalidSite::Insecure(issuer.to_owned()));
        }
        let issuer = issuer.trim_end_matches('/');
        let keys = http_url(&format!("{issuer}/.well-known/jwks.json")).ok_or_else(invalid)?;
        Self::with(issuer, keys, Arc::new(SystemClock))
    }

    fn with(issuer: &str, url: Url, clock: Arc<dyn Clock>) -> Result<Self, InvalidSite> {
        let fetch = Fetch::new(url).map_err(|error| InvalidSite::Client(error.to_string()))?;
        let keys = Arc::new(Keys::new(fetch, Arc::clone(&clock)));
        Ok(Self { issuer: issuer.into(), clock, keys })
    }

    /// Loads the keys from another address, such as that of a node in the same private network, where http is accepted.
    ///
    /// # Errors
    /// [`InvalidSite::Url`].
    pub fn with_keys_from(self, url: &str) -> Result<Self, InvalidSite> {
        let url = http_url(url).ok_or_else(|| InvalidSite::Url(url.to_owned()))?;
        Self::with(&self.issuer, url, self.clock)
    }

    /// Reads the time from `clock`, for tests.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        let keys = Arc::new(self.keys.with_clock(Arc::clone(&clock)));
        Self { clock, keys, ..self }
    }

    /// The issuer whose tokens are accepted.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies `token`, the value of `Authorization` after `Bearer `.
    ///
    /// # Errors
    /// [`Error`], which names the reason; see [`Error::is_rejection`].
    pub async fn verify(&self, token: &str) -> Result<Claims, Error> {
        let id = token::key_id(token)?;
        let claims = self.keys.find(&id).await?.verify(token, &self.issuer)?;
        claims.check_times(self.clock.now())?;
        Ok(claims)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_is_https_or_this_machine() {
        for accepted in [
            "https://example.org",
            "https://example.org/forum/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
            "http://a.localhost",
        ] {
            let verifier = Verifier::new(accepted).unwrap();
            assert_eq!(verifier.issuer(), accepted.trim_end_matches('/'));
        }
        for insecure in ["http://example.org", "http://10.0.0.1", "http://localhost.example.org"] {
            assert_eq!(Verifier::new(insecure).unwrap_err(), InvalidSite::Insecure(insecure.to_owned()));
        }
        for other in ["", "example.org", "ftp://example.org", "https://", "https://example.org/?a=b"] {
            assert!(matches!(Verifier::new(other), Err(InvalidSite::Url(_))), "{other}");
        }
    }

    #[test]
    fn keys_may_come_from_a_private_network() {
        let verifier = Verifier::new("https://example.org").unwrap();
        let moved = verifier.clone().with_keys_from("http://10.0.0.1:8080/.well-known/jwks.json").unwrap();
        assert_eq!(moved.issuer(), "https://example.org");
        assert!(verifier.with_keys_from("file:///etc/keys").is_err());
    }
}
