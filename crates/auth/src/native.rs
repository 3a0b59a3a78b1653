//! The tokens of native apps: a short access token, and a refresh token that is used once.
//!
//! Whoever uses a refresh token again gets the same tokens as long as nobody has used those: the answer was lost on
//! its way. Once they were used, two have the token, and nobody can tell which is the owner: the login ends (RFC 9700,
//! 4.14.2).

use std::time::Duration;

use blegram_domain::{Session, SessionId, Timestamp, TokenId, session::Kind};
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

/// What a native app keeps.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Sent with every request, as `Authorization: Bearer`.
    pub access_token: AccessToken,
    /// How long it is good.
    pub expires_in: Duration,
    /// Used once, for the next tokens.
    pub refresh_token: RefreshToken,
    /// How long it is good.
    pub refresh_expires_in: Duration,
}

/// How long used refresh tokens are remembered, for somebody else who has them.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Auth {
    /// Exchanges a refresh token for new tokens. Of any number of simultaneous uses all get the same ones.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] for a token that never was, has expired, or whose login has ended; also for one whose
    /// successor was used already, which ends the login.
    pub async fn refresh(&self, token: &str) -> Result<Tokens> {
        let token = RefreshToken::parse(token).ok_or(Error::InvalidGrant)?;
        let now = self.clock.now();
        let known =
            refresh_tokens::find_by_hash(&self.db, &token.hash()).await?.ok_or(Error::InvalidGrant)?;
        // Made before the transaction, for keys may have to be read or made.
        self.keys.signer().await?;
        let tx = self.db.write().await?;
        let session = self.hold_live(&tx, known.session, now).await?;
        // Read again, now that nobody else can use it.
        let used = refresh_tokens::find_by_hash(&tx, &token.hash()).await?.ok_or(Error::InvalidGrant)?;
        if used.expires_at <= now {
            return Err(Error::InvalidGrant);
        }
        let next = token.next(&self.refresh_key);
        let issued = match used.next {
            None => self.follow(&tx, &session, used.id, &next, now).await?,
            Some(id) => match self.find_unused(&tx, id, &next).await? {
                Some(issued) => issued,
                None => return self.end_replayed(tx, &session).await,
            },
        };
        tx.commit().await?;
        self.tokens(&session, issued, next, now).await
    }

    /// Issues the first tokens of a new login.
    pub(crate) async fn issue_first(&self, tx: &Tx, session: &Session) -> Result<(Issued, RefreshToken)> {
        let token = RefreshToken::generate();
        Ok((self.insert(tx, session, &token, session.created_at).await?, token))
    }

    /// What the app gets of it, once that is committed.
    pub(crate) async fn tokens(
        &self,
        session: &Session,
        issued: Issued,
        refresh_token: RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens> {
        let expires_at = (now + self.access_token_lifetime).min(session.expires_at);
        let claims =
            Claims { user: session.user, session: session.id, token: issued.id, issued_at: now, expires_at };
        Ok(Tokens {
            access_token: self.keys.sign(&claims).await?,
            expires_in: lifetime(now, expires_at),
            refresh_token,
            refresh_expires_in: lifetime(now, issued.expires_at),
        })
    }

    async fn hold_live(&self, tx: &Tx, id: SessionId, now: Timestamp) -> Result<Session> {
        sessions::hold(tx, id).await?;
        let found = sessions::find(tx, id).await?.ok_or(Error::InvalidGrant)?;
        if self.is_live(&found, now) { Ok(found.session) } else { Err(Error::InvalidGrant) }
    }

    async fn follow(
        &self,
        tx: &Tx,
        session: &Session,
        used: TokenId,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Issued> {
        let issued = self.insert(tx, session, next, now).await?;
        refresh_tokens::update_consumed(tx, used, issued.id, now).await?;
        refresh_tokens::delete_consumed_before(tx, session.id, now - REMEMBERED).await?;
        // An app that only refreshes is used, too.
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

    /// What an earlier use made, if nobody has it yet: neither of its tokens was used.
    async fn find_unused(&self, tx: &Tx, id: TokenId, next: &RefreshToken) -> Result<Option<Issued>> {
        let made = refresh_tokens::find(tx, id).await?;
        let unused =
            made.filter(|it| it.next.is_none() && !it.is_access_used && it.token_hash == next.hash());
        Ok(unused.map(|it| Issued { id: it.id, expires_at: it.expires_at }))
    }

    async fn end_replayed(&self, tx: Tx, session: &Session) -> Result<Tokens> {
        sessions::delete(&tx, session.id).await?;
        tx.commit().await?;
        self.announce([Event::SessionEnded { session: session.id }]);
        audit::suspect("authn_token_reuse", session.user);
        Err(Error::InvalidGrant)
    }
}

/// A refresh token's row, as far as the answer needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued {
    id: TokenId,
    expires_at: Timestamp,
}
