//! Passkeys: to log in without a username and a password, as the second step of a login, and to reauthenticate.
//!
//! A ceremony is a row with the challenge that the authenticator signs. It can be finished once, on any node, within a few
//! minutes, even if finishing it fails. `relying_party` verifies what authenticators return.

use std::time::Duration;

use blegram_domain::{DeviceName, Factor, FactorId, SessionId, UserId, mail::MailKind};
use blegram_persistence::{
    Inserted,
    factors::{self, Passkey},
    passkey_ceremonies::{self as ceremonies, Ceremony, Purpose},
    sessions::TokenHash,
    users,
};

use crate::{
    Auth, ChallengeToken, Device, Error, LoggedIn, Result,
    account::admit_status,
    audit,
    mail::Notice,
    relying_party::{Rejected, RelyingParty, Started, login_challenge, registration_challenge},
    second_factor::{Verified, consume},
};

/// How long a ceremony can be finished.
pub const CEREMONY_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What an authenticator returned, as JSON. Only its size is limited.
#[derive(Debug, Clone)]
pub struct PasskeyResponse(String);

impl PasskeyResponse {
    /// Wraps the JSON of a response.
    pub const fn new(json: String) -> Self {
        Self(json)
    }
}

/// The start of a registration.
#[derive(Debug, Clone)]
pub struct PasskeySetup {
    /// The factor to finish.
    pub id: FactorId,
    /// The `PublicKeyCredentialCreationOptionsJSON`.
    pub options: serde_json::Value,
}

impl Auth {
    /// Whether the site can have passkeys: its URL needs a domain.
    pub const fn has_passkeys(&self) -> bool {
        self.relying_party.is_some()
    }

    fn relying_party(&self) -> Result<&RelyingParty> {
        self.relying_party.as_ref().ok_or(Error::PasskeysUnavailable)
    }

    /// Starts the registration of a passkey. Cancels a registration of `actor` that is in progress.
    ///
    /// # Errors
    /// [`Error::PasskeysUnavailable`]; [`Error::ReauthenticationRequired`] if the last login or reauthentication is not
    /// recent; [`Error::TooManyPasskeys`]; [`Error::SessionEnded`].
    pub async fn start_passkey(
        &self,
        actor: UserId,
        session: SessionId,
        name: Option<DeviceName>,
    ) -> Result<PasskeySetup> {
        let relying_party = self.relying_party()?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        self.require_recent(&tx, session, now).await?;
        let existing = factors::list_passkeys(&tx, actor).await?;
        if existing.len() >= Factor::MAX_PASSKEYS {
            return Err(Error::TooManyPasskeys);
        }
        let started = relying_party.start_registration(&account.user, &existing).map_err(internal)?;
        let id = FactorId::generate(now);
        let purpose = Purpose::Register(actor, id, name.map(String::from));
        ceremonies::delete_registrations(&tx, actor).await?;
        let ceremony = Ceremony { purpose, state: started.state, expires_at: now + CEREMONY_LIFETIME };
        ceremonies::insert(&tx, &started.challenge, ceremony).await?;
        tx.commit().await?;
        Ok(PasskeySetup { id, options: started.options })
    }

    /// Finishes the registration of a passkey. Other sessions stay.
    ///
    /// # Errors
    /// [`Error::FactorNotFound`], also if the registration has expired or was finished; [`Error::PasskeyRejected`];
    /// [`Error::PasskeyInUse`] if the credential is registered, to whatever account; [`Error::TooManyPasskeys`].
    pub async fn finish_passkey(
        &self,
        actor: UserId,
        id: FactorId,
        response: &PasskeyResponse,
    ) -> Result<Factor> {
        let relying_party = self.relying_party()?;
        let challenge = registration_challenge(&response.0).ok_or(Error::PasskeyRejected)?;
        let ceremony = self.consume_ceremony(&challenge).await?.ok_or(Error::FactorNotFound)?;
        let name = match ceremony.purpose {
            Purpose::Register(user, factor, name) if (user, factor) == (actor, id) => name,
            Purpose::Register(..) | Purpose::LogIn | Purpose::CompleteLogin(..) => {
                return Err(Error::FactorNotFound);
            }
        };
        let verified = relying_party.finish_registration(&ceremony.state, &response.0);
        let credential = verified.map_err(|rejected| {
            tracing::debug!(reason = %rejected, "a new passkey was rejected");
            Error::PasskeyRejected
        })?;
        let passkey = Passkey {
            id,
            user: actor,
            credential_id: credential.id,
            credential: credential.credential,
            state: credential.state,
            transports: credential.transports,
        };
        self.insert_passkey(passkey, name).await
    }

