//! Reauthentication within a session (step-up, ASVS 7.5.1): proves everything that a login requires.
//!
//! | The account has | Proof |
//! |---|---|
//! | a password only | the password |
//! | a second factor | the password, if the account has one, and a code |
//! | a passkey | the passkey alone, which is two factors |
//! | neither | none: the user logs in again with the login provider |
//!
//! A stolen session with a known password is therefore not enough to remove the second factor.

use blegram_domain::{SessionId, UserId, session::Kind};
use blegram_limits::Policy;
use blegram_persistence::{sessions, users};

use crate::{
    Auth, EnteredPassword, Error, Proof, Result, SessionToken, audit,
    second_factor::{Verified, consume},
};

/// The proof of a reauthentication.
#[derive(Debug, Clone)]
pub struct Reauthenticate {
    /// The password.
    pub password: Option<EnteredPassword>,
    /// The second factor.
    pub proof: Option<Proof>,
}

impl Auth {
    /// Renews the authentication of `session`: for a while, it may change the second factors of `actor`. A browser gets a
    /// new token (ASVS 7.2.4); an app keeps its tokens.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], also for a missing one; [`Error::WrongCode`]; [`Error::SecondFactorRequired`];
    /// [`Error::ReauthenticationRequired`] if the account has neither password nor second factor;
    /// [`Error::RateLimited`] per account; [`Error::Overloaded`]; [`Error::SessionEnded`].
    pub async fn reauthenticate(
        &self,
        actor: UserId,
        session: SessionId,
        reauthenticate: Reauthenticate,
    ) -> Result<Option<SessionToken>> {
        let Reauthenticate { password, proof } = reauthenticate;
        if let Some(proof @ Proof::Passkey(_)) = proof {
            self.limiter.check_user(Policy::Password, actor).await?;
            let verified = self.verify_proof(actor, proof, None).await?.ok_or(Error::WrongCode)?;
            let stored = users::find_password_hash(&self.db, actor).await?;
            return self.renew(actor, session, stored, Some(verified)).await;
        }
        let methods = self.login_methods(&self.db, actor).await?;
        let stored = self.confirm_password(actor, password, !methods.is_empty()).await?;
        let verified = match proof {
            Some(proof) => Some(self.verify_proof(actor, proof, None).await?.ok_or(Error::WrongCode)?),
            None if methods.is_empty() => None,
            None => return Err(Error::SecondFactorRequired),
        };
        self.renew(actor, session, stored, verified).await
    }

    /// Compares the password, if the account has one, and returns its stored hash.
    async fn confirm_password(
        &self,
        actor: UserId,
        password: Option<EnteredPassword>,
        has_factor: bool,
    ) -> Result<Option<String>> {
        self.limiter.check_user(Policy::Password, actor).await?;
        match users::find_password_hash(&self.db, actor).await? {
            Some(stored) => self.compare_password(actor, password, stored).await.map(Some),
            None if has_factor => Ok(None),
            None => Err(Error::ReauthenticationRequired),
        }
    }

    async fn renew(
        &self,
        actor: UserId,
        session: SessionId,
        stored: Option<String>,
        verified: Option<Verified>,
    ) -> Result<Option<SessionToken>> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        let found = sessions::find(&tx, session).await?.ok_or(Error::SessionEnded)?;
        if users::find_password_hash(&tx, actor).await? != stored {
            return Err(Error::WrongPassword);
        }
        if verified.is_none() && !self.login_methods(&tx, actor).await?.is_empty() {
            // Another session has added a second factor in the meantime.
            return Err(Error::SecondFactorRequired);
        }
        if let Some(verified) = &verified
            && !consume(&tx, actor, verified, now).await?
        {
            return Err(Error::WrongCode);
        }
        sessions::update_authenticated(&tx, session, now).await?;
        let token = (found.session.kind == Kind::Browser).then(SessionToken::generate);
        if let Some(token) = &token {
            sessions::update_token_hash(&tx, session, token.hash()).await?;
        }
        let used = verified.as_ref().and_then(Verified::audit_kind);
        let kinds: Vec<_> = used.into_iter().chain([audit::Kind::Reauthenticated]).collect();
        let recorded = audit::record_all(&tx, &kinds, actor, now).await?;
        tx.commit().await?;
        self.publish([]);
        recorded.into_iter().for_each(audit::Recorded::log);
        Ok(token)
    }
}
