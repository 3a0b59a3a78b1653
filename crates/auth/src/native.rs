//! The tokens of native apps: a short-lived access token, and a refresh token for single use.
//!
//! A refresh token that is used again returns the same tokens as long as neither of them has been used: the first
//! response was probably lost. After that, the reuse means that two clients have the token and the owner cannot be
//! identified, so the session ends (RFC 9700, 4.14.2).

use std::{net::IpAddr, time::Duration};

use blegram_domain::{Session, SessionId, Timestamp, TokenId, session::Kind};
use blegram_limits::Network;
use blegram_persistence::{
    Tx,
    refresh_tokens::{self, NewRefreshToken},
    sessions,
};

use crate::{
    Auth, Error, Event, Result,
    access_token::{AccessToken, Claims, lifetime},
    audit,
    token::RefreshToken,
};

pub(crate) const PURPOSE: &str = "blegram refresh token chain v1";

/// The tokens of a native app.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Sent with every request, as `Authorization: Bearer`.
    pub access_token: AccessToken,
    /// The remaining lifetime of the access token.
    pub expires_in: Duration,
    /// Exchanged once for the next tokens.
    pub refresh_token: RefreshToken,
    /// The remaining lifetime of the refresh token.
    pub refresh_expires_in: Duration,
}

/// How long consumed refresh tokens are stored, to detect reuse.
const CONSUMED_TOKEN_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Auth {
    /// Exchanges a refresh token for new tokens, for the client at `address`. Concurrent uses of one token all return the same tokens.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] if the token is unknown or expired, or its session has ended; also if its successor was
    /// already used, which ends the session.
    pub async fn refresh(&self, token: &str, address: Option<IpAddr>) -> Result<Tokens> {
        let token = RefreshToken::parse(token).ok_or(Error::InvalidGrant)?;
        let now = self.clock.now();
        let found =
            refresh_tokens::find_by_hash(&self.db, &token.hash()).await?.ok_or(Error::InvalidGrant)?;
        // Before the transaction, because the keys may have to be loaded or generated.
        self.keys.signer().await?;
        let tx = self.db.write().await?;
        let session = self.lock_active(&tx, found.session, now).await?;
        // Read again, now that the session's row is locked.
        let used = refresh_tokens::find_by_hash(&tx, &token.hash()).await?.ok_or(Error::InvalidGrant)?;
        if used.expires_at <= now {
            return Err(Error::InvalidGrant);
        }
        let next = token.next(&self.refresh_key);
        let issued = match used.next {
            None => self.rotate(&tx, &session, used.id, &next, now).await?,
            Some(id) => match self.find_unused(&tx, id, &next).await? {
                Some(issued) => issued,
                None => return self.end_replayed_session(tx, &session).await,
            },
        };
        if let Some(address) = address {
            let around = Network::around(address).to_string();
            sessions::update_network(&tx, session.id, &self.network_tag(address), &around).await?;
        }
        tx.commit().await?;
        self.tokens(&session, issued, next, now).await
    }

    /// Issues the first tokens of a new session.
    pub(crate) async fn issue_first(&self, tx: &Tx, session: &Session) -> Result<(Issued, RefreshToken)> {
        let token = RefreshToken::generate();
        Ok((self.insert(tx, session, &token, session.created_at).await?, token))
    }

    /// Builds the client's tokens, after the commit of `issued`.
    pub(crate) async fn tokens(
        &self,
        session: &Session,
        issued: Issued,
        refresh_token: RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens> {
        let expires_at = (now + self.access_token_lifetime).min(session.expires_at);
        let claims = Claims {
            user: session.user,
            session: session.id,
            token: issued.id,
            issued_at: now,
            not_before: None,
            expires_at,
        };
        Ok(Tokens {
            access_token: self.keys.sign(&claims).await?,
            expires_in: lifetime(now, expires_at),
            refresh_token,
            refresh_expires_in: lifetime(now, issued.expires_at),
        })
    }

    async fn lock_active(&self, tx: &Tx, id: SessionId, now: Timestamp) -> Result<Session> {
        sessions::lock(tx, id).await?;
        let found = sessions::find(tx, id).await?.ok_or(Error::InvalidGrant)?;
        if self.is_active(&found, now) { Ok(found.session) } else { Err(Error::InvalidGrant) }
    }

    async fn rotate(
        &self,
        tx: &Tx,
        session: &Session,
        used: TokenId,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Issued> {
        let issued = self.insert(tx, session, next, now).await?;
        refresh_tokens::update_consumed(tx, used, issued.id, now).await?;
        refresh_tokens::delete_consumed_before(tx, session.id, now - CONSUMED_TOKEN_RETENTION).await?;
        // An app that only refreshes counts as used, too.
        sessions::update_last_seen(tx, session.id, now).await?;
        Ok(issued)
    }

    async fn insert(
        &self,
        tx: &Tx,
        session: &Session,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Issued> {
        let expires_at = (now + self.lifetimes.of(Kind::Native).idle).min(session.expires_at);
        let id = TokenId::generate(now);
        let row =
            NewRefreshToken { id, session: session.id, token_hash: token.hash(), issued_at: now, expires_at };
        refresh_tokens::insert(tx, row).await?;
        Ok(Issued { id, expires_at })
    }

    /// The successor that an earlier use created, if neither of its tokens has been used yet.
    async fn find_unused(&self, tx: &Tx, id: TokenId, next: &RefreshToken) -> Result<Option<Issued>> {
        let successor = refresh_tokens::find(tx, id).await?;
        let unused =
            successor.filter(|t| t.next.is_none() && !t.is_access_used && t.token_hash == next.hash());
        Ok(unused.map(|t| Issued { id: t.id, expires_at: t.expires_at }))
    }

    async fn end_replayed_session(&self, tx: Tx, session: &Session) -> Result<Tokens> {
        sessions::delete(&tx, session.id).await?;
        let recorded = audit::record(&tx, audit::Kind::TokenReuse, session.user, self.clock.now()).await?;
        tx.commit().await?;
        self.publish([Event::SessionEnded { session: session.id }]);
        recorded.log();
        Err(Error::InvalidGrant)
    }
}

/// The parts of a refresh token's row that the response needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued {
    id: TokenId,
    expires_at: Timestamp,
}
