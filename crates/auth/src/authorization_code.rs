//! Codes that native apps exchange for tokens after a login with another provider (RFC 8252). A code that another app
//! intercepts is useless: only the app that began the login has the PKCE verifier.

use std::time::Duration;

use blegram_domain::{Timestamp, session::Kind};
use blegram_persistence::{
    Tx, login_challenges,
    login_codes::{self, LoginCode, Outcome},
    pending_sign_ups, sessions, users,
};
use hmac::Mac;

use crate::{
    Auth, Device, Error, Event, LoggedIn, Login, LoginChallenge, PendingSignUp, Result,
    account::admit_status,
    audit,
    external_login::challenge_of,
    token::{NativeCode, PendingToken},
};

/// The lifetime of a code.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// How long a used code is recognized.
pub const RECOGNIZED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The exchange of a code.
#[derive(Debug, Clone)]
pub struct ExchangeCode {
    /// The code.
    pub code: String,
    /// The PKCE verifier of the app.
    pub code_verifier: String,
    /// The redirect URI that received the code.
    pub redirect_uri: String,
    /// The device of the app.
    pub device: Device,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub enum Exchanged {
    /// A session.
    LoggedIn(Box<LoggedIn>),
    /// The account has a second factor, which completes the login.
    Challenged(LoginChallenge),
    /// A sign-up that waits for a username.
    SignUpPending(PendingSignUp),
}

impl Auth {
    /// Exchanges a code. It is used once, even if the exchange fails. A second valid exchange ends what the first one
    /// opened: two clients have the code and the verifier, and one of them is not the app (RFC 6749, 4.1.2).
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] if the code is unknown, used or expired, or was issued for another redirect URI or
    /// verifier; [`Error::AccountSuspended`].
    pub async fn exchange_code(&self, exchange: ExchangeCode) -> Result<Exchanged> {
        let code = NativeCode::parse(&exchange.code).ok_or(Error::InvalidGrant)?;
        // Found without a transaction first, so that invented codes do not block SQLite's only writer.
        let found = login_codes::find(&self.db, &code.hash()).await?.ok_or(Error::InvalidGrant)?;
        // Before the transaction that opens the session, because the keys may have to be loaded or generated.
        self.keys.signer().await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        // The account before the code: a second exchange waits here until the first one has opened the session.
        let account = match found.outcome {
            Outcome::LogIn(user) => Some(users::lock(&tx, user).await?.ok_or(Error::InvalidGrant)?),
            Outcome::SignUp(_) => None,
        };
        let is_first = login_codes::consume(&tx, &code.hash(), now + RECOGNIZED_FOR).await?;
        let is_valid = (found.is_used || now < found.expires_at)
            && found.redirect_uri == exchange.redirect_uri
            && found.challenge == challenge_of(&exchange.code_verifier);
        if !is_valid {
            tx.commit().await?;
            return Err(Error::InvalidGrant);
        }
        if !is_first {
            return self.end_replayed_login(tx, &found, &code, now).await;
        }
        let Some(account) = account else {
            tx.commit().await?;
            let token = self.pending_token_of(&code);
            return self.pending_sign_up(token.expose()).await.map(Exchanged::SignUpPending);
        };
        if let Err(error) = admit_status(account.user.summary.status) {
            tx.commit().await?;
            return Err(match error {
                Error::InvalidCredentials => Error::InvalidGrant,
                other => other,
            });
        }
        let device = Device {
            kind: Kind::Native,
            provider: Some(found.provider),
            login_code: Some(code.hash()),
            ..exchange.device
        };
        let user = account.user.summary.id;
        Ok(match self.finish_authentication(tx, user, device, now).await? {
            Login::Complete(logged_in) => Exchanged::LoggedIn(logged_in),
            Login::Challenged(challenge) => Exchanged::Challenged(challenge),
        })
    }

    /// Ends everything that the first exchange of a code led to.
    async fn end_replayed_login(
        &self,
        tx: Tx,
        found: &LoginCode,
        code: &NativeCode,
        now: Timestamp,
    ) -> Result<Exchanged> {
        let opened_by = match found.outcome {
            Outcome::LogIn(_) => code.hash(),
            Outcome::SignUp(pending) => {
                pending_sign_ups::delete(&tx, &pending).await?;
                pending
            }
        };
        login_challenges::delete_of_login_code(&tx, &opened_by).await?;
        let ended = sessions::delete_of_login_code(&tx, &opened_by).await?;
        let mut recorded = Vec::new();
        for (_, user) in &ended {
            recorded.push(audit::record(&tx, audit::Kind::TokenReuse, *user, now).await?);
        }
        tx.commit().await?;
        self.publish(ended.into_iter().map(|(session, _)| Event::SessionEnded { session }));
        recorded.into_iter().for_each(audit::Recorded::log);
        Err(Error::InvalidGrant)
    }

    /// The token of the sign-up that a code stands for.
    pub(crate) fn pending_token_of(&self, code: &NativeCode) -> PendingToken {
        let mac = self.login_key.mac(&[b"pending ", code.expose().as_bytes()]);
        PendingToken::from_secret(&mac.finalize().into_bytes().into())
    }
}
