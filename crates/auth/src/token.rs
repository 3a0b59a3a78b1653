//! Secrets that clients hold. The database has only their SHA-256 (ASVS 6.5.2: enough for 256 random
//! bits), so whoever reads it cannot log in with what it holds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_persistence::sessions::TokenHash;
use rand::{TryRng, rngs::SysRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The secret of a browser's session: `bls_` and 256 random bits.
#[derive(Debug, Clone)]
pub struct SessionToken(SecretString);

/// Lets scanners of leaked secrets recognise it.
const PREFIX: &str = "bls_";

impl SessionToken {
    pub(crate) fn generate() -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes())).into())
    }

    /// Reads what a client sent; `None` for what no session ever had, which then costs no query.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned().into()))
    }

    pub(crate) fn hash(&self) -> TokenHash {
        Sha256::digest(self.expose()).into()
    }

    /// The secret, for its owner only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// 256 bits from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing secret can be made then.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_and_nothing_else_is() {
        let token = SessionToken::generate();
        assert_eq!(SessionToken::parse(token.expose()).unwrap().hash(), token.hash());
        for other in ["", "bls_", "bls_AAAA", "bls_*", &token.expose()[4..], &format!("{}A", token.expose())]
        {
            assert!(SessionToken::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        let token = SessionToken::generate();
        assert!(!format!("{token:?}").contains(token.expose()));
    }
}
