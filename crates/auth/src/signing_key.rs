//! The signing keys of access tokens: stored in the database, so that every node verifies what any node signed. The
//! private keys are encrypted with a key derived from the site key, so that read access to the database does not allow
//! signing.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{Clock, Timestamp};
use blegram_persistence::{Db, signing_keys as rows};
use blegram_verifier::VerifyingKey;
use jsonwebtoken::EncodingKey;
use p256::pkcs8::EncodePrivateKey;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    access_token::{self, Claims},
    site_key::DerivedKey,
    token::random_bytes,
};

pub(crate) const PURPOSE: &str = "blegram signing key seal v1";

/// How long a new key is published before it signs, because clients may cache the key set.
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(60 * 60);

/// How long a key is kept after its successor started to sign: longer than any token that it signed is valid.
pub const RETENTION_AFTER_SUCCESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// The age at which a node reloads its keys: short enough to load a new key before it signs.
const RELOAD_AFTER: Duration = Duration::from_secs(10 * 60);

/// The minimum interval between reloads for unknown key ids, because anyone can invent key ids.
const UNKNOWN_KEY_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// A private key with its id.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) key: EncodingKey,
}

/// A public key in the published key set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The `kid`.
    pub id: String,
    /// The x coordinate, base64url.
    pub x: String,
    /// The y coordinate, base64url.
    pub y: String,
}

#[derive(Debug)]
struct CachedKey {
    public: PublicKey,
    signs_from: Timestamp,
    /// `None` if it was encrypted with another site's key.
    signer: Option<Arc<Signer>>,
    verifier: Arc<VerifyingKey>,
}

#[derive(Debug, Default)]
struct CachedKeys {
    keys: Vec<CachedKey>,
    /// By the monotonic clock.
    loaded_at: Option<Duration>,
}

/// The keys of a site.
pub(crate) struct Keyring {
    db: Db,
    clock: Arc<dyn Clock>,
    seal: DerivedKey,
    issuer: String,
    cached: RwLock<Arc<CachedKeys>>,
    /// Only one task loads or generates keys at a time; the others wait for its result.
    loading: tokio::sync::Mutex<()>,
}

