//! Authentication of requests, and the user's list of sessions.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use blegram_domain::{
    Language, Page, PageRequest, ProviderId, Session, SessionId, Timestamp, TokenId, UserId,
    session::Kind,
    user::{Role, Status},
};
use blegram_persistence::{
    refresh_tokens,
    sessions::{self, FoundSession, IdleSince, TokenHash},
};

use crate::{
    Auth, Error, Event, Result, SessionToken, access_token::Claims, audit, session_cache::CacheKey,
    token::hash,
};

/// The device of a login, for the owner's list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The type of client.
    pub kind: Kind,
    /// The owner's name for the device.
    pub name: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The IP address. For rate limits, all devices with `None` share one address.
    pub address: Option<IpAddr>,
    /// A browser's [`crate::DeviceToken`] of an earlier login.
    pub token: Option<String>,
    /// The language that the client prefers, for mails to its user.
    pub language: Option<Language>,
    /// The client's previous session, which ends with the login (ASVS 7.2.4).
    pub replaces: Option<SessionId>,
    /// The provider that authenticated the user; `None` for a password.
    pub provider: Option<ProviderId>,
    /// The hash of the code, or of the token of a sign-up, that an app exchanged for this login.
    pub login_code: Option<TokenHash>,
}

impl Default for Device {
    /// A browser without any details.
    fn default() -> Self {
        Self {
            kind: Kind::Browser,
            name: None,
            user_agent: None,
            address: None,
            token: None,
            language: None,
            replaces: None,
            provider: None,
            login_code: None,
        }
    }
}

impl Device {
    pub(crate) fn address(&self) -> IpAddr {
        self.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// The authenticated user and session of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The type of client.
    pub kind: Kind,
    /// The user's role; may be out of date by [`crate::session_cache::MAX_AGE`].
    pub role: Role,
    /// When the credential expires, regardless of use: the access token, or the cookie with its session.
    pub expires_at: Timestamp,
    /// When the credential was issued.
    pub issued_at: Timestamp,
}

impl Authenticated {
    pub(crate) fn new(found: &FoundSession, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        let FoundSession { session, role, .. } = found;
        let (user, kind) = (session.user, session.kind);
        Self { user, session: session.id, kind, role: *role, expires_at, issued_at }
    }
}

/// How long a request waits to store its session's last use; a later request tries again.
const TOUCH_TIMEOUT: Duration = Duration::from_millis(100);

impl Auth {
    /// Authenticates the session token of a cookie; `None` if it is invalid, or if its session or account has ended: on
    /// this node at once, on others within [`crate::session_cache::MAX_AGE`].
    pub async fn authenticate(&self, token: &str) -> Result<Option<Authenticated>> {
        match SessionToken::parse(token) {
            Some(token) => self.look_up(CacheKey::Cookie(token.hash()), None).await,
            None => Ok(None),
        }
    }

