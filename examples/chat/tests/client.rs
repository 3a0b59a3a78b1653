//! Runs the binary against a minimal server that behaves as documented, and that dies in the middle of a chat.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::StatusCode,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

const CONVERSATION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const ANN: &str = "01890a5d-ac96-774b-bcce-b302099a80a1";
const BOB: &str = "01890a5d-ac96-774b-bcce-b302099a80b2";
/// The `client_id` of another client.
const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a80c3";

/// A server with one conversation.
struct Server(Mutex<State>);

/// `seq` equals `message_no`, because all events are messages.
struct State {
    /// Sender, text and `client_id`.
    messages: Vec<(&'static str, String, Value)>,
    access_token: &'static str,
    commands: Vec<String>,
    /// Die once when this text arrives: after storing it, before any reply or event.
    dies_on: Option<&'static str>,
    /// Close the connection with this code at the first command.
    closes: Option<u16>,
}

impl State {
    fn new() -> Self {
        let earlier = (BOB, "earlier".to_owned(), json!(UNKNOWN));
        Self {
            messages: vec![earlier],
            access_token: "access-1",
            commands: Vec::new(),
            dies_on: None,
            closes: None,
        }
    }

    fn answer_http(&self, path: &str, body: &Value) -> Value {
        let tokens = |access: &str, refresh: &str| {
            json!({
                "access_token": access, "token_type": "Bearer", "expires_in": 600,
                "refresh_token": refresh, "refresh_expires_in": 6000,
            })
        };
        let [ann, bob] = [ANN, BOB].map(user);
        match path.strip_suffix("?limit=20").unwrap_or(path) {
            "POST /api/v1/auth/login" => {
                let expected = json!({
                    "login": "ann", "password": "correct horse", "client": "native", "device_name": "terminal",
                });
                assert_eq!(*body, expected);
                json!({ "account": account(), "tokens": tokens("access-1", "refresh-1") })
            }
            "POST /api/v1/auth/token" => {
                assert_eq!(*body, json!({ "grant_type": "refresh_token", "refresh_token": "refresh-1" }));
                tokens("access-2", "refresh-2")
            }
            "POST /api/v1/conversations" => {
                assert_eq!(*body, json!({ "members": ["@bob"] }));
                json!({
                    "id": CONVERSATION, "kind": "direct", "members": [ann, bob], "last_seq": 1, "last_message_no": 1,
                    "unread_count": 1, "read_no": 0, "read_states": [], "is_muted": false,
                    "created_at": "2026-01-01T00:00:00Z",
                })
            }
            "GET /api/v1/me" => account(),
            "GET /api/v1/conversations/01890a5d-ac96-774b-bcce-b302099a8057/messages" => {
                let newest_first: Vec<Value> =
                    (1..=self.messages.len()).rev().map(|no| self.message(no)).collect();
                let last_seq = self.messages.len();
                json!({ "items": newest_first, "next_cursor": null, "prev_cursor": "p", "last_seq": last_seq })
            }
            path => panic!("{path} was not expected"),
        }
    }

    /// The frames that answer a command; `None` if the server dies of it.
    fn command(&mut self, frame: &Value) -> Option<Vec<Value>> {
        let mut frames = Vec::new();
        let (op, d) = (frame["op"].as_str().unwrap(), &frame["d"]);
        self.commands.push(op.to_owned());
        let head = self.messages.len();
        let ok = match op {
            "sync" => {
                let head = json!({
                    "conversation_id": CONVERSATION, "last_seq": head, "last_message_no": head, "read_no": 0,
                    "unread_count": head,
                });
                json!({
                    "cursor": "c", "heads": [head], "removed": [], "more": false, "unread": 0, "topics": {},
                    "presence": [],
                })
            }
            "history" => {
                let after = usize::try_from(d["after"].as_u64().unwrap()).unwrap();
                let events: Vec<Value> = (after + 1..=head).map(|seq| self.created(seq)).collect();
                json!({ "events": events, "head_seq": head, "more": false, "reset": false })
            }
            "message.send" => {
                let existing = self.messages.iter().position(|(_, _, id)| *id == d["client_id"]);
                let text = d["text"].as_str().unwrap();
                if existing.is_none() {
                    self.messages.push((ANN, text.to_owned(), d["client_id"].clone()));
                }
                if self.dies_on.take_if(|fatal| *fatal == text).is_some() {
                    return None;
                }
                let no = existing.map_or(self.messages.len(), |index| index + 1);
                frames.push(self.created(no));
                let message = self.message(no);
                json!({
                    "seq": no, "message_no": no, "id": message["id"], "created_at": message["created_at"],
                    "duplicate": existing.is_some(),
                })
            }
            "read" => json!({ "read_no": d["message_no"], "unread_count": 0 }),
            op => panic!("{op} was not expected"),
        };
        frames.push(json!({ "re": frame["id"], "ok": ok }));
        Some(frames)
    }

    fn created(&self, seq: usize) -> Value {
        let d = json!({
            "conversation_id": CONVERSATION, "seq": seq, "at": "2026-01-01T00:00:00Z", "message": self.message(seq),
        });
        json!({ "ev": "message.created", "d": d })
    }

