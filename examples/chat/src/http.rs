//! The parts of the HTTP API that the chat needs: login, token refresh, the conversation, its latest messages.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::{
    core::{AccessToken, Failure, Page},
    wire::{Message, User},
};

const TIMEOUT: Duration = Duration::from_secs(15);
/// Page size of the first load. [`FULL_PAGE`] is for loads after a `reset`.
const FIRST_PAGE: u32 = 20;
const FULL_PAGE: u32 = 100;

/// The API with the tokens of a logged-in user.
pub(crate) struct Api {
    client: Client,
    base: String,
    tokens: Mutex<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    expires_in: u64,
    refresh_token: String,
}

#[derive(Deserialize)]
pub(crate) struct Conversation {
    pub(crate) id: Uuid,
    pub(crate) members: Vec<User>,
}

#[derive(Deserialize)]
struct AuthResult {
    account: User,
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct MessagePage {
    items: Vec<Message>,
    next_cursor: Option<String>,
    last_seq: u64,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Api {
    /// Logs in as a native app. The tokens in the response are kept in memory only.
    pub(crate) async fn log_in(url: &Url, login: &str, password: &str) -> Result<(Self, User)> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        let base = format!("{}/api/v1", url.as_str().trim_end_matches('/'));
        let body =
            json!({ "login": login, "password": password, "client": "native", "device_name": "terminal" });
        let request = client.post(format!("{base}/auth/login")).json(&body);
        let AuthResult { account, tokens } = answer(request).await.map_err(reported)?;
        let tokens = tokens.context("the server returned no tokens")?;
        Ok((Self { client, base, tokens: Mutex::new(tokens) }, account))
    }

    /// The current access token.
    pub(crate) fn access_token(&self) -> AccessToken {
        let tokens = self.tokens();
        let lifetime = Duration::from_secs(tokens.expires_in);
        AccessToken { secret: tokens.access_token.clone(), lifetime }
    }

    /// Exchanges the refresh token for new tokens. Only one task at a time may do that, because the token is
    /// single-use. If the response is lost, the same refresh token gets the same response again.
    pub(crate) async fn refresh(&self) -> Result<AccessToken, Failure> {
        let refresh_token = self.tokens().refresh_token.clone();
        let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh_token });
        let tokens = answer(self.client.post(format!("{}/auth/token", self.base)).json(&body)).await?;
        *self.tokens() = tokens;
        Ok(self.access_token())
    }

    /// Opens the direct conversation with an account; starts it if there is none.
    pub(crate) async fn open_direct(&self, with: &str) -> Result<Conversation> {
        let member = format!("@{}", with.trim_start_matches('@'));
        let request = self.client.post(format!("{}/conversations", self.base));
        let request = request.json(&json!({ "members": [member] }));
        answer(self.authorized(request)).await.map_err(reported)
    }

    /// Loads an existing conversation.
    pub(crate) async fn conversation(&self, id: Uuid) -> Result<Conversation> {
        let request = self.client.get(format!("{}/conversations/{id}", self.base));
        answer(self.authorized(request)).await.map_err(reported)
    }

    /// Loads the latest messages, oldest first; with `down_to`, all messages after that number.
    pub(crate) async fn latest(&self, conversation: Uuid, down_to: Option<u64>) -> Result<Page, Failure> {
        let limit = if down_to.is_some() { FULL_PAGE } else { FIRST_PAGE };
        let mut page = self.messages(conversation, limit, None).await?;
        // From the first page: events that occur while the other pages load must not be missed.
        let last_seq = page.last_seq;
        let mut messages = std::mem::take(&mut page.items);
        while let Some(down_to) = down_to
            && messages.last().is_some_and(|oldest| oldest.message_no > down_to + 1)
            && let Some(cursor) = page.next_cursor.take()
        {
            page = self.messages(conversation, limit, Some(&cursor)).await?;
            messages.append(&mut page.items);
        }
        messages.reverse();
        Ok(Page { messages, last_seq })
    }

    async fn messages(&self, at: Uuid, limit: u32, cursor: Option<&str>) -> Result<MessagePage, Failure> {
        let url = format!("{}/conversations/{at}/messages", self.base);
        let mut url = Url::parse(&url).map_err(|error| Failure::Fatal(error.to_string()))?;
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        answer(self.authorized(self.client.get(url))).await
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.tokens().access_token)
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Failure> {
    let temporary = |error: reqwest::Error| Failure::Temporary { detail: reason(&error), retry_after: None };
    let response = request.send().await.map_err(temporary)?;
    if !response.status().is_success() {
        return Err(rejection(response).await);
    }
    response.json().await.map_err(temporary)
}

async fn rejection(response: Response) -> Failure {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(seconds);
    let problem = response.json().await.map(|problem: Problem| problem.detail);
    Failure::of_status(status, retry_after, problem.unwrap_or_else(|_| status.to_string()))
}

/// Parses a `Retry-After` in seconds. A date is ignored; then the client's own backoff applies.
pub(crate) fn seconds(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

impl Failure {
    fn of_status(status: StatusCode, retry_after: Option<Duration>, detail: String) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::TOO_MANY_REQUESTS => Self::Temporary { detail, retry_after },
            _ if status.is_server_error() => Self::Temporary { detail, retry_after },
            _ => Self::Fatal(detail),
        }
    }
}

/// The innermost cause, which is the most specific ("connection refused").
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), reason)
}

fn reported(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Unauthorized => anyhow!("wrong username or password"),
        Failure::Temporary { detail, .. } | Failure::Fatal(detail) => anyhow!(detail),
    }
}
