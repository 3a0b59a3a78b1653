//! Proof that a browser's request was meant: a token that another site's page cannot read. Needed only
//! by clients that send neither `Sec-Fetch-Site` nor `Origin`; see the API's `csrf.rs` for the rule.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::SessionId;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{Auth, token::random_bytes};

/// The key of the tokens: every node of a site has the same.
#[derive(Debug, Clone)]
pub struct CsrfKey(SecretSlice<u8>);

impl CsrfKey {
    /// The key made of a site's secret, of which it tells nothing.
    pub fn derive(secret: &[u8]) -> Self {
        Self(mac(secret, b"blegram csrf key v1").finalize().into_bytes().to_vec().into())
    }

    /// A key that ends with the process.
    pub fn generate() -> Self {
        Self::derive(&random_bytes())
    }

    /// A secret to derive a site's keys from: 256 bits from the operating system.
    pub fn random_secret() -> SecretSlice<u8> {
        random_bytes().to_vec().into()
    }

    // Bound to the session, so that a token which leaked is of no use to another.
    fn mac(&self, session: SessionId) -> Hmac<Sha256> {
        mac(self.0.expose_secret(), session.as_uuid().as_bytes())
    }
}

fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

impl Auth {
    /// The token that requests of `session` prove themselves with; the same until the session ends.
    pub fn csrf_token(&self, session: SessionId) -> String {
        URL_SAFE_NO_PAD.encode(self.csrf_key.mac(session).finalize().into_bytes())
    }

    /// Whether `token` is that of `session`; takes as long for every wrong one.
    pub fn is_csrf_token(&self, session: SessionId, token: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(token)
            .is_ok_and(|bytes| self.csrf_key.mac(session).verify_slice(&bytes).is_ok())
    }
}
