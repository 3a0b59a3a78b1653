//! A connection to the gateway for tests. It validates events and replies against the AsyncAPI document.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use blegram_http::Peer;
use futures_util::{SinkExt, StreamExt};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use poem::{
    Addr, Endpoint, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use serde_json::{Value, json};
use tokio::{
    io::DuplexStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};
use tokio_util::task::TaskTracker;

use crate::{contract::FRAMES, world::Actor};

/// The longest time that a test waits for a handshake, a frame or a close.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "blegram.v1+json");

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) ws: WebSocketStream<DuplexStream>,
    commands: u64,
    received: VecDeque<Value>,
}

impl Actor<'_> {
    /// Opens a connection as a page of the site does, and waits for `ready`.
    pub(crate) async fn connects(&self) -> Socket {
        self.connects_with_ready().await.0
    }

    /// Opens a connection, and returns the data of `ready` as well.
    pub(crate) async fn connects_with_ready(&self) -> (Socket, Value) {
        let mut socket =
            self.tries_to_connect(&[PROTOCOL, ("origin", "http://127.0.0.1:8080")]).await.unwrap();
        let ready = socket.receives("ready").await;
        (socket, ready)
    }

    /// Tries to open a connection with the cookie and the given headers. Returns the status of a rejected handshake.
    pub(crate) async fn tries_to_connect(&self, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (router, peer) = (self.router(), Peer(self.address()));
        let service = service_fn(move |request: Request<Incoming>| {
            let router = Arc::clone(&router);
            async move {
                let here = || Addr::custom("test", "");
                let from = (request, LocalAddr(here()), RemoteAddr(here()), Scheme::HTTP);
                let mut request = poem::Request::from(from);
                request.set_data(peer);
                let response: Response = router.call(request).await.unwrap();
                Ok::<_, std::convert::Infallible>(hyper::Response::from(response))
            }
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(far), service).with_upgrades();
        TaskTracker::new().spawn(serving);
        let mut request = "ws://127.0.0.1:8080/api/v1/gateway".into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        if let Some(cookie) = self.cookie() {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        match timeout(TIMEOUT, client_async(request, near)).await.unwrap() {
            Ok((ws, _)) => Ok(Socket { ws, commands: 0, received: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Socket {
    /// Sends a raw text frame.
    pub(crate) async fn sends(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    /// Sends a command and returns its reply, `ok` or `err`.
    pub(crate) async fn requests(&mut self, op: &str, d: Value) -> Value {
        let id = self.sends_command(op, &d).await;
        let frame = self.replied(id).await;
        FRAMES.check_reply(op, &frame);
        frame
    }

    /// Waits for the reply to the command `id`, and queues other frames.
    pub(crate) async fn replied(&mut self, id: u64) -> Value {
        let is_reply = |frame: &Value| frame["re"] == json!(id);
        if let Some(at) = self.received.iter().position(is_reply) {
            return self.received.remove(at).unwrap();
        }
        loop {
            let frame = self.frame().await;
            if is_reply(&frame) {
                return frame;
            }
            self.received.push_back(frame);
        }
    }

    /// Sends a command that must succeed, and returns the `ok` of its reply.
    pub(crate) async fn gets(&mut self, op: &str, d: Value) -> Value {
        let reply = self.requests(op, d).await;
        assert!(reply["err"].is_null(), "{op}: {reply}");
        reply["ok"].clone()
    }

    pub(crate) async fn sends_command(&mut self, op: &str, d: &Value) -> u64 {
        self.commands += 1;
        self.sends(&json!({ "id": self.commands, "op": op, "d": d }).to_string()).await;
        self.commands
    }

    /// Waits for the next event `name` and returns its data. Queues other frames.
    pub(crate) async fn receives(&mut self, name: &str) -> Value {
        if let Some(at) = self.received.iter().position(|frame| frame["ev"] == name) {
            return self.received.remove(at).unwrap()["d"].clone();
        }
        loop {
            let frame = self.frame().await;
            if frame["ev"] == name {
                return frame["d"].clone();
            }
            self.received.push_back(frame);
        }
    }

    /// Waits until the client knows of `seq` in a conversation, by its event or by a head.
    pub(crate) async fn learns_of(&mut self, seq: u64) {
        let position = |frame: &Value| match frame["ev"].as_str() {
            Some("message.created") => frame["d"]["seq"].as_u64(),
            Some("conversation.head") => frame["d"]["last_seq"].as_u64(),
            _ => None,
        };
        let is_known = |frame: &Value| position(frame).is_some_and(|known| known >= seq);
        if let Some(at) = self.received.iter().position(is_known) {
            self.received.remove(at);
            return;
        }
        loop {
            let frame = self.frame().await;
            if is_known(&frame) {
                return;
            }
            self.received.push_back(frame);
        }
    }

    /// Sends a command, and returns the names of the events that arrived before its reply, in order.
    pub(crate) async fn received(&mut self) -> Vec<String> {
        self.gets("open", json!({ "conversations": [] })).await;
        self.received.drain(..).map(|frame| frame["ev"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits for the close frame and returns its code.
    pub(crate) async fn closed(&mut self) -> u16 {
        let until = Instant::now() + TIMEOUT;
        loop {
            match timeout_at(until, self.ws.next()).await.expect("the connection closes in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn frame(&mut self) -> Value {
        loop {
            let frame = timeout(TIMEOUT, self.any_frame()).await.expect("a frame arrives in time");
            if frame["ping"].is_null() {
                return frame;
            }
        }
    }

    /// Waits for the next frame, which may be a ping, without a timeout.
    pub(crate) async fn any_frame(&mut self) -> Value {
        let message = self.ws.next().await.expect("the connection is open");
        let text = message.unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["ev"].is_string() {
            FRAMES.check_event(&frame);
        }
        frame
    }
}
