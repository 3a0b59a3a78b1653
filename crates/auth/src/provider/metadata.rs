//! The discovery document and the signing keys of a provider, cached.
//!
//! Both are read when a login needs them, and again after [`MAX_AGE`]. A key id that is not among the keys makes them be
//! read again once, at most every [`KEY_INTERVAL`]: anyone can invent key ids. While the provider does not respond, what
//! was read before stays in use for [`MAX_STALE`].

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use serde_json::Value;
use url::Url;

use super::{ProviderError, egress::MAX_RESPONSE_BYTES, settings::Parts, wire};

/// The age at which metadata and keys are read again.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The age until which they are used if they cannot be read again.
const MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest interval between two reads of the keys for unknown key ids.
const KEY_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after a failure, so that logins do not keep a provider from recovering.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// The largest key set.
const MAX_KEYS_BYTES: usize = 64 * 1024;

/// The largest number of keys.
const MAX_KEYS: usize = 32;

/// The endpoints of a provider.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    jwks: Url,
    /// Whether the token endpoint supports `client_secret_basic`, the default.
    pub(super) supports_basic: bool,
    /// Whether every response names the issuer (RFC 9207).
    pub(super) names_issuer: bool,
}

/// Keys by which ID tokens are verified.
pub(super) type Keys = Arc<CoreJsonWebKeySet>;

/// A value with the time when it was read, by the monotonic clock.
#[derive(Debug, Clone)]
struct Read<T> {
    value: T,
    at: Duration,
}

#[derive(Debug)]
struct Cached<T>(RwLock<State<T>>);

#[derive(Debug)]
struct State<T> {
    read: Option<Read<T>>,
    failed: Option<(Duration, ProviderError)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(RwLock::new(State { read: None, failed: None }))
    }
}

impl<T: Clone> Cached<T> {
    /// The value if it is younger than `age`, or the failure of an attempt a moment ago.
    fn get(&self, age: Duration, now: Duration) -> Option<Result<T, ProviderError>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_younger = |at: Duration, age: Duration| now.saturating_sub(at) < age;
        let fresh = state.read.as_ref().filter(|read| is_younger(read.at, age));
        let failure = state.failed.as_ref().filter(|(at, _)| is_younger(*at, FAILURE_PAUSE));
        match (fresh, failure) {
            (Some(read), _) => Some(Ok(read.value.clone())),
            (None, Some((_, error))) => {
                let stale = state.read.as_ref().filter(|read| is_younger(read.at, MAX_STALE));
                Some(stale.map(|read| read.value.clone()).ok_or_else(|| error.clone()))
            }
            (None, None) => None,
        }
    }

    /// Stores the result of an attempt, and returns the value to use.
    fn store(&self, result: Result<T, ProviderError>, now: Duration) -> Result<T, ProviderError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(value) => {
                *state = State { read: Some(Read { value: value.clone(), at: now }), failed: None };
                Ok(value)
            }
            Err(error) => {
                state.failed = Some((now, error.clone()));
                let stale = state.read.as_ref().filter(|read| now.saturating_sub(read.at) < MAX_STALE);
                stale.map(|read| read.value.clone()).ok_or(error)
            }
        }
    }
}

/// The cached metadata and keys of one provider.
#[derive(Debug, Default)]
pub(super) struct MetadataCache {
    metadata: Cached<Arc<Metadata>>,
    keys: Cached<Keys>,
    /// One task reads at a time; the others wait for its result.
    reading: tokio::sync::Mutex<()>,
}

impl MetadataCache {
    pub(super) async fn metadata(&self, parts: &Parts) -> Result<Arc<Metadata>, ProviderError> {
        let now = || parts.clock.monotonic();
        if let Some(cached) = self.metadata.get(MAX_AGE, now()) {
            return cached;
        }
        let _reading = self.reading.lock().await;
        if let Some(cached) = self.metadata.get(MAX_AGE, now()) {
            return cached;
        }
        let read = discover(parts).await.map(Arc::new);
        self.metadata.store(read, now())
    }

    pub(super) async fn keys(&self, parts: &Parts) -> Result<Keys, ProviderError> {
        self.keys_younger_than(MAX_AGE, parts).await
    }

