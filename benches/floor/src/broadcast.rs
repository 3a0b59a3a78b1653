//! A bare fan-out with tokio-tungstenite: a post is serialised once, and the task of each connection sends it.
//!
//! Speaks as much of blegram's REST API and gateway protocol as `xtask-gateway-load fanout` and `idle` need, so that the same
//! generator measures both. It stores nothing: the time until the last connection has the post has no commit in it.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use blegram_domain::{Clock, PostId, SystemClock, UserId};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, body::Incoming, header::CONTENT_TYPE, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{Receiver, Sender, channel, error::RecvError},
    task::JoinSet,
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Message, Utf8Bytes,
        handshake::server::{Request as Handshake, Response as Accepted},
        http::HeaderValue,
        protocol::WebSocketConfig,
    },
};

use crate::{database::PostRow, json::Post};

/// Posts that a connection may be behind.
const BEHIND: usize = 64;
const GATEWAY: &[u8] = b"GET /api/v1/gateway";
/// That of the gateway and of the generator, so that memory per connection can be compared.
const BUFFER_BYTES: usize = 4 * 1024;

#[derive(Serialize)]
struct Event<'a> {
    ev: &'static str,
    d: PostEvent<'a>,
}

#[derive(Serialize)]
struct PostEvent<'a> {
    topic: &'static str,
    post: Post<'a>,
}

#[derive(Deserialize)]
struct TextBody {
    text: String,
}

#[tokio::main]
pub(crate) async fn run(listen: SocketAddr) -> Result<()> {
    // Each connection is an open file.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let listener = TcpListener::bind(listen).await.context("binding the address")?;
    let posts = Arc::new(channel(BEHIND).0);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(serve(stream, Arc::clone(&posts)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, posts: Arc<Sender<Utf8Bytes>>) -> Result<()> {
    let mut head = [0; GATEWAY.len()];
    // Shorter at first only if the client sends its request in pieces, which the generator does not.
    let length = stream.peek(&mut head).await?;
    if head[..length] == *GATEWAY {
        return listen(stream, posts.subscribe()).await;
    }
    let service = service_fn(move |request| answer(Arc::clone(&posts), request));
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

/// Sends every post to one connection.
async fn listen(stream: TcpStream, mut posts: Receiver<Utf8Bytes>) -> Result<()> {
    #[expect(clippy::result_large_err, reason = "the signature of tungstenite's callback")]
    let accept = |_: &Handshake, mut response: Accepted| {
        let protocol = HeaderValue::from_static("blegram.v1+json");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    let mut socket = accept_hdr_async_with_config(stream, accept, Some(config)).await?;
    socket.send(Message::text(r#"{"ev":"ready","d":{}}"#)).await?;
    loop {
        tokio::select! {
            post = posts.recv() => match post {
                Ok(post) => socket.send(Message::Text(post)).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(_))) => {
                    // The only command of the generator.
                    socket.send(Message::text(r#"{"re":1,"ok":{"topics":{"timeline:public":"ok"}}}"#)).await?;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

async fn answer(posts: Arc<Sender<Utf8Bytes>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let (status, body) = match path.as_str() {
        "/readyz" => (200, Vec::new()),
        "/api/v1/auth/signup" => {
            let id = UserId::generate(SystemClock.now()).as_uuid();
            let account = json!({"account": {"id": id}, "tokens": {"access_token": id}});
            (201, account.to_string().into_bytes())
        }
        "/api/v1/posts" => (201, publish(&posts, serde_json::from_slice(&body)?)?),
        _ => (404, Vec::new()),
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(body))?)
}

/// Sends a post to all connections and returns it.
fn publish(posts: &Sender<Utf8Bytes>, TextBody { text }: TextBody) -> Result<Vec<u8>> {
    let now = SystemClock.now();
    let row = PostRow {
        id: PostId::generate(now).as_uuid(),
        text,
        hashtags: Vec::new(),
        visibility: "public".to_owned(),
        like_count: 0,
        comment_count: 0,
        created_at: now,
        edited_at: None,
        author_id: UserId::generate(now).as_uuid(),
        username: "load12345678.0".to_owned(),
        display_name: "load12345678.0".to_owned(),
        avatar_key: None,
        marks: None,
        media: Vec::new(),
    };
    let event =
        Event { ev: "post.created", d: PostEvent { topic: "timeline:public", post: Post::new(&row, "") } };
    // Fails only if there is no connection.
    let _ = posts.send(serde_json::to_string(&event)?.into());
    Ok(serde_json::to_vec(&event.d.post)?)
}
