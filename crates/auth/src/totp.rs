//! Authenticator apps: time-based one-time passwords (RFC 6238) with SHA-1, six digits and steps of 30 seconds, which is
//! what every app supports.
//!
//! A code is accepted in its own step and in one step before and after, because clocks differ and people type slowly.
//! It is accepted once: the last accepted step is stored, and an earlier or equal one is rejected (ASVS 6.5.1).

use std::time::Duration;

use blegram_domain::{DeviceName, Factor, FactorId, SessionId, Timestamp, UserId, Username, mail::MailKind};
use blegram_limits::Policy;
use blegram_persistence::{
    factors::{self, Totp as Row},
    users,
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use totp_rs::{Builder, Totp};

use crate::{
    Auth, EnteredCode, Error, Result, audit, mail::Notice, site_key::DerivedKey, token::random_bytes,
};

pub(crate) const PURPOSE: &str = "blegram totp secret seal v1";

/// How long an authenticator app can be confirmed after its setup started.
pub const SETUP_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The length of a secret: that of the hash (RFC 4226, 4, R6).
const SECRET_BYTES: usize = 20;

/// What an authenticator app needs.
#[derive(Debug, Clone)]
pub struct TotpSetup {
    /// The factor to confirm.
    pub id: FactorId,
    /// When the setup expires.
    pub expires_at: Timestamp,
    secret: SecretString,
    url: SecretString,
}

impl TotpSetup {
    /// The secret in Base32, for apps without a camera.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The secret as an `otpauth` URL, for a QR code.
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }
}

impl Auth {
    /// Starts the setup of an authenticator app. It counts from its confirmation on, and then replaces the previous one.
    ///
    /// # Errors
    /// [`Error::ReauthenticationRequired`] if the last login or reauthentication is not recent; [`Error::SessionEnded`].
    pub async fn start_totp(
        &self,
        actor: UserId,
        session: SessionId,
        name: Option<DeviceName>,
    ) -> Result<TotpSetup> {
        let now = self.clock.now();
        let id = FactorId::generate(now);
        let secret: SecretSlice<u8> = random_bytes()[..SECRET_BYTES].to_vec().into();
        let sealed_secret = self.factor_key.seal(&owner(actor, id), secret.expose_secret())?;
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        self.require_recent(&tx, session, now).await?;
        let row = Row { id, user: actor, sealed_secret, created_at: now };
        factors::insert_totp(&tx, row, name.map(String::from)).await?;
        tx.commit().await?;
        let totp = labelled(&secret, &self.issuer, &account.user.summary.username)?;
        Ok(TotpSetup {
            id,
            secret: totp.secret().to_base32().into(),
            url: totp.to_url().map_err(Error::signing)?.into(),
            expires_at: now + SETUP_LIFETIME,
        })
    }

    /// Completes the setup of an authenticator app with its current code. Other sessions stay.
    ///
    /// # Errors
    /// [`Error::FactorNotFound`], also if the setup has expired or is complete; [`Error::WrongCode`];
    /// [`Error::RateLimited`] per account.
    pub async fn confirm_totp(&self, actor: UserId, id: FactorId, code: &EnteredCode) -> Result<Factor> {
        self.limiter.check_user(Policy::Password, actor).await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        let pending = factors::find_pending_totp(&tx, actor, id).await?;
        let pending = pending.filter(|row| now.is_near(row.created_at, SETUP_LIFETIME));
        let step = self.totp_step(&pending.ok_or(Error::FactorNotFound)?, code.expose(), now);
        if !factors::confirm_totp(&tx, actor, id, step.ok_or(Error::WrongCode)?, now).await? {
            return Err(Error::FactorNotFound);
        }
        let factor = factors::find(&tx, actor, id).await?.ok_or(Error::FactorNotFound)?;
        let notice = Notice::of_factor(MailKind::FactorAdded, factor.kind);
        self.notify(&tx, &account, notice, now).await?;
        let recorded = audit::record(&tx, audit::Kind::FactorAdded, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(factor)
    }

    /// The step whose code is `code`, if it is near `now`.
    pub(crate) fn totp_step(&self, row: &Row, code: &str, now: Timestamp) -> Option<i64> {
        let Some(secret) = open(&self.factor_key, row) else {
            tracing::warn!(factor = %row.id, "secrets.key cannot decrypt this authenticator app; remove the factor");
            return None;
        };
        step_of(&secret, code, now)
    }
}

fn open(key: &DerivedKey, row: &Row) -> Option<SecretSlice<u8>> {
    key.open(&owner(row.user, row.id), &row.sealed_secret)
}

/// To whom a secret belongs.
fn owner(user: UserId, factor: FactorId) -> Vec<u8> {
    [*user.as_uuid().as_bytes(), *factor.as_uuid().as_bytes()].concat()
}

fn step_of(secret: &SecretSlice<u8>, code: &str, now: Timestamp) -> Option<i64> {
    let totp = Builder::new().with_secret(secret.expose_secret()).build().ok()?;
    let code: String = code.chars().filter(|c| !c.is_whitespace()).take(16).collect();
    let seconds = u64::try_from(now.as_micros()).ok()? / 1_000_000;
    i64::try_from(totp.check(&code, seconds)?).ok()
}

/// With the labels that an app shows: the host of the site, and the account.
fn labelled(secret: &SecretSlice<u8>, site: &str, username: &Username) -> Result<Totp> {
    let url = url::Url::parse(site).ok();
    // A colon separates the labels.
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("blegram").replace(':', ".");
    let builder = Builder::new().with_secret(secret.expose_secret()).with_account_name(username.as_str());
    builder.with_issuer(Some(host)).build().map_err(Error::signing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SecretSlice<u8> {
        b"12345678901234567890".to_vec().into()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn totp_codes_match_the_vectors_of_rfc_6238() {
        // Appendix B: the last six of eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(&secret(), code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn totp_code_is_accepted_one_step_early_and_late() {
        let (code, step) = ("081804", 1_111_111_109 / 30);
        for (seconds, accepted) in
            [(step * 30 - 31, false), (step * 30 - 30, true), (step * 30 + 59, true), (step * 30 + 60, false)]
        {
            assert_eq!(step_of(&secret(), code, at(seconds)).is_some(), accepted, "{seconds}");
        }
    }

    #[test]
    fn totp_code_may_have_spaces_and_nothing_else() {
        let now = at(1_111_111_109);
        assert!(step_of(&secret(), " 081 804 ", now).is_some());
        for code in ["", "81804", "0818040", "+81804", "08180a", "０８１８０４"] {
            assert!(step_of(&secret(), code, now).is_none(), "{code}");
        }
    }

    #[test]
    fn totp_url_has_the_labels_of_the_site_and_the_account() {
        let username = Username::parse("하늘.1").unwrap();
        for (site, host) in [
            ("https://blegram.example/path", "blegram.example"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "..1"),
        ] {
            let url = labelled(&secret(), site, &username).unwrap().to_url().unwrap();
            assert!(url.starts_with("otpauth://totp/"), "{url}");
            assert!(url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
            let parsed = url::Url::parse(&url).unwrap();
            let issuer = parsed.query_pairs().find(|(key, _)| key == "issuer").unwrap().1;
            assert!(issuer.contains(host), "{url}");
        }
    }
}