    fn message(&self, no: usize) -> Value {
        let (sender, text, client_id) = &self.messages[no - 1];
        json!({
            "id": format!("01890a5d-ac96-774b-bcce-{no:012}"), "conversation_id": CONVERSATION, "seq": no,
            "message_no": no, "sender": user(sender), "client_id": client_id, "text": text, "media": [],
            "reply_to": null, "created_at": "2026-01-01T00:00:00Z", "edited_at": null, "is_deleted": false,
        })
    }
}

impl Server {
    /// Serves connections, until dropped.
    async fn serve(&self, mut listener: TcpListener) {
        let address = listener.local_addr().unwrap();
        loop {
            let mut connections = FuturesUnordered::new();
            // Ends with the death of the server.
            loop {
                tokio::select! {
                    Some(died) = connections.next() => if died { break },
                    accepted = listener.accept() => connections.push(self.connection(accepted.unwrap().0)),
                }
            }
            drop((connections, listener));
            self.0.lock().unwrap().messages.push((BOB, "meanwhile".to_owned(), json!(UNKNOWN)));
            self.0.lock().unwrap().access_token = "access-2";
            listener = TcpListener::bind(address).await.unwrap();
        }
    }

    /// Serves one connection; returns whether the server died.
    async fn connection(&self, stream: TcpStream) -> bool {
        let mut start = [0; 20];
        while stream.peek(&mut start).await.unwrap() < start.len() {}
        if start.starts_with(b"GET /api/v1/gateway ") {
            return self.gateway(stream).await;
        }
        self.http(stream).await;
        false
    }

    async fn http(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        while stream.read_line(&mut head).await.unwrap() > 2 {
            let line = head.lines().last().unwrap().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let answer = self.0.lock().unwrap().answer_http(&path, &body).to_string();
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
    }

    /// Serves a WebSocket connection; returns whether the server died.
    async fn gateway(&self, stream: TcpStream) -> bool {
        let expected = format!("Bearer {}", self.0.lock().unwrap().access_token);
        #[expect(clippy::result_large_err, reason = "the signature is that of tungstenite")]
        let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let header = |name: &str| request.headers()[name].to_str().unwrap();
            assert_eq!(header("sec-websocket-protocol"), "blegram.v1+json");
            if header("authorization") != expected {
                let unauthorized = Response::builder().status(StatusCode::UNAUTHORIZED).body(None);
                return Err(unauthorized.unwrap());
            }
            let protocol = "blegram.v1+json".parse().unwrap();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, check).await else { return false };
        let ready = json!({
            "proto": 1, "connection_id": CONVERSATION, "user_id": ANN, "now": "2026-01-01T00:00:00Z", "heartbeat_ms": 25_000,
            "auth_expires_in_ms": 600_000, "degraded": false,
            "limits": {
                "message_bytes": 16_384, "commands_per_second": 5, "command_burst": 20, "topics": 64,
                "open_conversations": 16, "watched_users": 100,
            },
        });
        send_frame(&mut socket, &json!({ "ev": "ready", "d": ready })).await;
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let frame: Value = serde_json::from_str(&text).unwrap();
            let closes = self.0.lock().unwrap().closes;
            if let Some(code) = closes {
                let frame = CloseFrame { code: CloseCode::from(code), reason: "the session ended".into() };
                let _ = socket.close(Some(frame)).await;
                while let Some(Ok(_)) = socket.next().await {}
                return false;
            }
            let answers = self.0.lock().unwrap().command(&frame);
            let Some(answers) = answers else { return true };
            for answer in answers {
                send_frame(&mut socket, &answer).await;
            }
        }
        false
    }
}

fn account() -> Value {
    json!({
        "id": ANN, "username": "ann", "display_name": "ann", "bio": "", "is_private": false, "post_count": 0,
        "follower_count": 0, "following_count": 0, "created_at": "2026-01-01T00:00:00Z", "email_verified": false,
        "has_password": true, "role": "user", "discoverable": true, "messages_from": "everyone",
        "login_notices": true,
    })
}

fn user(id: &str) -> Value {
    let name = if id == ANN { "ann" } else { "bob" };
    json!({ "id": id, "username": name, "display_name": name, "avatar_url": null })
}

async fn send_frame(socket: &mut WebSocketStream<TcpStream>, frame: &Value) {
    // Ignores a client that has disconnected.
    let _ = socket.send(Message::text(frame.to_string())).await;
}

/// Runs the client with `lines` as its standard input and returns its output and exit status.
fn client(server: SocketAddr, lines: &'static str) -> Output {
    let mut client = Command::new(env!("CARGO_BIN_EXE_blegram-example-chat"))
        .args(["--url", &format!("http://{server}"), "--login", "ann", "--with", "bob"])
        .env("CHAT_PASSWORD", "correct horse")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    client.wait_with_output().unwrap()
}

async fn chat(server: &Server, lines: &'static str) -> (Option<i32>, String, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::task::spawn_blocking(move || client(address, lines));
    let output = tokio::select! {
        output = client => output.unwrap(),
        () = server.serve(listener) => unreachable!("serves until dropped"),
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn server_crash_loses_and_duplicates_no_messages() {
    let server = Server(Mutex::new(State { dies_on: Some("two"), ..State::new() }));
    let (code, printed, stderr) = chat(&server, "one\ntwo\n\nthree\n").await;
    let expected =
        ["[1] bob: earlier", "[2] ann: one", "[3] ann: two", "[4] bob: meanwhile", "[5] ann: three"];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "{stderr}");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("reconnecting in"), "{stderr}");
    let commands = server.0.into_inner().unwrap().commands;
    let sends = commands.iter().filter(|op| *op == "message.send").count();
    assert_eq!(sends, 4, "the unacknowledged message is sent again: {commands:?}");
}

#[tokio::test]
async fn revoked_session_ends_the_chat() {
    let server = Server(Mutex::new(State { closes: Some(4500), ..State::new() }));
    let (code, _, stderr) = chat(&server, "one\n").await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the session ended (4500)"), "{stderr}");
}
