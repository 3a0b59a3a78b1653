//! An unresponsive database: requests and commands are answered in time, and retries have no second effect.

use std::{future::pending, sync::Arc, time::Duration};

use blegram_persistence::{
    Db, Settings as DbSettings,
    testing::{Backend, TestDatabase},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::TaskTracker;

use crate::{
    socket::Socket,
    world::{Settings, TestApp, client_id},
};

/// A TCP proxy between a site and its database. It stops forwarding while it is frozen, and permanently on the
/// connections that exist at a failover. It never closes a connection.
struct Proxy {
    port: u16,
    is_frozen: watch::Sender<bool>,
    failovers: watch::Sender<u32>,
}

/// The proxy's state as one direction of a connection sees it.
#[derive(Clone)]
struct Direction {
    is_frozen: watch::Receiver<bool>,
    failovers: watch::Receiver<u32>,
    failovers_before: u32,
}

impl Proxy {
    async fn to(host: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_frozen, frozen) = watch::channel(false);
        let (failovers, failed_over) = watch::channel(0);
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&host).await.unwrap();
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                let failovers_before = *failed_over.borrow();
                let direction =
                    Direction { is_frozen: frozen.clone(), failovers: failed_over.clone(), failovers_before };
                tasks.spawn(forward(from_near, to_far, direction.clone()));
                tasks.spawn(forward(from_far, to_near, direction));
            }
        });
        Self { port, is_frozen, failovers }
    }

    fn fail_over(&self) {
        self.failovers.send_modify(|count| *count += 1);
    }
}

async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut direction: Direction,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if *direction.failovers.borrow() != direction.failovers_before {
            return pending().await;
        }
        if direction.is_frozen.wait_for(|is_frozen| !is_frozen).await.is_err()
            || to.write_all(&buffer[..count]).await.is_err()
        {
            return;
        }
    }
}

/// A site on PostgreSQL behind a proxy.
async fn site(settings: Settings) -> (TestApp, Proxy) {
    let (t, proxy, _) = site_of(8, settings).await;
    (t, proxy)
}

async fn site_of(max_connections: u32, settings: Settings) -> (TestApp, Proxy, Db) {
    let database = Arc::new(TestDatabase::new(Backend::Postgres).await);
    let (before, rest) = database.url().rsplit_once('@').unwrap_or(("", database.url()));
    let (before, rest) = match rest.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (format!("{before}@"), rest),
    };
    let (host, name) = rest.split_once('/').unwrap();
    let proxy = Proxy::to(host.to_owned()).await;
    let url = format!("{before}127.0.0.1:{}/{name}", proxy.port);
    let statement_timeout = Duration::from_secs(30);
    let db = Db::connect(&DbSettings { url, max_connections, statement_timeout }).await.unwrap();
    (TestApp::behind(database, &db, settings), proxy, db)
}

fn quick() -> Settings {
    let mut settings = Settings::default();
    settings.gateway.timing.command_deadline = Duration::from_millis(500);
    (settings.gateway.timing.commands_per_second, settings.gateway.timing.command_burst) = (1000, 1000);
    settings
}

/// Repeats a command until it succeeds, as clients do.
async fn retry(socket: &mut Socket, op: &str, d: serde_json::Value) -> serde_json::Value {
    for _ in 0..100 {
        let reply = socket.requests(op, d.clone()).await;
        if reply["err"].is_null() {
            return reply["ok"].clone();
        }
        assert_eq!(reply["err"]["code"], "unavailable", "{reply}");
    }
    panic!("{op} never succeeds");
}