    async fn insert_passkey(&self, passkey: Passkey, name: Option<String>) -> Result<Factor> {
        let (actor, id, now) = (passkey.user, passkey.id, self.clock.now());
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        admit_status(account.user.summary.status).map_err(|_| Error::SessionEnded)?;
        if factors::list_passkeys(&tx, actor).await?.len() >= Factor::MAX_PASSKEYS {
            return Err(Error::TooManyPasskeys);
        }
        if factors::insert_passkey(&tx, passkey, name, now).await? == Inserted::Existing {
            return Err(Error::PasskeyInUse);
        }
        let factor = factors::find(&tx, actor, id).await?.ok_or(Error::FactorNotFound)?;
        let notice = Notice::of_factor(MailKind::FactorAdded, factor.kind);
        self.notify(&tx, &account, notice, now).await?;
        let recorded = audit::record(&tx, audit::Kind::FactorAdded, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(factor)
    }

    /// Starts a login with a passkey: one that names its account or, with a `challenge`, one of the account whose login it
    /// completes. Returns the `PublicKeyCredentialRequestOptionsJSON`.
    ///
    /// # Errors
    /// [`Error::PasskeysUnavailable`]; [`Error::LoginChallengeInvalid`], also if the account has no passkey.
    pub async fn start_passkey_login(&self, challenge: Option<&str>) -> Result<serde_json::Value> {
        let relying_party = self.relying_party()?;
        let (started, purpose) = match challenge {
            None => (relying_party.start_login().map_err(internal)?, Purpose::LogIn),
            Some(challenge) => self.start_completion(relying_party, challenge).await?,
        };
        let expires_at = self.clock.now() + CEREMONY_LIFETIME;
        let tx = self.db.write().await?;
        let ceremony = Ceremony { purpose, state: started.state, expires_at };
        ceremonies::insert(&tx, &started.challenge, ceremony).await?;
        tx.commit().await?;
        Ok(started.options)
    }

    async fn start_completion(
        &self,
        relying_party: &RelyingParty,
        challenge: &str,
    ) -> Result<(Started, Purpose)> {
        let hash = ChallengeToken::parse(challenge).ok_or(Error::LoginChallengeInvalid)?.hash();
        let found = self.find_challenge(&hash).await?;
        let passkeys = factors::list_passkeys(&self.db, found.user).await?;
        if passkeys.is_empty() {
            return Err(Error::LoginChallengeInvalid);
        }
        let started = relying_party.start_second_factor(&passkeys).map_err(internal)?;
        Ok((started, Purpose::CompleteLogin(found.user, hash)))
    }

    /// Logs in with a passkey alone. User verification makes it two factors, so there is no second step.
    ///
    /// # Errors
    /// [`Error::SecondFactorInvalid`], whatever is wrong; [`Error::AccountSuspended`], only after the right passkey.
    pub async fn finish_passkey_login(&self, response: &PasskeyResponse, device: Device) -> Result<LoggedIn> {
        let address = device.address();
        let verified = self.verify_passkey(response, &Purpose::LogIn).await?;
        let Some((user, verified)) = verified else {
            audit::login_failed(None, address);
            return Err(Error::SecondFactorInvalid);
        };
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, user).await?.ok_or(Error::SecondFactorInvalid)?;
        admit_status(account.user.summary.status)?;
        if !consume(&tx, user, &verified, now).await? {
            audit::login_failed(Some(user), address);
            return Err(Error::SecondFactorInvalid);
        }
        self.open_session(tx, user, device, &[audit::Kind::LoginSuccess], now).await
    }

    /// Verifies a passkey for `purpose`, and consumes its ceremony; `None` if it is not accepted. Returns its account.
    pub(crate) async fn verify_passkey(
        &self,
        response: &PasskeyResponse,
        purpose: &Purpose,
    ) -> Result<Option<(UserId, Verified)>> {
        let Some(relying_party) = &self.relying_party else { return Ok(None) };
        let Some((challenge, credential_id)) = login_challenge(&response.0) else { return Ok(None) };
        let Some(ceremony) = self.consume_ceremony(&challenge).await? else { return Ok(None) };
        let passkey = factors::find_passkey(&self.db, &credential_id).await?;
        let Some(passkey) = passkey.filter(|_| ceremony.purpose == *purpose) else { return Ok(None) };
        match relying_party.finish_login(purpose, &ceremony.state, &passkey, &response.0) {
            Ok(state) => {
                let verified = Verified::Passkey { id: passkey.id, from: passkey.state, to: state };
                Ok(Some((passkey.user, verified)))
            }
            Err(rejected) => {
                if matches!(rejected, Rejected::Counter) {
                    self.record_limited(audit::Kind::PasskeyCopied, Some(passkey.user)).await?;
                }
                tracing::debug!(reason = %rejected, "a passkey was rejected");
                Ok(None)
            }
        }
    }

    /// Consumes a ceremony that has not expired.
    async fn consume_ceremony(&self, challenge: &[u8]) -> Result<Option<Ceremony>> {
        // Checked without a transaction first, so that invented challenges do not block SQLite's only writer.
        if ceremonies::find(&self.db, challenge).await?.is_none() {
            return Ok(None);
        }
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let ceremony = ceremonies::delete(&tx, challenge).await?;
        tx.commit().await?;
        Ok(ceremony.filter(|ceremony| now < ceremony.expires_at))
    }
}

/// The purpose of a ceremony that completes the login of `user`, or reauthenticates.
pub(crate) fn purpose_of(user: UserId, challenge: Option<TokenHash>) -> Purpose {
    challenge.map_or(Purpose::LogIn, |hash| Purpose::CompleteLogin(user, hash))
}

/// A ceremony that cannot start is a bug, or a corrupt row.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn internal(rejected: Rejected) -> Error {
    Error::Passkey(rejected.to_string())
}
