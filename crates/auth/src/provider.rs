//! Login providers: where users log in with an account that they have elsewhere.
//!
//! [`IdentityProvider`] is what a login needs of a provider. With the feature `providers`, [`Provider::new`] implements it
//! from [`settings::ProviderSettings`]: `oidc` for OpenID Connect, `oauth2` for OAuth 2.0 with an endpoint for profiles.
//! What distinguishes one provider from another is data: a blueprint in `blueprint`. Where a provider deviates from the
//! standards, `wire` normalises its responses, so that the verification of ID tokens stays strict.

#[cfg(feature = "providers")]
mod apple;
#[cfg(feature = "providers")]
mod blueprint;
#[cfg(feature = "providers")]
pub mod egress;
#[cfg(feature = "providers")]
mod metadata;
#[cfg(feature = "providers")]
mod notice;
#[cfg(feature = "providers")]
mod oauth2;
#[cfg(feature = "providers")]
mod oidc;
#[cfg(feature = "providers")]
mod profile;
#[cfg(feature = "providers")]
pub mod settings;
#[cfg(feature = "providers")]
mod unlink;
#[cfg(feature = "providers")]
mod wire;

use std::{collections::HashMap, fmt, pin::Pin, sync::Arc, time::Duration};

use blegram_domain::{EmailAddress, ProviderId};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use url::Url;

/// The result of a call to a provider.
pub type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// What a login needs of a provider.
pub trait IdentityProvider: Send + Sync {
    /// The address to which the browser is sent.
    fn authorize<'a>(&'a self, request: &'a Authorization) -> Outcome<'a, Url>;

    /// Exchanges the code of a callback, and verifies who logged in.
    fn complete<'a>(&'a self, callback: &'a Callback) -> Outcome<'a, ExternalIdentity>;

    /// Authenticates a notice that a user ended the link to the site at the provider. `None` if the provider sends none,
    /// or the site is not configured for them.
    fn read_notice(&self, notice: &Notice) -> Option<Result<NoticeSubject, ProviderError>>;

    /// Downloads a profile picture from the provider's hosts.
    fn picture<'a>(&'a self, url: &'a str) -> Outcome<'a, Vec<u8>>;

    /// Whether the site can end the link to a user at the provider. It stores no tokens of users, which most providers
    /// demand for that.
    fn can_unlink(&self) -> bool;

    /// Ends the link to the user `subject` at the provider. Succeeds if there is none.
    fn unlink<'a>(&'a self, subject: &'a str) -> Outcome<'a, ()>;
}

/// The secrets of a login, which go to the provider.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Identifies the login when the browser returns.
    pub state: String,
    /// Binds the ID token to the login.
    pub nonce: String,
    /// The PKCE challenge (RFC 7636, S256).
    pub code_challenge: String,
    /// Where the browser returns.
    pub redirect_uri: String,
}

/// The return of the browser, with the secrets of its login.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The authorization code.
    pub code: SecretString,
    /// The state of the login.
    pub state: String,
    /// The issuer that the response names (RFC 9207).
    pub issuer: Option<String>,
    /// The nonce of the login.
    pub nonce: String,
    /// The PKCE verifier of the login.
    pub code_verifier: SecretString,
    /// The redirect URI of the login.
    pub redirect_uri: String,
}

/// Who logged in at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// The provider's id of the user.
    pub subject: String,
    /// Another id of the same user, which the provider's notices contain.
    pub alternate_subject: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// The user's e-mail address.
    pub email: Option<ExternalEmail>,
    /// The address of the profile picture.
    pub picture: Option<String>,
}

/// An e-mail address that a provider reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalEmail {
    /// The address.
    pub address: EmailAddress,
    /// Whether the provider says that it verified the address, and is trusted to say so.
    pub is_verified: bool,
}

/// A request to the address for unlink notices.
#[derive(Debug, Clone, Default)]
pub struct Notice {
    /// The header `Authorization`.
    pub authorization: Option<SecretString>,
    /// The parameters of the query and the form.
    pub parameters: HashMap<String, String>,
}

/// The user of an authentic notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeSubject {
    /// The subject or the alternate subject of the identity.
    pub subject: String,
    /// The response that the provider expects.
    pub reply: NoticeReply,
}

/// The response to an unlink notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeReply {
    /// 200 without a body.
    Ok,
    /// 204.
    NoContent,
    /// 200 with the address of a status page, and a confirmation code.
    Confirmation,
}

/// Why a provider did not authenticate a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider does not respond, or says that it is in trouble.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// The provider rejected the login, or its response cannot be trusted.
    #[error("the response of the provider is rejected: {0}")]
    Rejected(String),
}

impl ProviderError {
    /// A rejection whose reason may contain text of the provider: without characters that would forge lines of the log.
    #[cfg(feature = "providers")]
    fn rejected(reason: impl fmt::Display) -> Self {
        const MAX_CHARS: usize = 300;
        let reason = reason.to_string();
        Self::Rejected(reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect())
    }
}

/// The time for all requests to a provider during one login: less than the deadline of a request to the site.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(8);

/// The number of logins that may wait for one provider at once, so that a slow one does not use up the site's memory and
/// connections.
const MAX_CONCURRENT: usize = 64;

/// A configured provider; cheap to clone.
#[derive(Clone)]
pub struct Provider {
    id: ProviderId,
    name: String,
    implementation: Arc<dyn IdentityProvider>,
    permits: Arc<Semaphore>,
}

impl Provider {
    /// A provider with an implementation of its own.
    pub fn custom(id: ProviderId, name: String, implementation: Arc<dyn IdentityProvider>) -> Self {
        Self { id, name, implementation, permits: Arc::new(Semaphore::new(MAX_CONCURRENT)) }
    }

    /// The id, which is part of paths and of the key of identities.
    pub const fn id(&self) -> &ProviderId {
        &self.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn authorize(&self, request: &Authorization) -> Result<Url, ProviderError> {
        self.in_time(self.implementation.authorize(request)).await
    }

    pub(crate) async fn complete(&self, callback: &Callback) -> Result<ExternalIdentity, ProviderError> {
        self.in_time(self.implementation.complete(callback)).await
    }

    pub(crate) async fn picture(&self, url: &str) -> Result<Vec<u8>, ProviderError> {
        self.in_time(self.implementation.picture(url)).await
    }

    pub(crate) fn can_unlink(&self) -> bool {
        self.implementation.can_unlink()
    }

    pub(crate) async fn unlink(&self, subject: &str) -> Result<(), ProviderError> {
        self.in_time(self.implementation.unlink(subject)).await
    }

    pub(crate) fn read_notice(&self, notice: &Notice) -> Option<Result<NoticeSubject, ProviderError>> {
        self.implementation.read_notice(notice)
    }

    async fn in_time<T>(&self, call: Outcome<'_, T>) -> Result<T, ProviderError> {
        let unavailable = |why: &str| ProviderError::Unavailable(why.to_owned());
        let _permit = self.permits.try_acquire().map_err(|_| unavailable("too many logins wait for it"))?;
        tokio::time::timeout(LOGIN_TIMEOUT, call).await.unwrap_or_else(|_| Err(unavailable("it is too slow")))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The providers of a site, in the order of its configuration; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Providers(Arc<[Provider]>);

impl Providers {
    /// Finds a provider.
    pub fn find(&self, id: &ProviderId) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.id == *id)
    }

    /// All providers.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }
}

impl FromIterator<Provider> for Providers {
    fn from_iter<I: IntoIterator<Item = Provider>>(providers: I) -> Self {
        Self(providers.into_iter().collect())
    }
}
