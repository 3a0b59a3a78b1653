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
    /// `nbf`, which this site does not set.
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
}

/// How far another node's clock may be ahead.
const LEEWAY: Duration = Duration::from_secs(60);

impl Claims {
    /// Whether the token is valid at `now`: neither expired, nor issued or valid from a time in the future.
    pub(crate) fn are_current(&self, now: Timestamp) -> bool {
        let starts = self.not_before.unwrap_or(self.issued_at).max(self.issued_at);
        now < self.expires_at && starts <= now + LEEWAY
    }
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
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nbf: Option<i64>,
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
            nbf: claims.not_before.map(seconds),
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

/// The claims of `token`, if `verifier`'s key signed it for `issuer`. The caller checks the times.
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
        not_before: claims.nbf.map(|nbf| instant(nbf).ok_or(())).transpose().ok()?,
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
    use std::sync::Arc;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use blegram_domain::{Clock, FixedClock, Username, session::Kind};
    use blegram_persistence::testing::{Backend, TestDatabase};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Auth, Config, Device, EnteredPassword, LogIn, LoggedIn, Login, NewPassword, PasswordCost, Secret,
        SignUp,
    };

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

    proptest! {
        #[test]
        fn key_id_of_any_text_does_not_panic(
            text in ".{0,300}",
            parts in "([A-Za-z0-9_-]{0,40}[.]?){0,5}",
            header in "\\{(\"(alg|typ|kid|jku|crit)\":(\"[a-zA-Z0-9+]{0,8}\"|null|[0-9]|\\[\\]),?){0,5}\\}",
        ) {
            prop_assert_eq!(key_id(&text), None);
            prop_assert_eq!(key_id(&parts), None);
            // At random, a header may be right but for its signature, which is not verified here.
            key_id_in_header(&header);
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// A site with two native sessions of one user, whose keys sign any claims.
    struct Site {
        _database: TestDatabase,
        clock: Arc<FixedClock>,
        auth: Auth,
        claims: [Claims; 2],
    }

    impl Site {
        async fn new() -> Self {
            let database = TestDatabase::new(Backend::Sqlite).await;
            let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
            let time = Arc::clone(&clock) as Arc<dyn Clock>;
            let password_cost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };
            let config = Config { password_cost, ..Config::default() };
            let auth = Auth::new(database.db().clone(), time, config).unwrap();
            let device = Device { kind: Kind::Native, ..Device::default() };
            let (username, password) = ("ann", "small room with a sea view");
            let sign_up = SignUp {
                username: Username::parse(username).unwrap(),
                password: NewPassword::parse(password, &[]).unwrap(),
                display_name: None,
                email: None,
                device: device.clone(),
            };
            let log_in = LogIn {
                login: username.to_owned(),
                password: EnteredPassword::parse(password).unwrap(),
                device,
            };
            let first = auth.sign_up(sign_up).await.unwrap();
            let Login::Complete(second) = auth.log_in(log_in).await.unwrap() else {
                panic!("expected no second factor")
            };
            let logged_in = [first, *second];
            let mut claims = Vec::new();
            for LoggedIn { secret, .. } in logged_in {
                let Secret::Native(tokens) = secret else { panic!("expected a native session") };
                claims.push(auth.keys.verify(tokens.access_token.expose()).await.unwrap().unwrap());
            }
            Self { _database: database, clock, auth, claims: claims.try_into().unwrap() }
        }

        async fn accepts(&self, claims: Claims) -> bool {
            let token = self.auth.keys.sign(&claims).await.unwrap();
            self.auth.authenticate_bearer(token.expose()).await.unwrap().is_some()
        }
    }

    #[tokio::test]
    async fn tokens_from_the_future_are_rejected_beyond_the_leeway() {
        let site = Site::new().await;
        let [claims, _] = site.claims;
        let now = site.clock.now();
        for (ahead, is_accepted) in [(MINUTE, true), (2 * MINUTE, false)] {
            assert_eq!(site.accepts(Claims { issued_at: now + ahead, ..claims }).await, is_accepted);
            assert_eq!(site.accepts(Claims { not_before: Some(now + ahead), ..claims }).await, is_accepted);
        }
        assert!(site.accepts(Claims { not_before: Some(now - MINUTE), ..claims }).await);
        // Also of a token whose signature was verified before.
        site.clock.step_wall(now - 2 * MINUTE);
        assert!(!site.accepts(claims).await);
    }

    /// While the session of a token's id is cached, as after a request.
    #[tokio::test]
    async fn token_must_name_the_session_of_its_id() {
        let site = Site::new().await;
        let [one, other] = site.claims;
        assert!(site.accepts(one).await);
        assert!(!site.accepts(Claims { session: other.session, ..one }).await);
        assert!(site.accepts(one).await && site.accepts(other).await);
    }
}
