//! Gateway connections of the real binary across a kill, a restart and a shutdown.

use std::time::Duration;

use blegram_persistence::testing::{Backend, TestDatabase};
use futures_util::{SinkExt, StreamExt};
use rstest::rstest;
use rstest_reuse::apply;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{
    both_databases,
    home::{Home, program},
    people::{Person, id},
};
use crate::client::in_time;

/// A gateway connection. It reads frames only while a test waits for one.
struct Realtime(WebSocketStream<TcpStream>);

impl Realtime {
    async fn open(home: &Home, person: &Person) -> Self {
        let url = format!("ws://{}/api/v1/gateway", home.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", home.site().parse().unwrap());
        headers.insert("cookie", person.cookie().parse().unwrap());
        headers.insert("sec-websocket-protocol", "blegram.v1+json".parse().unwrap());
        let stream = TcpStream::connect(home.address).await.unwrap();
        let (ws, _) = in_time(client_async(request, stream)).await.unwrap();
        let mut realtime = Self(ws);
        realtime.receives("ready").await;
        realtime
    }

    async fn requests(&mut self, id: u64, op: &str, d: Value) -> Value {
        let command = json!({ "id": id, "op": op, "d": d }).to_string();
        self.0.send(Message::text(command)).await.unwrap();
        loop {
            let frame = self.frame().await;
            if frame["re"] == json!(id) {
                return frame["ok"].clone();
            }
        }
    }

    async fn receives(&mut self, name: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["ev"] == name {
                return frame["d"].clone();
            }
        }
    }

