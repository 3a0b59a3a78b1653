//! Codes that native apps exchange for tokens after a login with another provider (RFC 8252). A code that another app
//! intercepts is useless: only the app that began the login has the PKCE verifier.

use std::time::Duration;

use blegram_domain::session::Kind;
use blegram_persistence::{
    login_codes::{self, LoginCode, Outcome},
    users,
};
use hmac::Mac;

use crate::{
    Auth, Device, Error, LoggedIn, Login, LoginChallenge, PendingSignUp, Result,
    account::admit_status,
    external_login::challenge_of,
    token::{NativeCode, PendingToken},
};

/// The lifetime of a code.
pub const LIFETIME: Duration = Duration::from_secs(60);

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
    /// Exchanges a code. It is used once, even if the exchange fails.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] if the code is unknown, used or expired, or was issued for another redirect URI or
    /// verifier; [`Error::AccountSuspended`].
    pub async fn exchange_code(&self, exchange: ExchangeCode) -> Result<Exchanged> {
        let code = NativeCode::parse(&exchange.code).ok_or(Error::InvalidGrant)?;
        // Checked without a transaction first, so that invented codes do not block SQLite's only writer.
        if !login_codes::exists(&self.db, &code.hash()).await? {
            return Err(Error::InvalidGrant);
        }
        // Before the transaction that opens the session, because the keys may have to be loaded or generated.
        self.keys.signer().await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let found = login_codes::delete(&tx, &code.hash()).await?;
        tx.commit().await?;
        let is_valid = |found: &LoginCode| {
            let is_ours = found.redirect_uri == exchange.redirect_uri;
            now < found.expires_at && is_ours && found.challenge == challenge_of(&exchange.code_verifier)
        };
        let found = found.filter(is_valid).ok_or(Error::InvalidGrant)?;
        let user = match found.outcome {
            Outcome::LogIn(user) => user,
            Outcome::SignUp(_) => {
                let token = self.pending_token_of(&code);
                return self.pending_sign_up(token.expose()).await.map(Exchanged::SignUpPending);
            }
        };
        let tx = self.db.write().await?;
        let account = users::lock(&tx, user).await?.ok_or(Error::InvalidGrant)?;
        admit_status(account.user.summary.status).map_err(|error| match error {
            Error::InvalidCredentials => Error::InvalidGrant,
            other => other,
        })?;
        let device = Device { kind: Kind::Native, provider: Some(found.provider), ..exchange.device };
        Ok(match self.finish_authentication(tx, user, device, now).await? {
            Login::Complete(logged_in) => Exchanged::LoggedIn(logged_in),
            Login::Challenged(challenge) => Exchanged::Challenged(challenge),
        })
    }

    /// The token of the sign-up that a code stands for.
    pub(crate) fn pending_token_of(&self, code: &NativeCode) -> PendingToken {
        let mac = self.login_key.mac(&[b"pending ", code.expose().as_bytes()]);
        PendingToken::from_secret(&mac.finalize().into_bytes().into())
    }
}