    /// Authenticates an access token; `None` if it is not one of ours or has expired, or if its session or account has
    /// ended, as for [`Auth::authenticate`].
    pub async fn authenticate_bearer(&self, token: &str) -> Result<Option<Authenticated>> {
        let now = self.clock.now();
        let Some(claims) = self.verify(token, now).await? else { return Ok(None) };
        let authenticated = self.look_up(CacheKey::Bearer(claims.token), Some(claims)).await?;
        // The cache knows the session of the token's id; the token must name the same one.
        Ok(authenticated.filter(|a| (a.user, a.session) == (claims.user, claims.session)))
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<Option<Claims>> {
        let hash = hash(token);
        let cached = self.access_tokens.get(&hash);
        let claims = match cached {
            Some(claims) => Some(claims),
            None => self.keys.verify(token).await?,
        };
        let Some(claims) = claims.filter(|claims| claims.check_times(now).is_ok()) else {
            self.access_tokens.remove(&hash);
            return Ok(None);
        };
        if cached.is_none() {
            self.access_tokens.insert(hash, claims);
        }
        Ok(Some(claims))
    }

    async fn look_up(&self, key: CacheKey, claims: Option<Claims>) -> Result<Option<Authenticated>> {
        let now = self.clock.now();
        let query_moment = self.sessions.moment(self.clock.monotonic());
        let (cached, moment) = self
            .sessions
            .get(&key, query_moment)
            .map_or((None, query_moment), |(found, at)| (Some(found), at));
        let is_cached = cached.is_some();
        let found = match (cached, key, claims) {
            (Some(found), ..) => Some(found),
            (None, CacheKey::Cookie(hash), _) => sessions::find_by_token_hash(&self.db, &hash).await?,
            (None, CacheKey::Bearer(token), Some(claims)) => {
                sessions::find_by_token_id(&self.db, claims.session, token).await?
            }
            (None, CacheKey::Bearer(_), None) => None,
        };
        let Some(mut found) = found.filter(|found| self.is_active(found, now)) else { return Ok(None) };
        let cookie = (found.session.created_at, found.session.expires_at);
        let (issued_at, expires_at) = claims.map_or(cookie, |claims| (claims.issued_at, claims.expires_at));
        let authenticated = Authenticated::new(&found, issued_at, expires_at);
        let touch = Touch::if_due(&found, claims.map(|claims| claims.token), now);
        // Cached as stored first, so that only one of many concurrent requests writes.
        found.is_first_use = false;
        if touch.is_some() {
            found.session.last_seen_at = now;
        }
        if !is_cached || touch.is_some() {
            self.sessions.insert(key, moment, found);
        }
        if let Some(touch) = touch {
            self.touch(TOUCH_TIMEOUT, self.store_use(touch)).await;
        }
        Ok(Some(authenticated))
    }

    /// The valid sessions of `user`, newest first.
    pub async fn list_sessions(&self, user: UserId, page: &PageRequest) -> Result<Page<Session>> {
        let now = self.clock.now();
        let ids = sessions::list_active_ids(&self.db, user, now, self.idle_since(now), page).await?;
        let sessions = sessions::list_by_ids(&self.db, &ids).await?;
        Ok(ids.into_page(sessions))
    }

    /// Ends a session of `user`.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] for another user's session, and for one that has ended.
    pub async fn revoke_session(&self, user: UserId, session: SessionId) -> Result<()> {
        let tx = self.db.write().await?;
        if !sessions::delete_of_user(&tx, user, session).await? {
            return Err(Error::SessionNotFound);
        }
        let recorded = audit::record(&tx, audit::Kind::TokenRevoked, user, self.clock.now()).await?;
        tx.commit().await?;
        self.publish([Event::SessionEnded { session }]);
        recorded.log();
        Ok(())
    }

    /// Ends all sessions of `user` except `current`.
    pub async fn revoke_other_sessions(&self, user: UserId, current: SessionId) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::delete_others(&tx, user, Some(current)).await?;
        let recorded = audit::record(&tx, audit::Kind::TokenRevoked, user, self.clock.now()).await?;
        tx.commit().await?;
        self.publish([Event::SessionsEnded { user, except: Some(current) }]);
        recorded.log();
        Ok(())
    }

    /// Ends `session`. Idempotent.
    pub async fn log_out(&self, session: SessionId) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::delete(&tx, session).await?;
        tx.commit().await?;
        self.publish([Event::SessionEnded { session }]);
        Ok(())
    }

    /// Whether a session is valid and its account active.
    pub(crate) fn is_active(&self, found: &FoundSession, now: Timestamp) -> bool {
        found.status == Status::Active && found.session.is_active(now, &self.lifetimes)
    }

    pub(crate) fn idle_since(&self, now: Timestamp) -> IdleSince {
        IdleSince { browser: now - self.lifetimes.browser.idle, native: now - self.lifetimes.native.idle }
    }

    // A read must neither fail nor wait because its session's last use cannot be stored.
    pub(crate) async fn touch(&self, timeout: Duration, write: impl Future<Output = Result<()>>) {
        match tokio::time::timeout(timeout, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the last use of a session was not stored"
                );
            }
            Err(_) => tracing::debug!("the last use of a session was not stored: the database is busy"),
        }
    }

    async fn store_use(&self, touch: Touch) -> Result<()> {
        let tx = self.db.write().await?;
        sessions::update_last_seen(&tx, touch.session, touch.at).await?;
        if let Some(token) = touch.token {
            refresh_tokens::update_access_used(&tx, token, touch.at).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// A use of a session to be stored.
#[derive(Debug, Clone, Copy)]
struct Touch {
    session: SessionId,
    /// The id of the tokens, if this is their first use, which proves that the client received them.
    token: Option<TokenId>,
    at: Timestamp,
}

impl Touch {
    fn if_due(found: &FoundSession, token: Option<TokenId>, at: Timestamp) -> Option<Self> {
        let token = token.filter(|_| found.is_first_use);
        let is_due = token.is_some() || found.session.needs_touch(at);
        is_due.then_some(Self { session: found.session.id, token, at })
    }
}
