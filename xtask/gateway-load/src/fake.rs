//! A fake server for tests. It implements the parts of the REST API and the gateway protocol that the scenarios use,
//! and injects the [`Fault`] that a test selects.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{interval, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role},
    },
};
use tokio_util::task::TaskTracker;

/// The fault that the server injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One connection does not receive the second post.
    LosePost,
    /// One connection receives the second post twice.
    DoublePost,
    /// The third message is acknowledged but not stored.
    LoseMessage,
    /// The third message is stored twice.
    DoubleMessage,
    /// Every third message is rejected with `rate-limited`.
    RateLimit,
    /// Every other handshake is rejected with 503.
    RejectHandshake,
    /// Connections are closed with 4001 as soon as they answer a ping.
    ExpireToken,
}

pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    fault: Fault,
    tasks: TaskTracker,
    handshakes: AtomicUsize,
    posts: AtomicUsize,
    messages: AtomicUsize,
    sockets: Mutex<Vec<Client>>,
    conversations: Mutex<HashMap<String, Conversation>>,
}

struct Client {
    user: String,
    is_subscribed: bool,
    frames: mpsc::UnboundedSender<String>,
}

struct Conversation {
    members: [String; 2],
    messages: Vec<Value>,
}

type HttpResponse = Response<Full<Bytes>>;

impl FakeServer {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            fault,
            tasks: TaskTracker::new(),
            handshakes: AtomicUsize::new(0),
            posts: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            sockets: Mutex::default(),
            conversations: Mutex::default(),
        });
        let accept_state = Arc::clone(&state);
        state.tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&accept_state);
                accept_state.tasks.spawn(async move {
                    let service = service_fn(move |request| Arc::clone(&state).handle_request(request));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.with_upgrades().await;
                });
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn handshakes(&self) -> usize {
        self.state.handshakes.load(Relaxed)
    }
}

fn json_response(status: u16, body: &Value) -> HttpResponse {
    Response::builder().status(status).body(Full::from(body.to_string())).unwrap()
}