    async fn frame(&mut self) -> Value {
        let message = in_time(self.0.next()).await.expect("the connection is open").unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// Waits until the connection ends, and returns the close code. `None` when it ends without one.
    async fn ends(&mut self) -> Option<u16> {
        loop {
            match in_time(self.0.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

fn message(conversation: &str, n: u64) -> Value {
    // The sender chooses the client id, so that a retry is the same message.
    let client_id = format!("01890a5d-ac96-774b-bcce-{n:012x}");
    json!({ "conversation_id": conversation, "client_id": client_id, "text": format!("message {n}") })
}

#[apply(both_databases)]
#[tokio::test]
async fn acknowledged_messages_survive_a_kill_and_retries_are_not_duplicated(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    let (ann, bob) = (home.sign_up("ann").await, home.sign_up("bob").await);
    let created = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await;
    let conversation = id(&created.json());
    let (mut a, mut b) = (Realtime::open(&home, &ann).await, Realtime::open(&home, &bob).await);
    let synced = b.requests(1, "sync", json!({})).await;
    for n in 1..=5 {
        assert_eq!(a.requests(n, "message.send", message(&conversation, n)).await["seq"], n);
    }
    // Sent without waiting for the reply.
    let sixth = json!({ "id": 6, "op": "message.send", "d": message(&conversation, 6) });
    a.0.send(Message::text(sixth.to_string())).await.unwrap();
    site.signal(Signal::KILL);
    assert_eq!(site.end().await.signal, Some(9));
    assert_eq!(b.ends().await, None);

    let site = home.serve().await;
    let (mut a, mut b) = (Realtime::open(&home, &ann).await, Realtime::open(&home, &bob).await);
    for n in 1..=6 {
        let again = a.requests(n, "message.send", message(&conversation, n)).await;
        assert_eq!(again["seq"], n, "the stored message, or a new one if it was not stored");
        assert!(n > 5 || again["duplicate"] == true);
    }
    let synced = b.requests(1, "sync", json!({ "since": synced["cursor"] })).await;
    assert_eq!((&synced["heads"][0]["last_seq"], &synced["unread"]), (&json!(6), &json!(6)));
    let missed = b.requests(2, "history", json!({ "conversation_id": conversation, "after": 0 })).await;
    let texts: Vec<_> =
        missed["events"].as_array().unwrap().iter().map(|event| &event["d"]["message"]["text"]).collect();
    assert_eq!(texts, ["message 1", "message 2", "message 3", "message 4", "message 5", "message 6"]);
    site.signal(Signal::KILL);
    site.end().await;
}

#[tokio::test]
async fn shutdown_asks_clients_to_reconnect_and_finishes_their_commands() {
    let drain = [("BLEGRAM_GATEWAY__DRAIN_MIN_MS", "300"), ("BLEGRAM_GATEWAY__DRAIN_MAX_MS", "300")];
    let home = Home::new(&drain);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    home.sign_up("bob").await;
    let created = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await;
    let conversation = id(&created.json());
    let mut a = Realtime::open(&home, &ann).await;
    site.signal(Signal::TERM);
    let after = a.receives("reconnect").await["after_ms"].as_u64().unwrap();
    assert!(Duration::from_millis(after) < Duration::from_millis(300));
    let last = json!({ "id": 1, "op": "message.send", "d": message(&conversation, 1) });
    // The connection may be closed by now.
    let _ = a.0.send(Message::text(last.to_string())).await;
    assert_eq!(a.ends().await, Some(4000));
    site.end().await.assert_success();
    let site = home.serve().await;
    let listed = ann.get(&format!("/api/v1/conversations/{conversation}/messages")).await.json();
    assert!(listed["items"].as_array().unwrap().len() <= 1, "at most once");
    site.signal(Signal::TERM);
    site.end().await.assert_success();
}

/// Two processes on one database: by Redis, and by notifications of PostgreSQL.
#[rstest]
#[tokio::test]
async fn messages_reach_the_connections_of_another_node(#[values(true, false)] has_redis: bool) {
    let database = TestDatabase::new(Backend::Postgres).await;
    let redis = program("BLEGRAM_TEST_REDIS_URL");
    let redis = if has_redis { redis.to_str().unwrap() } else { "" };
    let key = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=";
    let settings = [
        ("BLEGRAM_DATABASE__URL", database.url()),
        ("BLEGRAM_SECRETS__KEY", key),
        ("BLEGRAM_REDIS__URL", redis),
    ];
    let one = Home::new(&settings);
    let other = Home::new(&settings).sharing_the_address_of(&one);
    let _sites = (one.serve().await, other.serve().await);
    let (ann, bob) = (one.sign_up("ann").await, one.sign_up("bob").await);
    let created = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await;
    let conversation = id(&created.json());
    in_time(async {
        for home in [&one, &other] {
            while home.stranger().get("/readyz").await.body != "ready\n" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    })
    .await;
    let (mut sender, mut socket) =
        (Realtime::open(&one, &ann).await, Realtime::open(&other, &bob.at(&other)).await);
    // The first one may be too early: a node sends nothing before it knows of another.
    for n in 1..=3 {
        sender.requests(n, "message.send", message(&conversation, n)).await;
        let event = loop {
            let frame = socket.frame().await;
            if frame["ev"] == "message.created" || frame["ev"] == "conversation.head" {
                break frame;
            }
        };
        if event["ev"] == "message.created" {
            return;
        }
    }
    panic!("only heads arrived, which the other node read from the database");
}

/// The other node reaches Redis and does not know that it misses anything; only the database connects the two. Without the
/// report, every message but the first would arrive ten seconds after the one before.
#[tokio::test]
async fn messages_of_a_node_that_alone_does_not_reach_redis_arrive_soon() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let settings = [
        ("BLEGRAM_DATABASE__URL", database.url()),
        ("BLEGRAM_SECRETS__KEY", "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs="),
    ];
    let cut_off = Home::new(&settings).set("BLEGRAM_REDIS__URL", "redis://127.0.0.1:1");
    let redis = program("BLEGRAM_TEST_REDIS_URL");
    let other = Home::new(&settings).set("BLEGRAM_REDIS__URL", redis.to_str().unwrap());
    let other = other.sharing_the_address_of(&cut_off);
    let _sites = (cut_off.serve().await, other.serve().await);
    let (ann, bob) = (cut_off.sign_up("ann").await, cut_off.sign_up("bob").await);
    let created = ann.post("/api/v1/conversations", &json!({ "members": ["@bob"] })).await;
    let conversation = id(&created.json());
    let (mut sender, mut socket) =
        (Realtime::open(&cut_off, &ann).await, Realtime::open(&other, &bob.at(&other)).await);
    for n in 1..=3 {
        sender.requests(n, "message.send", message(&conversation, n)).await;
        let head = async {
            loop {
                let frame = socket.frame().await;
                if frame["ev"] == "conversation.head" && frame["d"]["last_seq"] == n {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(6), head).await.expect("the head arrives soon");
    }
}