impl Keyring {
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, seal: DerivedKey, issuer: String) -> Self {
        let (cached, loading) = (RwLock::default(), tokio::sync::Mutex::new(()));
        Self { db, clock, seal, issuer, cached, loading }
    }

    pub(crate) async fn sign(&self, claims: &Claims) -> Result<access_token::AccessToken> {
        let signer = self.signer().await?;
        access_token::AccessToken::sign(claims, &self.issuer, &signer)
    }

    /// The claims of `token`, if one of the keys signed it.
    pub(crate) async fn verify(&self, token: &str) -> Result<Option<Claims>> {
        let Ok(id) = access_token::key_id(token) else { return Ok(None) };
        let key = self.verifier(&id).await?;
        let claims = key.map(|key| key.verify(token, &self.issuer));
        if let Some(Err(error)) = &claims {
            tracing::debug!(%error, "an access token with a known key is rejected");
        }
        Ok(claims.and_then(Result::ok))
    }

    /// All public keys, newest first.
    pub(crate) async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        // Generates a key if there is none, because clients would cache an empty key set.
        self.signer().await?;
        Ok(self.cached().keys.iter().map(|key| key.public.clone()).collect())
    }

    /// The current signing key; generated if there is none.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>> {
        let now = self.clock.now();
        if let Some(signer) = self.fresh_signer(now) {
            return Ok(signer);
        }
        let _loading = self.loading.lock().await;
        if let Some(signer) = self.fresh_signer(now) {
            return Ok(signer);
        }
        self.load().await?;
        if let Some(signer) = self.fresh_signer(now) {
            return Ok(signer);
        }
        let is_missing = |keys: &[rows::SigningKey]| {
            !keys.iter().any(|key| key.signs_from <= now && self.open(key).is_some())
        };
        self.generate(now, now, is_missing).await?;
        self.load().await?;
        self.fresh_signer(now).ok_or_else(|| Error::Signing("the new signing key was not found".to_owned()))
    }

    /// The newest key that may sign, if the loaded keys are recent enough.
    fn fresh_signer(&self, now: Timestamp) -> Option<Arc<Signer>> {
        let cached = self.cached();
        cached.signer(now).filter(|_| cached.is_younger_than(RELOAD_AFTER, self.clock.monotonic()))
    }

    async fn verifier(&self, id: &str) -> Result<Option<Arc<VerifyingKey>>> {
        let cached = self.cached();
        if let Some(verifier) = cached.verifier(id) {
            return Ok(Some(verifier));
        }
        let _loading = self.loading.lock().await;
        let is_recent = self.cached().is_younger_than(UNKNOWN_KEY_RELOAD_INTERVAL, self.clock.monotonic());
        if !is_recent {
            self.load().await?;
        }
        Ok(self.cached().verifier(id))
    }

    /// Generates the next key if the newest is older than `period`. Generates the first key, too: if only the first
    /// login did, other nodes would not have loaded it yet.
    pub(crate) async fn rotate(&self, period: Duration) -> Result<()> {
        let now = self.clock.now();
        self.signer().await?;
        // A key created by a clock that was ahead must not delay the next one.
        let is_due = |keys: &[rows::SigningKey]| {
            let created = keys.iter().map(|key| key.created_at).filter(|created| *created <= now);
            created.max().is_some_and(|created| now.since(created) >= period)
        };
        let keys = rows::list(&self.db).await?;
        if is_due(&keys) {
            self.generate(now, now + PUBLISH_AHEAD, is_due).await?;
        }
        let _loading = self.loading.lock().await;
        self.load().await
    }

    /// Deletes the keys that no valid token needs at `now`.
    pub(crate) async fn delete_expired(&self, now: Timestamp) -> Result<()> {
        let ids = expired(&rows::list(&self.db).await?, now);
        if ids.is_empty() {
            return Ok(());
        }
        let tx = self.db.write().await?;
        rows::delete(&tx, &ids).await?;
        tx.commit().await?;
        let _loading = self.loading.lock().await;
        self.load().await
    }

    /// Generates a key if `is_due` still holds while the lock excludes other nodes.
    async fn generate(
        &self,
        now: Timestamp,
        signs_from: Timestamp,
        is_due: impl Fn(&[rows::SigningKey]) -> bool + Send + Sync,
    ) -> Result<()> {
        let key = self.new_key(now, signs_from)?;
        let tx = self.db.write().await?;
        rows::lock(&tx).await?;
        if is_due(&rows::list(&tx).await?) {
            rows::insert(&tx, key).await?;
        }
        // Also without a change: the key that makes this one unnecessary may not be committed yet.
        Ok(tx.commit().await?)
    }

    async fn load(&self) -> Result<()> {
        let now = self.clock.monotonic();
        let keys = rows::list(&self.db).await?.into_iter().filter_map(|row| self.key(row)).collect();
        let cached = Arc::new(CachedKeys { keys, loaded_at: Some(now) });
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = cached;
        Ok(())
    }

    fn cached(&self) -> Arc<CachedKeys> {
        Arc::clone(&self.cached.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn key(&self, row: rows::SigningKey) -> Option<CachedKey> {
        let (x, y) = coordinates(&row.public_key)?;
        let verifier = Arc::new(VerifyingKey::from_coordinates(&x, &y)?);
        let signer = self.open(&row).map(|key| Arc::new(Signer { id: row.id.clone(), key }));
        if signer.is_none() {
            tracing::warn!(kid = row.id, "secrets.key cannot decrypt this signing key; it only verifies");
        }
        Some(CachedKey {
            public: PublicKey { id: row.id, x, y },
            signs_from: row.signs_from,
            signer,
            verifier,
        })
    }

    fn new_key(&self, created_at: Timestamp, signs_from: Timestamp) -> Result<rows::SigningKey> {
        let secret = new_secret()?;
        let public_key = secret.public_key().to_sec1_bytes().into_vec();
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(&public_key)[..16]);
        let der = secret.to_pkcs8_der().map_err(Error::signing)?;
        let sealed_key = self.seal.seal(id.as_bytes(), der.as_bytes())?;
        Ok(rows::SigningKey { id, public_key, sealed_key, created_at, signs_from })
    }

    fn open(&self, row: &rows::SigningKey) -> Option<EncodingKey> {
        let der = self.seal.open(row.id.as_bytes(), &row.sealed_key)?;
        Some(EncodingKey::from_ec_der(der.expose_secret()))
    }
}

impl CachedKeys {
    fn signer(&self, now: Timestamp) -> Option<Arc<Signer>> {
        let usable = self.keys.iter().filter(|key| key.signs_from <= now);
        let newest = usable.filter(|key| key.signer.is_some()).max_by_key(|key| key.signs_from);
        newest?.signer.clone()
    }

    fn verifier(&self, id: &str) -> Option<Arc<VerifyingKey>> {
        self.keys.iter().find(|key| key.public.id == id).map(|key| Arc::clone(&key.verifier))
    }

    fn is_younger_than(&self, age: Duration, now: Duration) -> bool {
        self.loaded_at.is_some_and(|loaded_at| now.saturating_sub(loaded_at) < age)
    }
}

/// The keys whose successor has signed for so long that all their tokens have expired.
fn expired(keys: &[rows::SigningKey], now: Timestamp) -> Vec<String> {
    let latest = now - RETENTION_AFTER_SUCCESSION;
    let Some(successor_from) = keys.iter().map(|key| key.signs_from).filter(|from| *from <= latest).max()
    else {
        return Vec::new();
    };
    keys.iter().filter(|key| key.signs_from < successor_from).map(|key| key.id.clone()).collect()
}

// Almost every random 256-bit value is a valid key; if one is not, the next one is tried.
fn new_secret() -> Result<p256::SecretKey> {
    let tries = std::iter::repeat_with(random_bytes).take(8);
    let mut keys = tries.filter_map(|bytes| p256::SecretKey::from_slice(&bytes).ok());
    keys.next().ok_or_else(|| Error::Signing("no key could be generated".to_owned()))
}

/// The coordinates of an uncompressed point (SEC 1, 2.3.3), base64url-encoded for a JWK.
fn coordinates(point: &[u8]) -> Option<(String, String)> {
    let halves = point.strip_prefix(&[4]).filter(|halves| halves.len() == 64)?;
    let (x, y) = halves.split_at(32);
    Some((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}