    /// The keys after one with an unknown id: read again, unless that was done a moment ago.
    pub(super) async fn newer_keys(&self, parts: &Parts) -> Result<Keys, ProviderError> {
        self.keys_younger_than(KEY_INTERVAL, parts).await
    }

    async fn keys_younger_than(&self, age: Duration, parts: &Parts) -> Result<Keys, ProviderError> {
        let metadata = self.metadata(parts).await?;
        let now = || parts.clock.monotonic();
        if let Some(cached) = self.keys.get(age, now()) {
            return cached;
        }
        let _reading = self.reading.lock().await;
        if let Some(cached) = self.keys.get(age, now()) {
            return cached;
        }
        let read = read_keys(parts, &metadata.jwks).await.map(Arc::new);
        self.keys.store(read, now())
    }
}

/// Reads the discovery document, or takes the known endpoints of a provider that has none. Configured endpoints win.
async fn discover(parts: &Parts) -> Result<Metadata, ProviderError> {
    let mut metadata = match parts.blueprint.endpoints {
        Some(endpoints) => Metadata {
            authorization: known(endpoints.authorization)?,
            token: known(endpoints.token)?,
            userinfo: endpoints.userinfo.map(known).transpose()?,
            jwks: known(endpoints.jwks.unwrap_or_default())?,
            supports_basic: false,
            names_issuer: false,
        },
        None => read_document(parts).await?,
    };
    let settings = &parts.settings;
    let replace = |endpoint: &mut Url, configured: &Option<Url>| {
        if let Some(configured) = configured {
            *endpoint = configured.clone();
        }
    };
    replace(&mut metadata.authorization, &settings.authorization_endpoint);
    replace(&mut metadata.token, &settings.token_endpoint);
    replace(&mut metadata.jwks, &settings.jwks_uri);
    let known_userinfo = parts.blueprint.userinfo_endpoint.map(known).transpose()?;
    metadata.userinfo = settings.userinfo_endpoint.clone().or(known_userinfo).or(metadata.userinfo);
    Ok(metadata)
}

async fn read_document(parts: &Parts) -> Result<Metadata, ProviderError> {
    let issuer = parts.issuer();
    let url = known(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    let answer = parts.egress.get(&parts.hosts, &url, None, MAX_RESPONSE_BYTES).await?;
    let document = wire::document(&answer, "its metadata")?;
    let flag = |name: &str| document.get(name).and_then(Value::as_bool).unwrap_or(false);
    let names_issuer = flag("authorization_response_iss_parameter_supported");
    let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let supports_basic =
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
    let parsed: CoreProviderMetadata = serde_json::from_value(document)
        .map_err(|error| ProviderError::rejected(format!("its metadata is malformed: {error}")))?;
    if parsed.issuer().as_str() != issuer {
        return Err(ProviderError::Rejected("its metadata names another issuer".to_owned()));
    }
    let token = parsed.token_endpoint().map(|endpoint| endpoint.url().clone());
    let token = token.or_else(|| parts.settings.token_endpoint.clone());
    Ok(Metadata {
        authorization: parsed.authorization_endpoint().url().clone(),
        token: token
            .ok_or_else(|| ProviderError::Rejected("its metadata names no token endpoint".to_owned()))?,
        userinfo: parsed.userinfo_endpoint().map(|endpoint| endpoint.url().clone()),
        jwks: parsed.jwks_uri().url().clone(),
        supports_basic,
        names_issuer,
    })
}

async fn read_keys(parts: &Parts, url: &Url) -> Result<CoreJsonWebKeySet, ProviderError> {
    let answer = parts.egress.get(&parts.hosts, url, None, MAX_KEYS_BYTES).await?;
    let document = wire::document(&answer, "its key set")?;
    let keys: CoreJsonWebKeySet = serde_json::from_value(document)
        .map_err(|_| ProviderError::Rejected("its key set is malformed".to_owned()))?;
    if keys.keys().len() > MAX_KEYS {
        return Err(ProviderError::Rejected(format!("its key set has more than {MAX_KEYS} keys")));
    }
    Ok(keys)
}

fn known(url: &str) -> Result<Url, ProviderError> {
    Url::parse(url).map_err(|error| ProviderError::Rejected(format!("{url}: {error}")))
}
