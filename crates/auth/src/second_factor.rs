//! The second step of a login.
//!
//! Every way to log in ends in `Auth::finish_authentication`: it opens the session, or returns a challenge if the
//! account has a second factor. A challenge is a secret of the client that took the first step. It is valid for a few
//! minutes and attempts, it is consumed by its completion, and it reveals nothing but which methods complete it.

use std::time::Duration;

use blegram_domain::{
    FactorId, Timestamp, UserId, Violation,
    factor::{LoginMethod, login_methods},
    session::Kind,
};
use blegram_limits::{AccountName, Policy};
use blegram_persistence::{
    Conn, Tx, factors,
    login_challenges::{self, LoginChallenge as Row},
    recovery_codes,
    sessions::TokenHash,
    users,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Auth, ChallengeToken, Device, Error, LoggedIn, PasskeyResponse, Result, account::admit_status, audit,
    passkey::purpose_of, recovery_code::parse_hash,
};

/// How long a login can be completed after its first step.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The number of attempts to complete a login.
pub const MAX_ATTEMPTS: i32 = 5;

/// The result of the first step of a login.
#[derive(Debug, Clone)]
pub enum Login {
    /// The account has no second factor.
    Complete(Box<LoggedIn>),
    /// The second step is missing.
    Challenged(LoginChallenge),
}

/// A login whose second step is missing.
#[derive(Debug, Clone)]
pub struct LoginChallenge {
    /// The client's proof of the first step.
    pub token: ChallengeToken,
    /// The methods that complete the login.
    pub methods: Vec<LoginMethod>,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// The second step of a login.
#[derive(Debug, Clone)]
pub struct CompleteLogin {
    /// The token of the challenge.
    pub challenge: String,
    /// The second factor.
    pub proof: Proof,
    /// The type of client that must have taken the first step; `None` for any.
    pub client: Option<Kind>,
    /// The device. The first step decides its kind and its name.
    pub device: Device,
}

/// A code as a person typed it; only its size is limited.
#[derive(Debug, Clone)]
pub struct EnteredCode(SecretString);

impl EnteredCode {
    /// The largest number of bytes: more than any code has with separators.
    pub const MAX_BYTES: usize = 100;

