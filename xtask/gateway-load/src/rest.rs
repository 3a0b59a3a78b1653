//! A client for the parts of the REST API that the scenarios use: sign-up, posts, conversations and messages.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "plum tractor 92 sings";
/// Shorter than the server's own idle timeout (`listener.keep_alive_timeout_ms`), so that no request goes out on a
/// connection that the server is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct RestClient {
    client: Client<HttpConnector, Full<Bytes>>,
    /// The scheme and authority, without a trailing slash.
    origin: String,
}

/// An account and its access token.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) token: Arc<str>,
}

/// A message as `listMessages` returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedMessage {
    pub(crate) client_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) message_no: u64,
}

impl RestClient {
    pub(crate) fn new(origin: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(POOL_IDLE_TIMEOUT).build(connector);
        Self { client, origin: origin.into() }
    }

    async fn call(&self, method: Method, path: &str, token: &str, input: Option<&Value>) -> Result<Value> {
        let label = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if input.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = input.map(Value::to_string).unwrap_or_default();
        let response = async {
            let response = self.client.request(request.body(Full::from(body))?).await?;
            let status = response.status();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, response).await;
        let (status, body) = response
            .with_context(|| format!("{label}: no response in {RESPONSE_TIMEOUT:?}"))?
            .with_context(|| label.clone())?;
        ensure!(status.is_success(), "{label}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("{label}: the response is not JSON"))
    }

    /// Creates `count` accounts with native clients, at most `concurrency` at a time.
    pub(crate) async fn sign_up(&self, count: usize, concurrency: usize) -> Result<Vec<Member>> {
        let tag = unique_tag();
        let member = |number: usize| {
            let username = format!("load{tag}.{number}");
            async move {
                let input = json!({"username": username, "password": PASSWORD, "client": "native"});
                let response = self.call(Method::POST, "/api/v1/auth/signup", "", Some(&input)).await?;
                let token = string_field(&response["tokens"], "access_token")?;
                Ok(Member { id: string_field(&response["account"], "id")?.into(), token: token.into() })
            }
        };
        stream::iter((0..count).map(member)).buffer_unordered(concurrency).try_collect().await
    }

    /// Publishes a post.
    pub(crate) async fn create_post(&self, author: &Member, body: &str) -> Result<()> {
        self.call(Method::POST, "/api/v1/posts", &author.token, Some(&json!({ "text": body }))).await?;
        Ok(())
    }

    /// Creates the direct conversation of two users and returns its id.
    pub(crate) async fn create_direct_conversation(
        &self,
        creator: &Member,
        recipient: &Member,
    ) -> Result<String> {
        let input = json!({"members": [recipient.id]});
        let response = self.call(Method::POST, "/api/v1/conversations", &creator.token, Some(&input)).await?;
        Ok(string_field(&response, "id")?.into())
    }

    /// Lists all messages of a conversation, page by page.
    pub(crate) async fn list_messages(
        &self,
        reader: &Member,
        conversation: &str,
    ) -> Result<Vec<ListedMessage>> {
        let mut messages = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/conversations/{conversation}/messages?limit=100{cursor}");
            let page = self.call(Method::GET, &path, &reader.token, None).await?;
            let Some(items) = page["items"].as_array() else {
                bail!("{path}: the response has no items: {page}");
            };
            for item in items {
                messages.push(ListedMessage {
                    client_id: string_field(item, "client_id")?.parse()?,
                    seq: item["seq"].as_u64().context("a message has no seq")?,
                    message_no: item["message_no"].as_u64().context("a message has no message_no")?,
                });
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(messages),
            }
        }
    }
}

fn string_field<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

/// Generates a suffix that is unique per run and valid in usernames.
pub(crate) fn unique_tag() -> String {
    let id = new_id().simple().to_string();
    id[id.len() - 8..].into()
}

/// Generates a UUIDv7, the `client_id` of a message.
#[expect(clippy::disallowed_methods, reason = "a client uses the system clock")]
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}
