//! The checks of one token, without I/O: first its header, which names the key; then signature, issuer and audience; then
//! the times.

use std::{fmt, time::Duration};

use blegram_domain::{SessionId, Timestamp, TokenId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The `typ` header (RFC 9068, 2.1): no other JWT that the same keys might sign is accepted as an access token.
pub const TYPE: &str = "at+jwt";

/// More than any access token that a site issues.
const MAX_BYTES: usize = 2048;

/// How far the clock of another machine may be ahead.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The claims of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claims {
    /// The user (`sub`).
    pub user: UserId,
    /// The session (`sid`), the same for all tokens of one login.
    pub session: SessionId,
    /// The id of the token (`jti`).
    pub token: TokenId,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `nbf`, which sites do not set.
    pub not_before: Option<Timestamp>,
    /// `exp`.
    pub expires_at: Timestamp,
}

impl Claims {
    /// Checks the times: expiry exactly, the beginning with [`LEEWAY`].
    ///
    /// # Errors
    /// [`Error::Expired`], [`Error::NotYetValid`].
    pub fn check_times(&self, now: Timestamp) -> Result<(), Error> {
        let from = self.not_before.unwrap_or(self.issued_at).max(self.issued_at);
        if now >= self.expires_at {
            return Err(Error::Expired { at: self.expires_at });
        }
        if from > now + LEEWAY {
            return Err(Error::NotYetValid { from });
        }
        Ok(())
    }
}

/// The claims on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payload {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nbf: Option<i64>,
    exp: i64,
}

impl Payload {
    /// The claims as a site signs them: `issuer` is the audience, too.
    #[must_use]
    pub fn new(claims: &Claims, issuer: &str) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: issuer.to_owned(),
            sub: claims.user.to_string(),
            sid: claims.session.to_string(),
            jti: claims.token.to_string(),
            iat: seconds(claims.issued_at),
            nbf: claims.not_before.map(seconds),
            exp: seconds(claims.expires_at),
        }
    }

    fn parse(&self) -> Option<Claims> {
        Some(Claims {
            user: self.sub.parse().ok()?,
            session: self.sid.parse().ok()?,
            token: self.jti.parse().ok()?,
            issued_at: instant(self.iat)?,
            not_before: self.nbf.map(|nbf| instant(nbf).ok_or(())).transpose().ok()?,
            expires_at: instant(self.exp)?,
        })
    }
}

const SECOND: i64 = 1_000_000;

fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(SECOND)
}

fn instant(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.checked_mul(SECOND)?)
}

/// Checks the header of `token` and returns the id of its key.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Algorithm`], [`Error::Type`], [`Error::ForeignHeader`], [`Error::UnknownKey`].
pub fn key_id(token: &str) -> Result<String, Error> {
    if token.len() > MAX_BYTES {
        return Err(Error::Malformed);
    }
    // An algorithm that the library does not know, such as `none`, is malformed.
    let header = jsonwebtoken::decode_header(token).map_err(|_| Error::Malformed)?;
    if header.alg != Algorithm::ES256 {
        return Err(Error::Algorithm);
    }
    if !header.typ.as_deref().is_some_and(is_access_token) {
        return Err(Error::Type { found: header.typ });
    }
    let is_foreign = header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.crit.is_some();
    if is_foreign {
        return Err(Error::ForeignHeader);
    }
    header.kid.ok_or(Error::UnknownKey { id: None })
}

// RFC 9068, 4: also with the prefix `application/`, case-insensitive.
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == TYPE
}

/// A public key of a site.
#[derive(Clone)]
pub struct VerifyingKey(DecodingKey);

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// The key on the curve P-256 with these base64url coordinates, as in a JWK; `None` if they are not base64url.
    #[must_use]
    pub fn from_coordinates(x: &str, y: &str) -> Option<Self> {
        DecodingKey::from_ec_components(x, y).ok().map(Self)
    }

    /// The claims of `token`, if this key signed it for `issuer`, which is the audience, too. [`key_id`] checks the header
    /// before, [`Claims::check_times`] the times after.
    ///
    /// # Errors
    /// [`Error::Signature`], [`Error::Claims`], [`Error::Issuer`], [`Error::Audience`].
    pub fn verify(&self, token: &str, issuer: &str) -> Result<Claims, Error> {
        let mut validation = Validation::new(Algorithm::ES256);
        // Checked below, so that the error can name what was found.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let decoded = jsonwebtoken::decode::<Payload>(token, &self.0, &validation);
        let payload = decoded.map_err(|error| error_of(&error))?.claims;
        let expected = || issuer.to_owned();
        if payload.iss != issuer {
            return Err(Error::Issuer { expected: expected(), found: payload.iss });
        }
        if payload.aud != issuer {
            return Err(Error::Audience { expected: expected(), found: payload.aud });
        }
        payload.parse().ok_or_else(|| Error::Claims { reason: "an id or a time is malformed".to_owned() })
    }
}

