//! The HTTP API, as far as it is needed to bring about what the gateway tells.

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
/// Less than the server keeps idle connections (`listener.keep_alive_timeout_ms`).
const IDLE: Duration = Duration::from_secs(4);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Rest {
    client: Client<HttpConnector, Full<Bytes>>,
    /// `http://` and the authority.
    origin: String,
}

/// Somebody who has signed up.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) token: Arc<str>,
}

/// A message as the list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) client_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) message_no: u64,
}

impl Rest {
    pub(crate) fn new(origin: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        Self { client, origin: origin.into() }
    }

    async fn call(&self, method: Method, path: &str, token: &str, input: Option<&Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if input.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = input.map(Value::to_string).unwrap_or_default();
        let answer = async {
            let answer = self.client.request(request.body(Full::from(body))?).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await;
        let (status, body) =
            answer.with_context(|| format!("{what}: no answer"))?.with_context(|| what.clone())?;
        ensure!(status.is_success(), "{what}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("{what}: the answer is no JSON"))
    }

    /// Makes accounts of apps, so many at a time.
    pub(crate) async fn sign_up(&self, count: usize, at_once: usize) -> Result<Vec<Member>> {
        let tag = tag();
        let member = |number: usize| {
            let username = format!("load{tag}.{number}");
            async move {
                let input = json!({"username": username, "password": PASSWORD, "client": "native"});
                let answer = self.call(Method::POST, "/api/v1/auth/signup", "", Some(&input)).await?;
                let token = text(&answer["tokens"], "access_token")?;
                Ok(Member { id: text(&answer["account"], "id")?.into(), token: token.into() })
            }
        };
        stream::iter((0..count).map(member)).buffer_unordered(at_once).try_collect().await
    }

    /// Publishes a post.
    pub(crate) async fn post(&self, author: &Member, body: &str) -> Result<()> {
        self.call(Method::POST, "/api/v1/posts", &author.token, Some(&json!({ "text": body }))).await?;
        Ok(())
    }

    /// The id of the direct conversation of two.
    pub(crate) async fn direct(&self, one: &Member, other: &Member) -> Result<String> {
        let input = json!({"members": [other.id]});
        let answer = self.call(Method::POST, "/api/v1/conversations", &one.token, Some(&input)).await?;
        Ok(text(&answer, "id")?.into())
    }

    /// All messages of a conversation.
    pub(crate) async fn messages(&self, reader: &Member, conversation: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/conversations/{conversation}/messages?limit=100{cursor}");
            let page = self.call(Method::GET, &path, &reader.token, None).await?;
            let Some(items) = page["items"].as_array() else {
                bail!("{path}: no items in {page}");
            };
            for item in items {
                listed.push(Listed {
                    client_id: text(item, "client_id")?.parse()?,
                    seq: item["seq"].as_u64().context("a message has no seq")?,
                    message_no: item["message_no"].as_u64().context("a message has no number")?,
                });
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(listed),
            }
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

/// Something that no other run has, of characters that usernames may have.
pub(crate) fn tag() -> String {
    let id = new_id().simple().to_string();
    id[id.len() - 8..].into()
}

/// What a device calls a message.
#[expect(clippy::disallowed_methods, reason = "this is a client: it has no clock but its own")]
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}
