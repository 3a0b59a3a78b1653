//! Apple's client secret: a JSON Web Token that the site signs with a private key from Apple's console.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_domain::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{ProviderError, settings::ProviderSettings};

/// The lifetime of a client secret. Apple accepts six months; it is used at once.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The private key from Apple.
pub(super) struct AppleKey(EncodingKey);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    aud: &'static str,
    sub: &'a str,
}

impl AppleKey {
    /// Parses a private key in PEM (PKCS #8).
    pub(super) fn parse(pem: &SecretString) -> Option<Self> {
        let body: String = pem.expose_secret().lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
        // Validated here, because `EncodingKey` fails only when it signs.
        use p256::pkcs8::DecodePrivateKey;
        p256::SecretKey::from_pkcs8_der(&der).ok()?;
        Some(Self(EncodingKey::from_ec_der(&der)))
    }

    /// Makes a client secret.
    pub(super) fn client_secret(
        &self,
        settings: &ProviderSettings,
        audience: &'static str,
        now: Timestamp,
    ) -> Result<SecretString, ProviderError> {
        let header = Header { kid: settings.key_id.clone(), ..Header::new(Algorithm::ES256) };
        let seconds = |at: Timestamp| at.as_micros() / 1_000_000;
        let claims = Claims {
            iss: settings.team_id.as_deref().unwrap_or_default(),
            iat: seconds(now),
            exp: seconds(now + LIFETIME),
            aud: audience,
            sub: &settings.client_id,
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.0);
        token.map(SecretString::from).map_err(|error| ProviderError::Rejected(error.to_string()))
    }
}