fn error_of(error: &jsonwebtoken::errors::Error) -> Error {
    match error.kind() {
        ErrorKind::Json(json) => Error::Claims { reason: json.to_string() },
        ErrorKind::InvalidAlgorithm => Error::Algorithm,
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => Error::Malformed,
        // Also a point that is not on the curve: no signature of such a key is valid.
        _ => Error::Signature,
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header};
    use p256::pkcs8::EncodePrivateKey;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn of_header(header: &str) -> Result<String, Error> {
        key_id(&format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header)))
    }

    // The header alone decides, whatever the signature: the same keys may sign other things one day.
    #[test]
    fn key_id_is_read_from_access_token_headers_only() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            let header = format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"k"}}"#);
            assert_eq!(of_header(&header).as_deref(), Ok("k"), "{typ}");
        }
        let typed = |found: Option<&str>| Error::Type { found: found.map(ToOwned::to_owned) };
        for (header, error) in [
            (r#"{"alg":"ES256","kid":"k"}"#, typed(None)),
            (r#"{"alg":"ES256","typ":"JWT","kid":"k"}"#, typed(Some("JWT"))),
            (r#"{"alg":"ES256","typ":"logout+jwt","kid":"k"}"#, typed(Some("logout+jwt"))),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, Error::UnknownKey { id: None }),
            (r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#, Error::Malformed),
            (r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#, Error::Algorithm),
            (r#"{"alg":"ES384","typ":"at+jwt","kid":"k"}"#, Error::Algorithm),
            (
                r#"{"alg":"ES256","typ":"at+jwt","kid":"k","jku":"https://evil.example"}"#,
                Error::ForeignHeader,
            ),
            (
                r#"{"alg":"ES256","typ":"at+jwt","kid":"k","x5u":"https://evil.example"}"#,
                Error::ForeignHeader,
            ),
            (r#"{"alg":"ES256","typ":"at+jwt","kid":"k","x5c":["AAAA"]}"#, Error::ForeignHeader),
            (r#"{"alg":"ES256","typ":"at+jwt","kid":"k","crit":["b64"]}"#, Error::ForeignHeader),
        ] {
            assert_eq!(of_header(header), Err(error), "{header}");
        }
        assert_eq!(key_id(&"a".repeat(MAX_BYTES + 1)), Err(Error::Malformed));
    }

    const ISSUER: &str = "https://example.org";

    /// The outcome for a token that the right key signed, with one claim replaced.
    fn verify_with(claim: &str, value: Value) -> Result<Claims, Error> {
        let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let point = secret.public_key().to_sec1_bytes();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let id = "01a22932-6f57-7347-8329-59ef40d35278";
        let mut claims =
            json!({ "iss": ISSUER, "aud": ISSUER, "sub": id, "sid": id, "jti": id, "iat": 1, "exp": 2 });
        claims[claim] = value;
        let signer = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &signer).unwrap();
        VerifyingKey::from_coordinates(&x, &y).unwrap().verify(&token, ISSUER)
    }

    #[test]
    fn each_claim_is_checked_although_the_signature_is_right() {
        assert!(verify_with("more", json!(1)).is_ok(), "unknown claims are ignored");
        let (expected, found) = (ISSUER.to_owned(), "https://other.example".to_owned());
        let (issuer, audience) = (verify_with("iss", json!(found)), verify_with("aud", json!(found)));
        assert_eq!(issuer, Err(Error::Issuer { expected: expected.clone(), found: found.clone() }));
        assert_eq!(audience, Err(Error::Audience { expected, found }));
        for (claim, value) in [
            ("iss", Value::Null),
            ("aud", json!([ISSUER])),
            ("sub", json!("ann")),
            ("sub", Value::Null),
            ("sid", json!("")),
            ("jti", json!(7)),
            ("iat", json!("now")),
            ("nbf", json!(i64::MAX)),
            ("exp", Value::Null),
            ("exp", json!(i64::MAX)),
        ] {
            let outcome = verify_with(claim, value.clone());
            assert!(matches!(outcome, Err(Error::Claims { .. })), "{claim} = {value}: {outcome:?}");
        }
    }

    #[test]
    fn times_are_checked_to_the_second_and_with_a_leeway_at_the_beginning() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let second = Duration::from_secs(1);
        let claims = Claims {
            user: UserId::generate(now),
            session: SessionId::generate(now),
            token: TokenId::generate(now),
            issued_at: now,
            not_before: None,
            expires_at: now + 600 * second,
        };
        let check = |claims: Claims, now| claims.check_times(now);
        assert_eq!(check(claims, now + 599 * second), Ok(()));
        assert_eq!(check(claims, now + 600 * second), Err(Error::Expired { at: claims.expires_at }));
        assert_eq!(check(claims, now - LEEWAY), Ok(()));
        assert_eq!(check(claims, now - LEEWAY - second), Err(Error::NotYetValid { from: now }));
        let later = Claims { not_before: Some(now + 2 * LEEWAY), ..claims };
        assert_eq!(check(later, now), Err(Error::NotYetValid { from: now + 2 * LEEWAY }));
    }

    proptest! {
        #[test]
        fn key_id_of_any_text_does_not_panic(
            text in ".{0,300}",
            parts in "([A-Za-z0-9_-]{0,40}[.]?){0,5}",
            header in "\\{(\"(alg|typ|kid|jku|crit)\":(\"[a-zA-Z0-9+]{0,8}\"|null|[0-9]|\\[\\]),?){0,5}\\}",
        ) {
            prop_assert!(key_id(&text).is_err());
            prop_assert!(key_id(&parts).is_err());
            // At random, a header may be right but for its signature, which is not verified here.
            let _ = of_header(&header);
        }
    }
}
