//! Login with another provider: the browser goes to the provider and returns with a code, which the site exchanges for
//! an identity.
//!
//! A login that has begun is a row, so that the browser can return to another node. The row is found by the hash of the
//! parameter `state` and deleted when it is used, whatever happens then: of any number of returns, one continues. It is bound to the
//! browser by a cookie. The nonce and the PKCE verifier are derived from the cookie and a key of the site: neither the
//! database nor the browser alone reveals them.

mod finish;
mod sign_up;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{ProviderId, SessionId, Violation};
use blegram_persistence::login_transactions::{self, LoginTransaction};
use hmac::Mac;
use sha2::{Digest, Sha256};
use url::Url;

pub use blegram_persistence::login_transactions::AppRequest;
pub use finish::{FailedLogin, FinishLogin, FinishedLogin, ReturnTo};
pub use sign_up::{LIFETIME as SIGN_UP_LIFETIME, PendingSignUp};

use crate::{
    Auth, Error, Result,
    provider::{Authorization, Provider, ProviderError},
    token::{BrowserSecret, LoginState},
};

pub(crate) const PURPOSE: &str = "blegram external login v1";

/// How long a login may take: the user may have to find a password, or create an account at the provider.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// A path on the site, where the browser goes after a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath(String);

impl LocalPath {
    /// The largest number of bytes.
    pub const MAX_BYTES: usize = 512;

    /// Accepts a path, with a query and a fragment, that no browser takes for an address on another host.
    ///
    /// # Errors
    /// [`Violation::TooLong`] or [`Violation::InvalidCharacters`].
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        const EXPECTED: Violation =
            Violation::InvalidCharacters("must be a path on this site that begins with a single slash");
        if raw.len() > Self::MAX_BYTES {
            return Err(Violation::TooLong { max: Self::MAX_BYTES, unit: "bytes" });
        }
        // Browsers read a backslash as a slash and skip control characters.
        let is_plain = raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !raw.starts_with('/') || raw.starts_with("//") || !is_plain {
            return Err(EXPECTED);
        }
        let base = Url::parse("https://site.invalid").map_err(|_| EXPECTED)?;
        let joined = base.join(raw).map_err(|_| EXPECTED)?;
        if joined.origin() == base.origin() { Ok(Self(raw.to_owned())) } else { Err(EXPECTED) }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The start of a login.
#[derive(Debug, Clone)]
pub struct StartLogin {
    /// The provider.
    pub provider: ProviderId,
    /// Where the browser goes afterwards.
    pub redirect_to: Option<LocalPath>,
    /// The native app that logs in; `None` for a browser.
    pub app: Option<AppRequest>,
}

/// A login that has begun.
#[derive(Debug, Clone)]
pub struct StartedLogin {
    /// The address at the provider to which the browser goes.
    pub url: String,
    /// The end of the cookie's name.
    pub cookie_suffix: String,
    /// The value of the cookie.
    pub browser: BrowserSecret,
}

/// The secrets that are derived for one login.
struct Derived {
    nonce: String,
    code_verifier: String,
}

impl Auth {
    /// Begins a login with a provider.
    ///
    /// # Errors
    /// [`Error::ProviderNotFound`]; [`Error::ProviderUnavailable`]; [`Error::RedirectUriNotAllowed`].
    pub async fn start_login(&self, start: StartLogin) -> Result<StartedLogin> {
        if let Some(app) = &start.app
            && !self.app_redirect_uris.iter().any(|allowed| allowed.allows(&app.redirect_uri))
        {
            return Err(Error::RedirectUriNotAllowed);
        }
        let redirect_to = start.redirect_to.map(|path| path.0);
        self.begin(&start.provider, None, redirect_to, start.app).await
    }

