//! Access tokens of native apps: JWTs (RFC 9068) signed with ES256, valid for minutes. Each request still looks up the
//! session. Clients treat them as opaque; the public keys are published so that other services can verify them.

use std::time::Duration;

use blegram_domain::{SessionId, Timestamp, TokenId, UserId};
use jsonwebtoken::{Algorithm, Header, TokenData, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    signing_key::{Signer, Verifier},
};

/// The `typ` header (RFC 9068, 2.1): no other JWT that these keys might sign is accepted as an access token.
const TYPE: &str = "at+jwt";

/// More than any access token that this site issues.
const MAX_BYTES: usize = 2048;

/// An access token.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

/// The claims of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    pub(crate) token: TokenId,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// The claims on the wire.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
}

impl AccessToken {
    /// Signs `claims`, with `issuer` as issuer and audience.
    pub(crate) fn sign(claims: &Claims, issuer: &str, signer: &Signer) -> Result<Self> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(signer.id.clone());
        let payload = Payload {
            iss: issuer.to_owned(),
            aud: issuer.to_owned(),
            sub: claims.user.to_string(),
            sid: claims.session.to_string(),
            jti: claims.token.to_string(),
            iat: seconds(claims.issued_at),
            exp: seconds(claims.expires_at),
        };
        let token = jsonwebtoken::encode(&header, &payload, &signer.key).map_err(Error::signing)?;
        Ok(Self(token.into()))
    }

    /// The secret, for its owner only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The `kid` in the header of `token`; `None` if it cannot be one of our access tokens.
pub(crate) fn key_id(token: &str) -> Option<String> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    // A key that the token contains or points to proves nothing (RFC 8725, 3.10).
    let has_embedded_key = header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.crit.is_some();
    let is_ours = header.alg == Algorithm::ES256 && header.typ.as_deref().is_some_and(is_access_token);
    header.kid.filter(|_| is_ours && !has_embedded_key)
}

// RFC 9068, 4: also with the prefix `application/`, case-insensitive.
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == TYPE
}

/// The claims of `token`, if `verifier`'s key signed it for `issuer`. The caller checks the expiry.
pub(crate) fn verify(token: &str, issuer: &str, verifier: &Verifier) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[issuer]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    let TokenData { claims, .. } = jsonwebtoken::decode::<Payload>(token, &verifier.key, &validation).ok()?;
    Some(Claims {
        user: claims.sub.parse().ok()?,
        session: claims.sid.parse().ok()?,
        token: claims.jti.parse().ok()?,
        issued_at: instant(claims.iat)?,
        expires_at: instant(claims.exp)?,
    })
}

const SECOND: i64 = 1_000_000;

fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(SECOND)
}

fn instant(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.checked_mul(SECOND)?)
}

/// Whole seconds from one instant to another, as tokens express lifetimes.
pub(crate) fn lifetime(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(to.since(from).as_secs())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn key_id_in_header(header: &str) -> Option<String> {
        key_id(&format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header)))
    }

    // The header alone decides, whatever the signature: our keys may sign other things one day.
    #[test]
    fn key_id_is_read_from_access_token_headers_only() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            let header = format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"k"}}"#);
            assert_eq!(key_id_in_header(&header).as_deref(), Some("k"), "{typ}");
        }
        for other in [
            r#"{"alg":"ES256","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"JWT","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"logout+jwt","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"at+jwt"}"#,
            r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"ES384","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","jku":"https://evil.example"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","x5u":"https://evil.example"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","x5c":["AAAA"]}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","crit":["b64"]}"#,
        ] {
            assert_eq!(key_id_in_header(other), None, "{other}");
        }
    }
}
