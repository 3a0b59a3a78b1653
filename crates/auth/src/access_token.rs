//! Access tokens of native apps: JWTs (RFC 9068) signed with ES256, valid for minutes. Each request still looks up the
//! session. Clients treat them as opaque; the public keys are published so that other services can verify them, by the
//! rules of `blegram_verifier`, which are also those of this crate.

use std::time::Duration;

use blegram_domain::Timestamp;
use blegram_verifier::token::{Payload, TYPE};
use jsonwebtoken::{Algorithm, Header};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use blegram_verifier::{Claims, token::key_id};

use crate::{Error, Result, signing_key::Signer};

/// An access token.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// Signs `claims`, with `issuer` as issuer and audience.
    pub(crate) fn sign(claims: &Claims, issuer: &str, signer: &Signer) -> Result<Self> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(signer.id.clone());
        let payload = Payload::new(claims, issuer);
        let token = jsonwebtoken::encode(&header, &payload, &signer.key).map_err(Error::signing)?;
        Ok(Self(token.into()))
    }

    /// The secret, for its owner only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Whole seconds from one instant to another, as tokens express lifetimes.
pub(crate) fn lifetime(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(to.since(from).as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Auth, Config, Device, EnteredPassword, LogIn, LoggedIn, Login, NewPassword, PasswordCost, Secret,
        SignUp,
    };
    use blegram_domain::{Clock, FixedClock, Username, session::Kind};
    use blegram_persistence::testing::{Backend, TestDatabase};

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