impl State {
    fn sockets(&self) -> MutexGuard<'_, Vec<Client>> {
        self.sockets.lock().unwrap()
    }

    async fn handle_request(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<HttpResponse, hyper::Error> {
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let user = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
        let path = request.uri().path().to_owned();
        if path == "/api/v1/gateway" {
            return Ok(self.upgrade(&mut request, user));
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        let input: Value = serde_json::from_slice(&body).unwrap_or_default();
        Ok(match path.as_str() {
            "/api/v1/auth/signup" => {
                let id = &input["username"];
                json_response(201, &json!({"account": {"id": id}, "tokens": {"access_token": id}}))
            }
            "/api/v1/posts" => self.create_post(&input),
            "/api/v1/conversations" => {
                let id = format!("conversation of {user}");
                let members = [user, input["members"][0].as_str().unwrap().into()];
                let conversation = Conversation { members, messages: Vec::new() };
                let id = id.replace(' ', "-");
                self.conversations.lock().unwrap().insert(id.clone(), conversation);
                json_response(201, &json!({ "id": id }))
            }
            path => self.list_messages(path.split('/').nth(4).unwrap_or_default(), &query),
        })
    }

    fn create_post(&self, input: &Value) -> HttpResponse {
        let number = self.posts.fetch_add(1, Relaxed) + 1;
        let d = json!({"topic": "timeline:public", "post": {"id": number, "text": input["text"]}});
        let frame = json!({"ev": "post.created", "d": d}).to_string();
        let sockets = self.sockets();
        let subscribed = sockets.iter().filter(|client| client.is_subscribed);
        for (index, client) in subscribed.enumerate() {
            let times = match self.fault {
                Fault::LosePost if (index, number) == (0, 2) => 0,
                Fault::DoublePost if (index, number) == (0, 2) => 2,
                _ => 1,
            };
            for _ in 0..times {
                let _ = client.frames.send(frame.clone());
            }
        }
        json_response(201, &json!({ "id": number }))
    }

    /// Returns three messages per page, newest first.
    fn list_messages(&self, conversation: &str, query: &str) -> HttpResponse {
        let conversations = self.conversations.lock().unwrap();
        let messages = &conversations[conversation].messages;
        let before = query.split("cursor=").nth(1).map_or(messages.len(), |cursor| cursor.parse().unwrap());
        let from = before.saturating_sub(3);
        let items: Vec<_> = messages[from..before].iter().rev().collect();
        let next = (from > 0).then(|| from.to_string());
        json_response(200, &json!({"items": items, "next_cursor": next}))
    }

    fn upgrade(self: &Arc<Self>, request: &mut Request<Incoming>, user: String) -> HttpResponse {
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("sec-websocket-protocol"), "blegram.v1+json");
        let number = self.handshakes.fetch_add(1, Relaxed);
        if self.fault == Fault::RejectHandshake && number.is_multiple_of(2) {
            return json_response(503, &json!({"code": "overloaded"}));
        }
        let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
        let (upgrade_future, state) = (upgrade::on(request), Arc::clone(self));
        self.tasks.spawn(async move {
            let stream = TokioIo::new(upgrade_future.await.unwrap());
            state
                .serve_socket(WebSocketStream::from_raw_socket(stream, Role::Server, None).await, user)
                .await;
        });
        let response = Response::builder().status(101).header("connection", "upgrade");
        let response = response.header("upgrade", "websocket").header("sec-websocket-accept", accept);
        response.header("sec-websocket-protocol", "blegram.v1+json").body(Full::default()).unwrap()
    }

    async fn serve_socket(&self, mut ws: WebSocketStream<TokioIo<upgrade::Upgraded>>, user: String) {
        let (frames, mut outgoing) = mpsc::unbounded_channel();
        frames.send(json!({"ev": "ready", "d": {}}).to_string()).unwrap();
        let index = {
            let mut sockets = self.sockets();
            sockets.push(Client { user: user.clone(), is_subscribed: false, frames });
            sockets.len() - 1
        };
        let mut pings = interval(Duration::from_millis(20));
        loop {
            let text = tokio::select! {
                frame = outgoing.recv() => frame.unwrap(),
                _ = pings.tick() => json!({ "ping": 1 }).to_string(),
                received = ws.next() => match received {
                    Some(Ok(Message::Text(text))) if text.starts_with(r#"{"pong":1"#) => {
                        if self.fault == Fault::ExpireToken {
                            let frame = CloseFrame { code: 4001.into(), reason: "expired".into() };
                            let _ = ws.close(Some(frame)).await;
                            while let Some(Ok(_)) = ws.next().await {}
                            return;
                        }
                        continue;
                    }
                    Some(Ok(Message::Text(text))) => self.run_command(index, &user, &text),
                    _ => return,
                },
            };
            // Closes the connection of a client that does not read for this long.
            if !matches!(timeout(Duration::from_millis(300), ws.send(text.into())).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    fn run_command(&self, index: usize, user: &str, text: &str) -> String {
        let command: Value = serde_json::from_str(text).unwrap();
        let re = &command["id"];
        let d = &command["d"];
        if command["op"] == "subscribe" {
            self.sockets()[index].is_subscribed = true;
            return json!({"re": re, "ok": {"topics": {"timeline:public": "ok"}}}).to_string();
        }
        assert_eq!(command["op"], "message.send");
        let number = self.messages.fetch_add(1, Relaxed) + 1;
        if self.fault == Fault::RateLimit && number.is_multiple_of(3) {
            return json!({"re": re, "err": {"code": "rate-limited", "retry_after_ms": 5}}).to_string();
        }
        let mut conversations = self.conversations.lock().unwrap();
        let conversation = conversations.get_mut(d["conversation_id"].as_str().unwrap()).unwrap();
        assert!(conversation.members.iter().any(|member| member == user));
        let seq = conversation.messages.len() + 1;
        let times = match self.fault {
            Fault::LoseMessage if number == 3 => 0,
            Fault::DoubleMessage if number == 3 => 2,
            _ => 1,
        };
        for copy in 0..times {
            let no = seq + copy;
            let message =
                json!({"client_id": d["client_id"], "seq": no, "message_no": no, "text": d["text"]});
            let event = json!({"ev": "message.created", "d": {"seq": no, "message": message}}).to_string();
            for client in self.sockets().iter().filter(|client| conversation.members.contains(&client.user)) {
                let _ = client.frames.send(event.clone());
            }
            conversation.messages.push(message);
        }
        json!({"re": re, "ok": {"seq": seq, "message_no": seq, "duplicate": false}}).to_string()
    }
}