    /// Wraps `raw`.
    ///
    /// # Errors
    /// [`Violation::TooLong`].
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        if raw.len() > Self::MAX_BYTES {
            return Err(Violation::TooLong { max: Self::MAX_BYTES, unit: "bytes" });
        }
        Ok(Self(raw.to_owned().into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A second factor, as a client presents it.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A code of an authenticator app.
    Totp(EnteredCode),
    /// A recovery code.
    RecoveryCode(EnteredCode),
    /// A passkey.
    Passkey(PasskeyResponse),
}

impl From<EnteredCode> for Proof {
    /// Tells the two kinds of code apart: one of an app has only digits, and is shorter than any recovery code.
    fn from(code: EnteredCode) -> Self {
        let typed = code.expose();
        let is_totp = typed.len() < 16 && typed.chars().all(|c| c.is_ascii_digit() || c.is_whitespace());
        if is_totp { Self::Totp(code) } else { Self::RecoveryCode(code) }
    }
}

/// A second factor that is right unless it was used before.
#[derive(Debug)]
pub(crate) enum Verified {
    Totp(FactorId, i64),
    RecoveryCode(TokenHash),
    /// With the state of the credential that was verified, and the new one.
    Passkey {
        id: FactorId,
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

impl Verified {
    /// The entry of the audit log about its use: after a recovery code, the owner may have lost the other factors, or the
    /// codes.
    pub(crate) const fn audit_kind(&self) -> Option<audit::Kind> {
        match self {
            Self::Totp(..) | Self::Passkey { .. } => None,
            Self::RecoveryCode(_) => Some(audit::Kind::RecoveryCodeUsed),
        }
    }
}

impl Auth {
    /// Ends the first step of a login, in the transaction that has locked the account and found it active: opens a
    /// session, or returns a challenge if the account has a second factor.
    pub(crate) async fn finish_authentication(
        &self,
        tx: Tx,
        user: UserId,
        device: Device,
        now: Timestamp,
    ) -> Result<Login> {
        let methods = self.login_methods(&tx, user).await?;
        if methods.is_empty() {
            let logged_in = self.open_session(tx, user, device, &[audit::Kind::LoginSuccess], now).await?;
            return Ok(Login::Complete(Box::new(logged_in)));
        }
        let (token, expires_at) = (ChallengeToken::generate(), now + LIFETIME);
        let Device { kind, name: device_name, provider, login_code, .. } = device;
        let row = Row { user, kind, device_name, provider, attempts: 0, expires_at, login_code };
        login_challenges::insert(&tx, &token.hash(), row).await?;
        tx.commit().await?;
        Ok(Login::Challenged(LoginChallenge { token, methods, expires_at }))
    }

    /// Completes a login with a second factor. Of any number of concurrent calls with one challenge or one code, one
    /// succeeds.
    ///
    /// # Errors
    /// [`Error::LoginChallengeInvalid`]; [`Error::SecondFactorInvalid`]; [`Error::AccountSuspended`];
    /// [`Error::RateLimited`] per account.
    pub async fn complete_login(&self, complete: CompleteLogin) -> Result<LoggedIn> {
        let CompleteLogin { challenge, proof, client, device } = complete;
        let token = ChallengeToken::parse(&challenge).ok_or(Error::LoginChallengeInvalid)?;
        let found = self.find_challenge(&token.hash()).await?;
        if client.is_some_and(|kind| kind != found.kind) {
            return Err(Error::LoginChallengeInvalid);
        }
        let address = device.address();
        self.limit_completions(found.user, &device).await?;
        self.count_attempt(&token.hash()).await?;
        let failed = || {
            audit::second_factor_failed(found.user, address);
            Error::SecondFactorInvalid
        };
        let verified = self.verify_proof(found.user, proof, Some(token.hash())).await?.ok_or_else(failed)?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, found.user).await?.ok_or(Error::LoginChallengeInvalid)?;
        admit_status(account.user.summary.status)?;
        if !login_challenges::delete(&tx, &token.hash()).await? {
            return Err(Error::LoginChallengeInvalid);
        }
        if !consume(&tx, found.user, &verified, now).await? {
            return Err(failed());
        }
        let device = Device {
            kind: found.kind,
            name: found.device_name,
            provider: found.provider,
            login_code: found.login_code,
            ..device
        };
        let causes: Vec<_> = verified.audit_kind().into_iter().chain([audit::Kind::LoginSuccess]).collect();
        self.open_session(tx, found.user, device, &causes, now).await
    }

    /// Finds a challenge that can be completed. Needs no transaction, so that invented tokens do not block SQLite's only
    /// writer.
    pub(crate) async fn find_challenge(&self, hash: &TokenHash) -> Result<Row> {
        let found = login_challenges::find(&self.db, hash).await?;
        let now = self.clock.now();
        let open = found.filter(|row| now < row.expires_at && row.attempts < MAX_ATTEMPTS);
        open.ok_or(Error::LoginChallengeInvalid)
    }

    async fn limit_completions(&self, user: UserId, device: &Device) -> Result<()> {
        let account = users::find_account(&self.db, user).await?.ok_or(Error::LoginChallengeInvalid)?;
        let address = device.address();
        let origin = self.find_origin(&self.db, Some(user), device.token.as_deref(), address).await?;
        let policies = [Policy::SecondFactorAddress, Policy::SecondFactorAccount];
        let name = AccountName::Username(account.user.summary.username);
        let limited = self.limit_attempts(policies, &name, origin, address).await;
        if limited.is_err() {
            // Whatever the limit: only a client that knows the password gets here.
            self.record_limited(audit::Kind::FactorFailMax, Some(user)).await?;
        }
        Ok(limited?)
    }

    /// Counts an attempt, whatever comes of it.
    async fn count_attempt(&self, hash: &TokenHash) -> Result<()> {
        let tx = self.db.write().await?;
        let is_counted = login_challenges::count_attempt(&tx, hash, MAX_ATTEMPTS).await?;
        tx.commit().await?;
        if is_counted { Ok(()) } else { Err(Error::LoginChallengeInvalid) }
    }

    /// Compares a proof with the second factors of `user`; `None` if it is wrong. A passkey must be for the login with
    /// `challenge`.
    pub(crate) async fn verify_proof(
        &self,
        user: UserId,
        proof: Proof,
        challenge: Option<TokenHash>,
    ) -> Result<Option<Verified>> {
        match proof {
            Proof::Totp(code) => {
                let Some(row) = factors::find_totp(&self.db, user).await? else { return Ok(None) };
                let step = self.totp_step(&row, code.expose(), self.clock.now());
                Ok(step.map(|step| Verified::Totp(row.id, step)))
            }
            Proof::RecoveryCode(code) => Ok(parse_hash(code.expose()).map(Verified::RecoveryCode)),
            Proof::Passkey(response) => {
                let verified = self.verify_passkey(&response, &purpose_of(user, challenge)).await?;
                Ok(verified.filter(|(owner, _)| *owner == user).map(|(_, verified)| verified))
            }
        }
    }

    /// The methods that complete a login of `user`; empty if the account has no second factor.
    pub(crate) async fn login_methods(&self, conn: &impl Conn, user: UserId) -> Result<Vec<LoginMethod>> {
        let kinds = factors::list_kinds(conn, user).await?;
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let recovery_codes = recovery_codes::count_unused(conn, user).await?;
        Ok(login_methods(&kinds, recovery_codes))
    }
}

/// Uses a second factor up. Returns `false` if it was used before, or was removed in the meantime.
pub(crate) async fn consume(tx: &Tx, user: UserId, verified: &Verified, now: Timestamp) -> Result<bool> {
    match verified {
        Verified::Totp(id, step) => Ok(factors::accept_totp_step(tx, *id, *step, now).await?),
        Verified::Passkey { id, from, to } => {
            Ok(factors::update_passkey_state(tx, *id, from, to, now).await?)
        }
        Verified::RecoveryCode(hash) => {
            let has_factor = !factors::list_kinds(tx, user).await?.is_empty();
            Ok(has_factor && recovery_codes::consume(tx, user, hash, now).await?)
        }
    }
}
