//! The first login with an identity: it creates an account. The key is the provider's id of the user alone; an account
//! with the same e-mail address is never found by it, because the holder of the address elsewhere would get the
//! account.

use std::time::Duration;

use blegram_domain::{
    DisplayName, EmailAddress, IdentityKey, Job, ProviderId, Timestamp, UserId, Username, session::Kind,
    user::Role,
};
use blegram_persistence::{
    Inserted, Tx,
    avatar_imports::{self, AvatarImport},
    emails, identities, jobs,
    pending_sign_ups::{self, PendingSignUp as Row},
    users::{self, NewUser},
};

use super::finish::{Entered, new_identity};
use crate::{
    Auth, Device, Error, LoggedIn, Registration, Result,
    account::display_name_of,
    audit,
    provider::ExternalIdentity,
    rename::reject_reserved,
    token::{PendingToken, random_bytes},
};

/// How long a sign-up waits for a username.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The number of attempts when concurrent logins create the same account.
const MAX_ATTEMPTS: usize = 4;

/// A sign-up that waits for a username.
#[derive(Debug, Clone)]
pub struct PendingSignUp {
    /// Proves that the client logged in with the identity.
    pub token: PendingToken,
    /// A username that was free a moment ago.
    pub suggested_username: Username,
    /// The provider.
    pub provider: ProviderId,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// The data of an account that a login creates.
struct NewAccount {
    username: Username,
    display_name: Option<DisplayName>,
    /// An address that the provider is trusted to have verified.
    email: Option<EmailAddress>,
    picture: Option<String>,
}

impl Auth {
    /// Finds the account of an identity, or creates one, or stores a sign-up that waits for a username; in a transaction
    /// that the caller commits.
    pub(super) async fn find_or_create(
        &self,
        provider: &ProviderId,
        external: &ExternalIdentity,
        token: PendingToken,
        kind: Kind,
        redirect_to: Option<String>,
        now: Timestamp,
    ) -> Result<Entered> {
        let key = IdentityKey { provider: provider.clone(), subject: external.subject.clone() };
        let name = external.name.as_deref().unwrap_or_default();
        let mut proposed = Username::suggest(name).filter(|username| !username.is_reserved());
        for _ in 0..MAX_ATTEMPTS {
            let tx = self.db.write().await?;
            if let Some(user) = self.find_account(&tx, &key, external, now).await? {
                return Ok(Entered::Account(tx, user, audit::Kind::LoginSuccess));
            }
            if self.registration == Registration::Closed {
                return Err(Error::RegistrationClosed);
            }
            let Some(username) = proposed.take() else {
                let row = self.pending(&tx, external, key, kind, redirect_to, now).await?;
                pending_sign_ups::insert(&tx, &token.hash(), &row).await?;
                return Ok(Entered::Pending(tx, token));
            };
            let account = NewAccount {
                username: username.clone(),
                display_name: DisplayName::parse(name).ok(),
                email: verified_email(external),
                picture: external.picture.clone(),
            };
            match self.create(&tx, account, &key, external, now).await {
                Ok(user) => return Ok(Entered::Account(tx, user, audit::Kind::UserCreated)),
                // A concurrent login with the same identity may have taken the name: then the account is found now.
                Err(Error::UsernameTaken) => {}
                Err(Error::IdentityInUse | Error::EmailTaken) => proposed = Some(username),
                Err(error) => return Err(error),
            }
        }
        Err(Error::LoginExpired)
    }

    /// Creates the account of an identity.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`]; [`Error::IdentityInUse`] and [`Error::EmailTaken`] if a concurrent login was faster. The
    /// caller then rolls back, and the next attempt sees what the other login did.
    async fn create(
        &self,
        tx: &Tx,
        account: NewAccount,
        key: &IdentityKey,
        external: &ExternalIdentity,
        now: Timestamp,
    ) -> Result<UserId> {
        let NewAccount { username, display_name, email, picture } = account;
        // Another account may have verified it: then this one gets none, and learns nothing.
        let email = match email {
            Some(email) if emails::find_account(tx, &email.key()).await?.is_none() => Some(email),
            _ => None,
        };
        let (id, skeleton) = (UserId::generate(now), username.skeleton());
        let user = NewUser {
            id,
            display_name: display_name.unwrap_or_else(|| display_name_of(&username)),
            username,
            email: None,
            password_hash: None,
            role: Role::User,
            created_at: now,
        };
        if users::insert(tx, user).await? == Inserted::Existing {
            return Err(Error::UsernameTaken);
        }
        reject_reserved(tx, &skeleton, None, now).await?;
        if let Some(email) = email
            && !emails::update_verified(tx, id, &email, now).await?
        {
            return Err(Error::EmailTaken);
        }
        let identity = new_identity(key.provider.clone(), external, id, now, Some(now));
        if identities::insert(tx, &identity).await? == Inserted::Existing {
            return Err(Error::IdentityInUse);
        }
        if let Some(url) = picture {
            let import = AvatarImport { user: id, provider: key.provider.clone(), url, created_at: now };
            avatar_imports::insert(tx, &import).await?;
            jobs::insert(tx, Job::ImportAvatar(id), now, now).await?;
        }
        Ok(id)
    }

