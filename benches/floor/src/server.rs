//! HTTP: a request is parsed, answered by one call of [`Database`], and written.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use blegram_domain::{Clock, SystemClock, Timestamp};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, COOKIE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::database::Database;

const COOKIE_NAME: &str = "auth-blegram=";
const PREFIX: &str = "/api/v1/";

struct Floor {
    database: Database,
    site: String,
    /// A client that disconnects drops its request. A transaction has to end all the same, because its connection is used
    /// again.
    writes: TaskTracker,
}

/// The answer of a route: status and JSON; `None` is a 404.
type Answer = Option<(StatusCode, Vec<u8>)>;

#[derive(Deserialize)]
struct TextBody {
    text: String,
    /// Only of a post.
    #[serde(default)]
    media_ids: Vec<Uuid>,
}

#[tokio::main]
pub(crate) async fn run(database: &str, listen: SocketAddr, site: String) -> Result<()> {
    let floor =
        Arc::new(Floor { database: Database::open(database).await?, site, writes: TaskTracker::new() });
    let listener = TcpListener::bind(listen).await.context("binding the address")?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let floor = Arc::clone(&floor);
        let service = service_fn(move |request| answer(Arc::clone(&floor), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        // Connections that ended, so that the set does not grow.
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(floor: Arc<Floor>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let result = if request.method() == Method::GET {
        floor.route(request).await
    } else {
        let writing = Arc::clone(&floor);
        floor.writes.spawn(async move { writing.route(request).await }).await?
    };
    let (status, body) = match result {
        Ok(Some(answer)) => answer,
        Ok(None) => (StatusCode::NOT_FOUND, Vec::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}").into_bytes()),
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(body))?)
}

impl Floor {
    async fn route(&self, request: Request<Incoming>) -> Result<Answer> {
        let now = SystemClock.now();
        let hash = request
            .headers()
            .get(COOKIE)
            .and_then(|cookie| Some(Sha256::digest(cookie.to_str().ok()?.strip_prefix(COOKIE_NAME)?)));
        let hash = hash.as_deref();
        let (head, body) = request.into_parts();
        let limit = head.uri.query().and_then(|query| query.strip_prefix("limit=")?.parse().ok());
        let limit = limit.unwrap_or(20);
        let path = head.uri.path();
        let Some(path) = path.strip_prefix(PREFIX) else {
            return Ok((path == "/readyz").then(|| (StatusCode::OK, Vec::new())));
        };
        let segments: Vec<&str> = path.split('/').collect();
        if let Some(hash) = hash
            && let Some(answer) = self.write(&head.method, &segments, body, (hash, now)).await?
        {
            return Ok(Some(answer));
        }
        let session = hash.map(|hash| (hash, now.as_micros()));
        let found = match (&head.method, segments.as_slice()) {
            (&Method::GET, ["posts", id]) => self.database.post(id.parse()?, session, &self.site).await?,
            (&Method::GET, ["timelines", "public"]) => {
                Some(self.database.public(limit, session, &self.site).await?)
            }
            (&Method::GET, ["timelines", "home"]) if session.is_some() => {
                Some(self.database.home(limit, session, &self.site).await?)
            }
            _ => None,
        };
        Ok(found.map(|body| (StatusCode::OK, body)))
    }

    async fn write(
        &self,
        method: &Method,
        segments: &[&str],
        body: Incoming,
        actor: (&[u8], Timestamp),
    ) -> Result<Answer> {
        let site = &self.site;
        let created = |body: Option<Vec<u8>>| body.map(|body| (StatusCode::CREATED, body));
        Ok(match (method, segments) {
            (&Method::POST, ["posts"]) => {
                let TextBody { text, media_ids } = read(body).await?;
                created(self.database.create_post(actor, (&text, media_ids), site).await?)
            }
            (&Method::POST, ["posts", id, "comments"]) => {
                let post: Uuid = id.parse()?;
                created(self.database.create_comment(actor, post, &read(body).await?.text, site).await?)
            }
            (&Method::PUT | &Method::DELETE, ["posts", id, "like"]) => {
                let liked = self.database.set_like(actor, id.parse()?, method == Method::PUT).await?;
                liked.map(|body| (StatusCode::OK, body))
            }
            _ => None,
        })
    }
}

async fn read(body: Incoming) -> Result<TextBody> {
    Ok(serde_json::from_slice(&body.collect().await?.to_bytes())?)
}
