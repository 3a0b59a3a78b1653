//! The session of a native app: an access token for each call, and a single-use refresh token for the next one.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Method;
use tokio::time::Instant;

use super::{Client, request::Request};
use crate::{
    error::Error,
    types::{GrantType, IssueToken, Tokens},
};

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The value of `Authorization: Bearer`.
    pub secret: String,
    /// For how long it is valid from now on.
    pub lifetime: Duration,
}

/// The tokens of a client.
#[derive(Default)]
pub(super) struct Session {
    current: Mutex<Option<Current>>,
    /// Locked while a refresh is in flight: a refresh token is valid once, so calls share the refresh.
    refreshing: tokio::sync::Mutex<()>,
}

struct Current {
    tokens: Tokens,
    /// By the monotonic clock: the wall clock of a device may be wrong.
    expires_at: Instant,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, tokens: Tokens) {
        let expires_at = Instant::now() + Duration::from_secs(tokens.expires_in);
        *self.lock() = Some(Current { tokens, expires_at });
    }
}

impl Client {
    /// The tokens of the session, to be stored where only this program can read them; `None` without a login.
    #[must_use]
    pub fn tokens(&self) -> Option<Tokens> {
        self.shared.session.lock().as_ref().map(|current| current.tokens.clone())
    }

    /// Continues the session of stored tokens. The access token may have expired meanwhile.
    pub fn restore(&self, tokens: Tokens) {
        self.shared.session.store(tokens);
    }

    pub(super) fn drop_tokens(&self) {
        *self.shared.session.lock() = None;
    }

    /// The current access token, for a connection to the gateway.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a login.
    pub fn access_token(&self) -> Result<AccessToken, Error> {
        let current = self.shared.session.lock();
        let current = current.as_ref().ok_or_else(not_logged_in)?;
        let lifetime = current.expires_at.saturating_duration_since(Instant::now());
        Ok(AccessToken { secret: current.tokens.access_token.clone(), lifetime })
    }

    /// The access token for a call, refreshed if it is about to expire; `None` without a login.
    pub(super) async fn current_token(&self) -> Result<Option<String>, Error> {
        let Ok(token) = self.access_token() else { return Ok(None) };
        if token.lifetime > Duration::from_secs(5) {
            return Ok(Some(token.secret));
        }
        self.renew(&token.secret).await.map(|token| Some(token.secret))
    }

    /// Exchanges the refresh token for new tokens, whatever the age of the current ones.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the session has ended.
    pub async fn refresh(&self) -> Result<AccessToken, Error> {
        let current = self.access_token()?;
        self.renew(&current.secret).await
    }

    /// Replaces the access token `old`, unless another call has done so meanwhile.
    pub(super) async fn renew(&self, old: &str) -> Result<AccessToken, Error> {
        let _refreshing = self.shared.session.refreshing.lock().await;
        let current = self.access_token()?;
        if current.secret != old {
            return Ok(current);
        }
        let tokens = self.tokens().ok_or_else(not_logged_in)?;
        let grant = IssueToken {
            grant_type: GrantType::from("refresh_token".to_owned()),
            refresh_token: Some(tokens.refresh_token),
            code: None,
            code_verifier: None,
            redirect_uri: None,
        };
        // If the response is lost, the same token gets the same response again.
        let request = Request::new(self, Method::POST, "/auth/token".to_owned()).anonymous().repeatable();
        // Boxed, because a call may need a refresh, which is a call.
        let tokens = Box::pin(request.json(&grant).send()).await?;
        self.shared.session.store(tokens);
        self.access_token()
    }
}

fn not_logged_in() -> Error {
    Error::Unauthorized("not logged in".to_owned())
}