#[tokio::test]
async fn commands_to_a_frozen_database_time_out_and_retries_run_once() {
    let (t, proxy) = site(quick()).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let first = ann.sends_message(&id, "first").await;
    let mut a = ann.connects().await;
    let send = json!({ "conversation_id": id, "client_id": client_id(), "text": "second" });
    let edit = json!({ "conversation_id": id, "message_id": first, "text": "first, edited" });
    let missing_id = client_id();
    let commands = [
        ("message.send", send.clone()),
        ("history", json!({ "conversation_id": id, "after": 0 })),
        ("sync", json!({})),
        ("message.edit", edit.clone()),
        ("message.delete", json!({ "conversation_id": id, "message_id": missing_id })),
        ("read", json!({ "conversation_id": id, "message_no": 1 })),
        ("typing", json!({ "conversation_id": id })),
        ("presence", json!({ "users": [missing_id] })),
        ("subscribe", json!({ "topics": [format!("user:{missing_id}")] })),
        ("auth", json!({ "ticket": format!("blt_{}", "A".repeat(43)) })),
    ];

    proxy.is_frozen.send_replace(true);
    let mut waiting = Vec::new();
    for (op, d) in &commands {
        waiting.push(a.sends_command(op, d).await);
    }
    for id in waiting {
        let reply = a.replied(id).await;
        assert_eq!(reply["err"]["code"], "unavailable", "{reply}");
        assert!(reply["err"]["retry_after_ms"].as_u64().unwrap() > 0);
    }
    // Each command alone, so that none gets a reply only because of the previous one.
    for (op, d) in &commands {
        let reply = a.requests(op, d.clone()).await;
        assert_eq!(reply["err"]["code"], "unavailable", "{op}: {reply}");
    }

    proxy.is_frozen.send_replace(false);
    let sent = retry(&mut a, "message.send", send).await;
    assert_eq!(sent["message_no"], 2, "created once, whatever the outcome of earlier attempts");
    retry(&mut a, "message.edit", edit).await;
    let history = retry(&mut a, "history", json!({ "conversation_id": id, "after": 0 })).await;
    let events: Vec<_> =
        history["events"].as_array().unwrap().iter().map(|event| event["ev"].clone()).collect();
    let count = |name: &str| events.iter().filter(|ev| *ev == name).count();
    assert_eq!((count("message.created"), count("message.edited")), (2, 1), "{events:?}");
}

#[tokio::test]
async fn sockets_stay_open_while_the_database_is_frozen() {
    let mut settings = quick();
    settings.gateway.timing.command_deadline = Duration::from_secs(5);
    let (t, proxy) = site(settings).await;
    let [ann] = t.users(["ann"]).await;
    let mut a = ann.connects().await;
    proxy.is_frozen.send_replace(true);
    // From here on, time advances whenever all tasks are idle.
    tokio::time::pause();
    const COMMANDS: usize = 60;
    for _ in 0..COMMANDS {
        a.sends_command("sync", &json!({})).await;
    }
    let (mut pings, mut codes) = (0, Vec::new());
    while pings < 3 || codes.len() < COMMANDS {
        let frame = a.any_frame().await;
        if frame["ping"].is_u64() {
            pings += 1;
            a.sends(&json!({ "pong": frame["ping"] }).to_string()).await;
        } else {
            codes.push(frame["err"]["code"].as_str().unwrap().to_owned());
        }
    }
    assert!(codes.iter().all(|code| code == "unavailable" || code == "overloaded"), "{codes:?}");
    assert!(codes.iter().filter(|code| *code == "unavailable").count() >= 32, "{codes:?}");
    tokio::time::resume();
    proxy.is_frozen.send_replace(false);
    retry(&mut a, "sync", json!({})).await;
}

