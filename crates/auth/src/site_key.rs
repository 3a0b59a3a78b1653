//! The site's secret, and the keys derived from it. All nodes of a site share one secret.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, AeadCore, Payload},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{Error, Result, token::random_bytes};

/// The site's secret. Each derived key serves one purpose and reveals nothing about the others.
#[derive(Debug, Clone)]
pub struct SiteKey(SecretSlice<u8>);

impl SiteKey {
    /// Wraps a configured secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec().into())
    }

    /// Generates a random key, valid until the process ends.
    pub fn generate() -> Self {
        Self::new(&random_bytes())
    }

    /// Generates a secret for a new site: 256 random bits from the operating system.
    pub fn random_secret() -> SecretSlice<u8> {
        random_bytes().to_vec().into()
    }

    /// Derives the key for `purpose`, for signing outside this crate.
    pub fn secret(&self, purpose: &str) -> SecretSlice<u8> {
        self.derive(purpose).0
    }

    /// Derives the key for `purpose`.
    pub(crate) fn derive(&self, purpose: &str) -> DerivedKey {
        let bytes: [u8; 32] =
            mac(self.0.expose_secret(), &[purpose.as_bytes()]).finalize().into_bytes().into();
        DerivedKey(bytes.to_vec().into())
    }
}

/// A derived key for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct DerivedKey(SecretSlice<u8>);

impl DerivedKey {
    /// HMAC-SHA256 of the concatenated `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        mac(self.0.expose_secret(), parts)
    }

    /// Encrypts `secret`, so that only this key opens it, and only as that of `owner`: rows cannot be swapped.
    pub(crate) fn seal(&self, owner: &[u8], secret: &[u8]) -> Result<Vec<u8>> {
        let nonce = Aes256Gcm::generate_nonce(&mut p256::elliptic_curve::rand_core::OsRng);
        let payload = Payload { msg: secret, aad: owner };
        let sealed = self.cipher()?.encrypt(&nonce, payload).map_err(Error::signing)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`DerivedKey::seal`] encrypted for `owner`; `None` if another key or another owner did.
    pub(crate) fn open(&self, owner: &[u8], sealed: &[u8]) -> Option<SecretSlice<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(12)?;
        let payload = Payload { msg: sealed, aad: owner };
        Some(self.cipher().ok()?.decrypt(nonce.into(), payload).ok()?.into())
    }

    fn cipher(&self) -> Result<Aes256Gcm> {
        aes_gcm::KeyInit::new_from_slice(self.0.expose_secret()).map_err(Error::signing)
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}