    async fn pending(
        &self,
        tx: &Tx,
        external: &ExternalIdentity,
        key: IdentityKey,
        kind: Kind,
        redirect_to: Option<String>,
        now: Timestamp,
    ) -> Result<Row> {
        let email = verified_email(external);
        Ok(Row {
            suggested_username: self.free_username(tx, external.name.as_deref().unwrap_or_default()).await?,
            alternate_subject: external.alternate_subject.clone(),
            display_name: external.name.clone(),
            is_email_verified: email.is_some(),
            email,
            picture_url: external.picture.clone(),
            key,
            kind,
            redirect_to,
            expires_at: now + LIFETIME,
        })
    }

    /// A username like `name` that is free now.
    async fn free_username(&self, tx: &Tx, name: &str) -> Result<Username> {
        let base = Username::suggest(name).filter(|username| !username.is_reserved());
        let stem: String = base.as_ref().map_or("member", Username::as_str).chars().take(20).collect();
        for digits in [2, 3, 6] {
            let candidate =
                Username::parse(&format!("{}{}", stem.trim_end_matches('.'), random_digits(digits)));
            let Ok(candidate) = candidate else { continue };
            if users::find_by_username(tx, &candidate).await?.is_none() {
                return Ok(candidate);
            }
        }
        // Taken, too, with a probability of one in millions: then the user chooses another.
        let fallback = format!("member{}", random_digits(12));
        Username::parse(&fallback).map_err(|violation| Error::Signing(violation.to_string()))
    }

    /// Returns the sign-up that `token` belongs to.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] if the token is unknown or expired, or the sign-up is complete.
    pub async fn pending_sign_up(&self, token: &str) -> Result<PendingSignUp> {
        let token = PendingToken::parse(token).ok_or(Error::InvalidGrant)?;
        let row = pending_sign_ups::find(&self.db, &token.hash()).await?;
        let row = row.filter(|row| self.clock.now() < row.expires_at).ok_or(Error::InvalidGrant)?;
        Ok(PendingSignUp {
            token,
            suggested_username: row.suggested_username,
            provider: row.key.provider,
            expires_at: row.expires_at,
        })
    }

    /// Completes a sign-up with a username, and logs in. Returns where a browser goes afterwards, too.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`]; [`Error::UsernameTaken`], after which the token stays valid;
    /// [`Error::RegistrationClosed`]; [`Error::IdentityInUse`] if the identity got an account meanwhile.
    pub async fn finish_sign_up(
        &self,
        token: &str,
        username: Username,
        device: Device,
    ) -> Result<(LoggedIn, Option<String>)> {
        let token = PendingToken::parse(token).ok_or(Error::InvalidGrant)?;
        if pending_sign_ups::find(&self.db, &token.hash()).await?.is_none() {
            return Err(Error::InvalidGrant);
        }
        if self.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        if username.is_reserved() {
            return Err(Error::UsernameTaken);
        }
        match self.complete(&token, username.clone(), device.clone()).await {
            Err(Error::EmailTaken) => self.complete(&token, username, device).await,
            completed => completed,
        }
    }

    /// # Errors
    /// As [`Auth::finish_sign_up`]; [`Error::EmailTaken`] if another account verified the address at the same time.
    async fn complete(
        &self,
        token: &PendingToken,
        username: Username,
        device: Device,
    ) -> Result<(LoggedIn, Option<String>)> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let row = pending_sign_ups::delete(&tx, &token.hash()).await?;
        let row = row.filter(|row| now < row.expires_at).ok_or(Error::InvalidGrant)?;
        let external = ExternalIdentity {
            subject: row.key.subject.clone(),
            alternate_subject: row.alternate_subject,
            name: row.display_name,
            email: None,
            picture: None,
        };
        let account = NewAccount {
            username,
            display_name: external.name.as_deref().and_then(|name| DisplayName::parse(name).ok()),
            email: row.email.filter(|_| row.is_email_verified),
            picture: row.picture_url,
        };
        let user = self.create(&tx, account, &row.key, &external, now).await?;
        let device = Device {
            kind: row.kind,
            provider: Some(row.key.provider),
            login_code: Some(token.hash()),
            ..device
        };
        let logged_in = self.open_session(tx, user, device, &[audit::Kind::UserCreated], now).await?;
        Ok((logged_in, row.redirect_to))
    }
}

fn verified_email(external: &ExternalIdentity) -> Option<EmailAddress> {
    external.email.as_ref().filter(|email| email.is_verified).map(|email| email.address.clone())
}

fn random_digits(count: usize) -> String {
    random_bytes().iter().take(count).map(|byte| char::from(b'0' + byte % 10)).collect()
}
