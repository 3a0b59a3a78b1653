//! Secrets that clients hold. The database stores only their SHA-256 (ASVS 6.5.2: sufficient for 256 random bits), so
//! read access to it does not allow logging in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::MailId;
use blegram_persistence::sessions::TokenHash;
use hmac::Mac;
use rand::{TryRng, rngs::SysRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::site_key::DerivedKey;

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Lets secret scanners recognise a leaked token.
            const PREFIX: &str = $prefix;

            pub(crate) fn from_secret(secret: &[u8; 32]) -> Self {
                Self(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(secret)).into())
            }

            /// Parses a client's token; `None` if it cannot have been issued, which saves a query.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
                (bytes.len() == 32).then(|| Self(text.to_owned().into()))
            }

            pub(crate) fn hash(&self) -> TokenHash {
                hash(self.expose())
            }

            /// The secret, for its owner only.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }
    )*};
}

macro_rules! random {
    ($($name:ident)*) => {$(
        impl $name {
            pub(crate) fn generate() -> Self {
                Self::from_secret(&random_bytes())
            }
        }
    )*};
}

random! { SessionToken RefreshToken ChallengeToken GatewayTicket LoginState BrowserSecret NativeCode PendingToken }

secrets! {
    /// The secret of a browser's session: `bls_` and 256 random bits.
    SessionToken = "bls_";
    /// The single-use refresh token of a native app: `blr_` and 256 bits.
    RefreshToken = "blr_";
    /// The single-use token of a link in a mail: `ble_` and 256 bits.
    EmailToken = "ble_";
    /// The right to complete a login whose first step succeeded: `blc_` and 256 random bits.
    ChallengeToken = "blc_";
    /// A single-use ticket for a gateway connection: `blt_` and 256 random bits.
    GatewayTicket = "blt_";
    /// The parameter `state` of a login with another provider: `blx_` and 256 random bits.
    LoginState = "blx_";
    /// The secret in the cookie that binds such a login to a browser: `blb_` and 256 random bits.
    BrowserSecret = "blb_";
    /// The single-use code of a native app after such a login: `bln_` and 256 random bits.
    NativeCode = "bln_";
    /// The proof of a first login that waits for a username: `blp_` and 256 bits.
    PendingToken = "blp_";
}

impl RefreshToken {
    /// The successor of this token. It is deterministic, so that an app that lost the response gets it again, and can
    /// only be computed with both this token and the site's key.
    pub(crate) fn next(&self, key: &DerivedKey) -> Self {
        Self::from_secret(&key.mac(&[self.expose().as_bytes()]).finalize().into_bytes().into())
    }
}

impl EmailToken {
    /// The token in the mail `id`. It is deterministic, so that the queue does not have to store it, and can only be
    /// computed with the site's key.
    pub(crate) fn derive(id: MailId, key: &DerivedKey) -> Self {
        Self::from_secret(&key.mac(&[id.as_uuid().as_bytes()]).finalize().into_bytes().into())
    }
}

/// SHA-256 of a token.
pub(crate) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// Generates 256 random bits with the operating system.
///
/// # Panics
/// If the operating system provides no randomness: then no secret can be generated.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system provides randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SiteKey;

    #[test]
    fn token_parsing_accepts_issued_tokens_only() {
        let token = SessionToken::generate();
        assert_eq!(SessionToken::parse(token.expose()).unwrap().hash(), token.hash());
        for other in ["", "bls_", "bls_AAAA", "bls_*", &token.expose()[4..], &format!("{}A", token.expose())]
        {
            assert!(SessionToken::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn refresh_token_successor_depends_on_the_site_key() {
        let key = |secret| SiteKey::new(secret).derive("refresh");
        let token = RefreshToken::generate();
        let next = token.next(&key(b"ours"));
        assert_eq!(token.next(&key(b"ours")).expose(), next.expose());
        assert_eq!(RefreshToken::parse(next.expose()).unwrap().hash(), next.hash());
        assert_ne!(token.next(&key(b"theirs")).expose(), next.expose());
        assert_ne!(next.next(&key(b"ours")).expose(), next.expose());
    }

    #[test]
    fn token_debug_output_hides_the_secret() {
        let token = SessionToken::generate();
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    proptest! {
        #[test]
        fn token_has_one_spelling(
            text in ".{0,80}",
            like in "(bls_)?[A-Za-z0-9_=+/ -]{40,46}",
            bytes in proptest::collection::vec(any::<u8>(), 30..36),
        ) {
            let encoded = format!("{}{}", SessionToken::PREFIX, URL_SAFE_NO_PAD.encode(bytes));
            for text in &[text, like, encoded] {
                if let Some(token) = SessionToken::parse(text) {
                    let secret = URL_SAFE_NO_PAD.decode(&text[SessionToken::PREFIX.len()..]).unwrap();
                    let secret: [u8; 32] = secret.try_into().unwrap();
                    let issued = SessionToken::from_secret(&secret);
                    prop_assert_eq!(issued.expose(), text);
                    prop_assert_eq!(token.hash(), hash(text));
                }
                // A token of one kind is none of another.
                prop_assert!(!(SessionToken::parse(text).is_some() && RefreshToken::parse(text).is_some()));
            }
        }
    }
}