#[tokio::test]
async fn requests_to_a_frozen_database_time_out() {
    let (t, proxy) = site(Settings::default()).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let post = ann.posts("hello").await;
    proxy.is_frozen.send_replace(true);
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let mut requests = 0;
    for path in
        ["/api/v1/me", "/api/v1/conversations", "/api/v1/timelines/public", "/api/v1/search/posts?q=hello"]
    {
        let answer = ann.get(path).await;
        answer.assert_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
        requests += 1;
        assert!(started.elapsed() <= requests * Duration::from_secs(11), "{path}: {:?}", started.elapsed());
    }
    t.stranger().get(&format!("/api/v1/posts/{post}")).await.assert_problem(503, "unavailable");
    bob.put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_problem(503, "unavailable");
    let name = client_id();
    ann.sends(&id, name, "hello").await.assert_problem(503, "unavailable");
    tokio::time::resume();
    proxy.is_frozen.send_replace(false);

    let mut sent = ann.sends(&id, name, "hello").await;
    for _ in 0..100 {
        if sent.status != 503 {
            break;
        }
        sent = ann.sends(&id, name, "hello").await;
    }
    assert!(sent.status.is_success(), "{sent:?}");
    let messages = ann.get(&format!("/api/v1/conversations/{id}/messages")).await.json();
    assert_eq!(
        messages["items"].as_array().unwrap().len(),
        1,
        "created once, whatever the outcome of earlier attempts"
    );
}

/// Makes the pool open this many connections.
async fn open(db: &Db, connections: usize) {
    let mut transactions = Vec::new();
    for _ in 0..connections {
        transactions.push(db.write().await.unwrap());
    }
}

/// Simulates a failover: bytes sent on existing connections vanish, and new connections work.
#[tokio::test]
async fn requests_succeed_on_new_connections_after_a_failover() {
    let (t, proxy, db) = site_of(2, Settings::default()).await;
    let [ann] = t.users(["ann"]).await;
    for write in [false, true] {
        open(&db, 2).await;
        proxy.fail_over();
        // From here on, time advances whenever all tasks are idle.
        tokio::time::pause();
        for _ in 0..2 {
            let answer = if write {
                ann.post("/api/v1/posts", &json!({ "text": "lost" })).await
            } else {
                ann.get("/api/v1/timelines/public").await
            };
            answer.assert_problem(503, "unavailable");
        }
        tokio::time::resume();
        assert_eq!(ann.get("/api/v1/timelines/public").await.status, 200, "after a write: {write}");
        ann.posts("hello").await;
    }
    let posts = ann.get("/api/v1/timelines/public").await.json();
    assert_eq!(posts["items"].as_array().unwrap().len(), 2, "{posts}");
}

#[tokio::test]
async fn unresponsive_connections_do_not_keep_the_pool_from_closing() {
    let (t, proxy, db) = site_of(2, Settings::default()).await;
    let [ann] = t.users(["ann"]).await;
    open(&db, 2).await;
    let unfinished = db.write().await.unwrap();
    proxy.fail_over();
    tokio::time::pause();
    ann.get("/api/v1/timelines/public").await.assert_problem(503, "unavailable");
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, db.close()).await.expect("the pool closes in time").unwrap();
    drop(unfinished);
}

/// SQLite's only writer is in use: commands that write time out, and commands that read still work.
#[tokio::test]
async fn commands_waiting_for_the_sqlite_writer_time_out() {
    let t = TestApp::with(Backend::Sqlite, quick()).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let first = ann.sends_message(&id, "first").await;
    let mut a = ann.connects().await;
    let send = json!({ "conversation_id": id, "client_id": client_id(), "text": "second" });
    let transaction = t.database.db().write().await.unwrap();
    for (op, d) in [
        ("message.send", send.clone()),
        ("message.edit", json!({ "conversation_id": id, "message_id": first, "text": "edited" })),
        ("message.delete", json!({ "conversation_id": id, "message_id": first })),
    ] {
        let reply = a.requests(op, d).await;
        assert_eq!(reply["err"]["code"], "unavailable", "{op}: {reply}");
    }
    assert_eq!(a.gets("history", json!({ "conversation_id": id, "after": 0 })).await["head_seq"], 1);
    drop(transaction);
    assert_eq!(retry(&mut a, "message.send", send).await["message_no"], 2);
    let history = a.gets("history", json!({ "conversation_id": id, "after": 0 })).await;
    let events: Vec<_> =
        history["events"].as_array().unwrap().iter().map(|event| event["ev"].clone()).collect();
    assert_eq!(
        events,
        ["message.created", "message.created"],
        "commands that timed out before they began have no effect"
    );
}
