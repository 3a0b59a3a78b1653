//! The secret of a site, and the keys that are made of it. Every node of a site has the same.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::token::random_bytes;

/// The secret that a site's keys are made of, each for one purpose, none telling of another.
#[derive(Debug, Clone)]
pub struct SiteKey(SecretSlice<u8>);

impl SiteKey {
    /// The key of a site with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec().into())
    }

    /// A key that ends with the process.
    pub fn generate() -> Self {
        Self::new(&random_bytes())
    }

    /// A secret for a new site: 256 bits from the operating system.
    pub fn random_secret() -> SecretSlice<u8> {
        random_bytes().to_vec().into()
    }

    /// The key for `purpose`, for what is signed outside of this crate.
    pub fn secret(&self, purpose: &str) -> SecretSlice<u8> {
        self.derive(purpose).0
    }

    /// The key for `purpose`.
    pub(crate) fn derive(&self, purpose: &str) -> DerivedKey {
        let bytes: [u8; 32] =
            mac(self.0.expose_secret(), &[purpose.as_bytes()]).finalize().into_bytes().into();
        DerivedKey(bytes.to_vec().into())
    }
}

/// A key for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct DerivedKey(SecretSlice<u8>);

impl DerivedKey {
    /// HMAC-SHA256 of `parts`, one after the other.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        mac(self.0.expose_secret(), parts)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}