    /// Begins a login, or with `session` the linking of an identity.
    pub(crate) async fn begin(
        &self,
        provider: &ProviderId,
        session: Option<SessionId>,
        redirect_to: Option<String>,
        app: Option<AppRequest>,
    ) -> Result<StartedLogin> {
        let provider = self.find_provider(provider)?;
        let (state, browser) = (LoginState::generate(), BrowserSecret::generate());
        let derived = self.derive(provider.id(), &state, &browser);
        let request = Authorization {
            state: state.expose().to_owned(),
            nonce: derived.nonce,
            code_challenge: challenge_of(&derived.code_verifier),
            redirect_uri: self.redirect_uri(provider.id()),
        };
        // First, so that a provider that is down leaves no row.
        let url = provider.authorize(&request).await.map_err(|error| unusable(provider, &error))?;
        let transaction = LoginTransaction {
            provider: provider.id().clone(),
            browser_hash: browser.hash(),
            session,
            redirect_to,
            app,
            expires_at: self.clock.now() + LIFETIME,
        };
        let tx = self.db.write().await?;
        login_transactions::insert(&tx, &state.hash(), &transaction).await?;
        tx.commit().await?;
        Ok(StartedLogin { url: url.into(), cookie_suffix: suffix(&state), browser })
    }

    pub(crate) fn find_provider(&self, id: &ProviderId) -> Result<&Provider> {
        self.providers.find(id).ok_or(Error::ProviderNotFound)
    }

    /// The address to which the provider sends the browser back. Each provider has its own, so that the response of one
    /// cannot be taken for that of another (RFC 9700, 4.4).
    fn redirect_uri(&self, provider: &ProviderId) -> String {
        format!("{}/api/v1/auth/{provider}/callback", self.site)
    }

    fn derive(&self, provider: &ProviderId, state: &LoginState, browser: &BrowserSecret) -> Derived {
        let secret = |label: &str| {
            let parts =
                [label.as_bytes(), provider.as_str().as_bytes(), &state.hash(), browser.expose().as_bytes()];
            URL_SAFE_NO_PAD.encode(self.login_key.mac(&parts).finalize().into_bytes())
        };
        Derived { nonce: secret("nonce "), code_verifier: secret("verifier ") }
    }
}

/// The end of the name of the cookie of the login with this `state`; `None` if it cannot have been issued.
pub fn cookie_suffix(state: &str) -> Option<String> {
    LoginState::parse(state).map(|state| suffix(&state))
}

fn suffix(state: &LoginState) -> String {
    state.hash()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The PKCE challenge of a verifier (RFC 7636, S256).
pub(crate) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Whether `challenge` can be a PKCE challenge: a SHA-256 hash in base64url.
pub fn is_challenge(challenge: &str) -> bool {
    challenge.len() == 43 && URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
}

/// Converts the error of a provider. The details are for the log only: they say nothing that a user can act on, and a
/// provider chose their words.
pub(crate) fn unusable(provider: &Provider, error: &ProviderError) -> Error {
    let id = provider.id().clone();
    tracing::warn!(provider = %id, error = error as &dyn std::error::Error, "a request to a login provider failed");
    match error {
        ProviderError::Unavailable(_) => Error::ProviderUnavailable(id),
        ProviderError::Rejected(_) => Error::ProviderRejected(id),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_on_the_site_are_accepted() {
        for good in ["/", "/home", "/a/b?c=d&e=%2F#f", "/@ann", "/a//b"] {
            assert_eq!(LocalPath::parse(good).unwrap().as_str(), good);
        }
        let long = format!("/{}", "a".repeat(512));
        for bad in [
            "",
            "home",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/ /evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/가을",
            &long,
        ] {
            assert!(LocalPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(&challenge) && !is_challenge("short") && !is_challenge(&"*".repeat(43)));
    }

    proptest! {
        #[test]
        fn accepted_path_stays_on_the_site(
            text in "[/\\\\.@:?#%a-z0-9 \t\n\r\u{0}가-]{0,40}|/(/|\\\\|[.]{2}|%2f|@|:|[a-z]){0,10}",
        ) {
            if let Ok(path) = LocalPath::parse(&text) {
                // As browsers resolve a `Location`.
                for base in ["https://site.example", "https://site.example/a/b?c#d", "https://site.example/a//b"] {
                    let joined = Url::parse(base).unwrap().join(path.as_str()).unwrap();
                    prop_assert_eq!(joined.origin().ascii_serialization(), "https://site.example");
                    prop_assert!(joined.username().is_empty() && joined.password().is_none());
                }
            }
        }
    }
}
