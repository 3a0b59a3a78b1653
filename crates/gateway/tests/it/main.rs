//! Tests of connections over in-memory streams, with tokio's paused clock, which advances when all tasks are idle.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails, helpers included")]

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use blegram_domain::{Clock, ConnectionId, ConversationId, SessionId, SystemClock, UserId};
use blegram_gateway::{
    Class, CloseCode, Command, Commands, Config, ConnectionIdentity, Credential, DurableEvent, Frame, Hub,
    Peer, Place, PresenceChange, Rejection, Timing, Topic, reject, serve,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::DuplexStream,
    sync::{Barrier, Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Echoes commands. `wait` first waits for a permit, `together` for another `together`.
struct Echo {
    permits: Semaphore,
    pair: Barrier,
    started: Mutex<Vec<u64>>,
    finished: Mutex<Vec<u64>>,
}

impl Commands for Echo {
    fn is_pipelined(&self, op: &str) -> bool {
        op == "together"
    }

    async fn admit(&self, _: &Arc<Peer>, command: &Command) -> Result<(), Frame> {
        match command.d["admit"].as_str() {
            Some("wait") => self.permits.acquire().await.unwrap().forget(),
            Some("never") => return Err(Frame::ok(command.id, &"rejected")),
            _ => {}
        }
        Ok(())
    }

    async fn run(&self, _: &Arc<Peer>, command: Command) -> Option<Frame> {
        self.started.lock().unwrap().push(command.id);
        match command.op.as_str() {
            "wait" => self.permits.acquire().await.unwrap().forget(),
            "together" => _ = self.pair.wait().await,
            _ => {}
        }
        assert!(command.op != "panic", "the test requested a panic");
        self.finished.lock().unwrap().push(command.id);
        Some(Frame::ok(command.id, &command.d))
    }

    fn delivered(&self, peer: &Peer, received: Vec<(ConversationId, u64)>) {
        let received: Vec<_> = received.iter().map(|(id, seq)| json!([id.to_string(), seq])).collect();
        peer.send(Frame::event(Class::Reply, "received", &received));
    }
}

struct World {
    hub: Hub,
    presence: mpsc::Receiver<PresenceChange>,
    echo: Arc<Echo>,
}

/// A client, and the close code if the server closes its connection.
struct Client {
    ws: WebSocketStream<DuplexStream>,
    peer: Arc<Peer>,
    end: JoinHandle<Option<CloseCode>>,
}

impl World {
    fn new(config: Config) -> Self {
        let (hub, presence) = Hub::new(config);
        let echo = Arc::new(Echo {
            permits: Semaphore::new(0),
            pair: Barrier::new(2),
            started: Mutex::default(),
            finished: Mutex::default(),
        });
        Self { hub, presence, echo }
    }

    async fn connect(&self, user: UserId) -> Client {
        self.connect_with(user, Duration::from_secs(3600), 64 * 1024).await
    }

    async fn connect_with(&self, user: UserId, lifetime: Duration, buffer: usize) -> Client {
        let (near, far) = tokio::io::duplex(buffer);
        let now = SystemClock.now();
        let identity = ConnectionIdentity { user, credential: credential(lifetime) };
        let first = Frame::event(Class::Reply, "ready", &json!({}));
        let permit = self.hub.admit(ADDRESS).unwrap();
        let guard = permit
            .register(ConnectionId::generate(now), identity, first)
            .map_err(|(_, rejection)| rejection)
            .unwrap();
        let peer = Arc::clone(guard.peer());
        let end = TaskTracker::new().spawn(serve(far, guard, Arc::clone(&self.echo)));
        let mut client =
            Client { ws: WebSocketStream::from_raw_socket(near, Role::Client, None).await, peer, end };
        assert_eq!(client.frame().await["ev"], "ready");
        client
    }
}

impl Client {
    async fn frame(&mut self) -> Value {
        let message = self.ws.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn send(&mut self, frame: Value) {
        self.ws.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Answers pings until the connection ends, and returns the close code.
    async fn wait_for_close(mut self) -> Option<CloseCode> {
        while let Some(Ok(message)) = self.ws.next().await {
            if let Ok(text) = message.to_text()
                && let Ok(frame) = serde_json::from_str::<Value>(text)
                && frame["ping"].is_u64()
            {
                let _ = self.ws.send(Message::text(json!({ "pong": frame["ping"] }).to_string())).await;
            }
        }
        self.end.await.unwrap()
    }
}

/// A credential of a new session, issued now.
fn credential(lifetime: Duration) -> Credential {
    let now = SystemClock.now();
    Credential {
        session: SessionId::generate(now),
        valid_until: now + lifetime,
        expires_at: Instant::now() + lifetime,
        lifetime,
    }
}

fn user() -> UserId {
    UserId::generate(SystemClock.now())
}

fn hint(text: &str) -> Frame {
    Frame::event(Class::Hint, "hint", &text)
}

fn durable(conversation: ConversationId, seq: u64, members: &[UserId]) -> DurableEvent {
    let class = Class::DurableEvent { conversation, seq, last_message_no: seq };
    let frame = Frame::event(class, "message.created", &seq);
    DurableEvent { conversation, seq, members: members.to_vec(), head_only: Vec::new(), frame }
}

#[tokio::test(start_paused = true)]
async fn heartbeat_closes_silent_connections() {
    let world = World::new(Config::default());
    let start = Instant::now();
    let mut silent = world.connect(user()).await;
    assert!(silent.frame().await["ping"].is_u64());
    let pinged = start.elapsed().as_secs_f64();
    assert!((22.5..=27.6).contains(&pinged), "{pinged}");
    while silent.ws.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(silent.end.await.unwrap(), Some(CloseCode::Heartbeat));
    assert!(start.elapsed().as_secs_f64() <= 38.7);
}

#[tokio::test(start_paused = true)]
async fn credential_expiry_closes_the_connection_unless_renewed() {
    let world = World::new(Config::default());
    let lifetime = Duration::from_secs(600);
    let (ending, renewed) =
        (world.connect_with(user(), lifetime, 4096).await, world.connect_with(user(), lifetime, 4096).await);
    let start = Instant::now();
    renewed.peer.renew(credential(3 * lifetime));
    let ended = TaskTracker::new().spawn(async move { (ending.wait_for_close().await, start.elapsed()) });
    assert_eq!(renewed.wait_for_close().await, Some(CloseCode::Expired));
    assert!(start.elapsed() >= 3 * lifetime);
    let (code, at) = ended.await.unwrap();
    assert_eq!(code, Some(CloseCode::Expired));
    assert!(at < lifetime + Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn slow_reader_is_closed_and_delays_no_other_client() {
    // To many connections, frames are written in another way than to two.
    for others in [1, 40] {
        let world = World::new(Config { connections_per_address: 200, ..Config::default() });
        let topic = Topic::Public;
        let stalled = world.connect_with(user(), Duration::from_secs(3600), 256).await;
        let mut other = Vec::new();
        for _ in 0..others {
            other.push(world.connect(user()).await);
        }
        for client in other.iter().chain([&stalled]) {
            assert!(world.hub.fanout().subscribe(&client.peer, &topic));
        }
        let start = Instant::now();
        for n in 0..1000 {
            world.hub.fanout().send_to_topic(&topic, &hint(&n.to_string()), |_| true);
            for client in &mut other {
                assert_eq!(client.frame().await["d"], json!(n.to_string()));
            }
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "the slow client delays no other");
        assert_eq!(stalled.end.await.unwrap(), Some(CloseCode::Slow));
        assert_eq!(start.elapsed().as_secs(), 21, "20 s of stall and 1 s for the closing handshake");
        let mut subscribers = world.hub.fanout().subscribers(&topic);
        subscribers.sort_unstable();
        assert_eq!(subscribers, other.iter().map(|client| client.peer.user()).collect::<Vec<_>>());
    }
}

/// Several threads write to a connection: its task answers WebSocket pings while others write frames to all connections,
/// of which many accept only a part of a frame at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn frames_for_many_connections_arrive_in_order_between_control_frames() {
    const CONNECTIONS: usize = 100;
    const FRAMES: usize = 300;
    let timing = Timing { commands_per_second: 10_000, command_burst: 10_000, ..Timing::default() };
    let world = World::new(Config { timing, connections_per_address: CONNECTIONS, ..Config::default() });
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let buffer = if number % 2 == 0 { 64 * 1024 } else { 16 + number };
        let mut client = world.connect_with(user(), Duration::from_secs(3600), buffer).await;
        assert!(world.hub.fanout().subscribe(&client.peer, &Topic::Public));
        clients.spawn(async move {
            let mut next = 0;
            loop {
                match client.ws.next().await.unwrap().unwrap() {
                    Message::Text(text) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        assert_eq!(frame["d"]["number"], next);
                        next += 1;
                        client.ws.send(Message::Ping(next.to_string().into())).await.unwrap();
                    }
                    // Some are missing: a later ping replaces an earlier one whose pong waits.
                    Message::Pong(number) if *number == *FRAMES.to_string().as_bytes() => return next,
                    Message::Pong(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    for number in 0..FRAMES {
        let d = json!({ "number": number, "text": "t".repeat(number) });
        world
            .hub
            .fanout()
            .send_to_topic(&Topic::Public, &Frame::event(Class::Reply, "numbered", &d), |_| true);
        tokio::task::yield_now().await;
    }
    assert_eq!(clients.join_all().await, [FRAMES; CONNECTIONS]);
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_closed_do_not_receive_what_is_queued_for_many() {
    let world = World::new(Config { connections_per_address: 200, ..Config::default() });
    let mut clients = Vec::new();
    for _ in 0..100 {
        let client = world.connect(user()).await;
        world.hub.fanout().subscribe(&client.peer, &Topic::Public);
        clients.push(client);
    }
    world.hub.fanout().send_to_topic(&Topic::Public, &hint("one"), |_| true);
    let mut closed = clients.remove(50);
    world.hub.close_user(closed.peer.user(), None, CloseCode::Revoked);
    let Message::Close(Some(frame)) = closed.ws.next().await.unwrap().unwrap() else {
        panic!("a frame was sent")
    };
    assert_eq!(u16::from(frame.code), CloseCode::Revoked.as_u16());
    for client in &mut clients {
        assert_eq!(client.frame().await["d"], "one");
    }
}

#[tokio::test(start_paused = true)]
async fn what_connections_do_is_counted() {
    let config = Config { connections_per_address: 3, connections_per_user: 1, ..Config::default() };
    let world = World::new(config);
    let (mut client, stalled) =
        (world.connect(user()).await, world.connect_with(user(), Duration::from_secs(3600), 256).await);
    client.send(json!({ "id": 1, "op": "echo", "d": "hello" })).await;
    let reply = client.frame().await;
    let counts = world.hub.snapshot();
    assert_eq!((counts.connections, counts.users, counts.queued_bytes), (2, 2, 0));
    let ready = Frame::event(Class::Reply, "ready", &json!({})).text().len() as u64;
    assert_eq!((counts.sent_frames, counts.sent_bytes), (3, 2 * ready + reply.to_string().len() as u64));

    // The task of the connection has not run yet: the frame waits.
    world.hub.fanout().send_to_users(&[stalled.peer.user()], &hint("wait"));
    assert_eq!(world.hub.snapshot().queued_bytes, hint("wait").text().len());
    // Hints are dropped above half of the capacity, and what cannot be dropped closes the connection.
    for _ in 0..600 {
        stalled.peer.send(hint("drop"));
    }
    let dropped = world.hub.snapshot().dropped_hints;
    assert!((300..600).contains(&dropped), "{dropped}");
    for _ in 0..600 {
        stalled.peer.send(Frame::event(Class::Reply, "must", &"be sent"));
    }
    assert_eq!(stalled.end.await.unwrap(), Some(CloseCode::Resync));
    let counts = world.hub.snapshot();
    assert!(counts.closed.contains(&(CloseCode::Resync, 1)), "{counts:?}");
    assert_eq!((counts.disconnected, counts.connections, counts.queued_bytes), (0, 1, 0));

    let identity =
        ConnectionIdentity { user: client.peer.user(), credential: credential(Duration::from_secs(1)) };
    let permit = world.hub.admit(ADDRESS).unwrap();
    let second = permit.register(ConnectionId::generate(SystemClock.now()), identity, hint("first"));
    let (permit, rejection) = second.map(drop).unwrap_err();
    assert_eq!(rejection, Rejection::TooManyOfUser);
    let full = [world.hub.admit(ADDRESS), world.hub.admit(ADDRESS)];
    assert!(full[0].is_ok() && full[1].is_err(), "{full:?}");
    drop((permit, full));
    // Without a close frame.
    drop(client.ws);
    assert_eq!(client.end.await.unwrap(), Some(CloseCode::WebSocket));
    let counts = world.hub.snapshot();
    assert!(counts.closed.contains(&(CloseCode::WebSocket, 1)), "{counts:?}");
    assert_eq!((counts.disconnected, counts.connections), (0, 0));
    let rejected: Vec<_> = counts.rejected.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(rejected, [(Rejection::TooManyOfAddress, 1), (Rejection::TooManyOfUser, 1)]);
}

#[tokio::test(start_paused = true)]
async fn outbox_overflow_closes_the_connection() {
    let world = World::new(Config::default());
    let stalled = world.connect_with(user(), Duration::from_secs(3600), 256).await;
    for _ in 0..600 {
        stalled.peer.send(Frame::event(Class::Reply, "must", &"be sent"));
    }
    assert_eq!(stalled.end.await.unwrap(), Some(CloseCode::Resync));
}

#[tokio::test(start_paused = true)]
async fn commands_run_one_at_a_time_and_complete_after_a_disconnect() {
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    client.send(json!({ "id": 1, "op": "wait", "d": 1 })).await;
    client.send(json!({ "id": 2, "op": "panic" })).await;
    client.send(json!({ "id": 3, "op": "echo", "d": 3 })).await;
    world.echo.permits.add_permits(1);
    assert_eq!(client.frame().await, json!({ "re": 1, "ok": 1 }));
    let failed = client.frame().await;
    assert_eq!((&failed["re"], &failed["err"]["code"]), (&json!(2), &json!("internal")));
    assert_eq!(client.frame().await, json!({ "re": 3, "ok": 3 }));
    // A command completes even if the client disconnects while it runs.
    client.send(json!({ "id": 4, "op": "wait" })).await;
    client.send(json!({ "id": 5, "op": "echo", "d": 5 })).await;
    drop(client.ws);
    client.end.await.unwrap();
    world.echo.permits.add_permits(1);
    world.hub.tasks().close();
    world.hub.tasks().wait().await;
    assert_eq!(world.echo.finished.lock().unwrap().as_slice(), [1, 3, 4]);
}

/// A configuration that practically does not limit the rate of commands.
fn unlimited() -> Config {
    let timing = Timing { commands_per_second: 10_000, command_burst: 10_000, ..Timing::default() };
    Config { timing, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn commands_that_hang_are_answered_at_their_deadline() {
    let world = World::new(unlimited());
    let mut client = world.connect(user()).await;
    let start = Instant::now();
    for (id, op) in [(1, "wait"), (2, "together"), (3, "wait"), (4, "echo")] {
        client.send(json!({ "id": id, "op": op })).await;
    }
    for id in 1..=4 {
        let reply = client.frame().await;
        assert_eq!((&reply["re"], &reply["err"]["code"]), (&json!(id), &json!("unavailable")));
        assert!(reply["err"]["retry_after_ms"].as_u64().unwrap() > 0);
        assert_eq!(start.elapsed().as_secs(), 5, "the deadline counts from when the command was read");
    }
    assert_eq!(
        world.echo.started.lock().unwrap().as_slice(),
        [1],
        "the others timed out before they started"
    );
    client.send(json!({ "id": 5, "op": "echo", "d": 5 })).await;
    assert_eq!(client.frame().await, json!({ "re": 5, "ok": 5 }));
    assert_eq!(world.echo.finished.lock().unwrap().as_slice(), [5], "a command that timed out is dropped");
}

#[tokio::test(start_paused = true)]
async fn control_frames_are_read_while_commands_wait() {
    let mut config = unlimited();
    config.timing.command_deadline = Duration::from_secs(3600);
    let world = World::new(config);
    let mut client = world.connect(user()).await;
    const COMMANDS: u64 = 60;
    for id in 1..=COMMANDS {
        client.send(json!({ "id": id, "op": "wait" })).await;
    }
    let (mut rejected, mut pings) = (Vec::new(), 0);
    while pings < 5 {
        let frame = client.frame().await;
        if frame["ping"].is_u64() {
            pings += 1;
            client.send(json!({ "pong": frame["ping"] })).await;
        } else {
            assert_eq!(frame["err"]["code"], "overloaded");
            rejected.push(frame["re"].as_u64().unwrap());
        }
    }
    // One command runs, and `MAX_WAITING` wait.
    assert_eq!(rejected, (34..=COMMANDS).collect::<Vec<_>>());
    // WebSocket pings are answered as well.
    client.ws.send(Message::Ping(b"payload".to_vec().into())).await.unwrap();
    assert_eq!(client.ws.next().await.unwrap().unwrap(), Message::Pong(b"payload".to_vec().into()));
    client.ws.close(None).await.unwrap();
    assert_eq!(client.end.await.unwrap(), None, "the client closed the connection, not the server");
}

#[tokio::test(start_paused = true)]
async fn pipelined_commands_run_concurrently_and_start_in_order() {
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    client.send(json!({ "id": 1, "op": "wait" })).await;
    // The commands of a pair end only if both have started. The command between the pairs runs alone.
    for (id, op) in [(2, "together"), (3, "together"), (4, "wait"), (5, "together"), (6, "together")] {
        client.send(json!({ "id": id, "op": op })).await;
    }
    world.echo.permits.add_permits(2);
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(client.frame().await["re"].as_u64().unwrap());
    }
    assert_eq!((ids[0], ids[3]), (1, 4));
    assert_eq!(world.echo.started.lock().unwrap().as_slice(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn commands_start_in_order_however_long_each_waits_to_be_admitted() {
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    client.send(json!({ "id": 1, "op": "wait" })).await;
    for (id, admit) in [(2, "wait"), (3, "never"), (4, "at once")] {
        client.send(json!({ "id": id, "op": "together", "d": { "admit": admit } })).await;
    }
    world.echo.permits.add_permits(1);
    assert_eq!(client.frame().await["re"], 1);
    // The paused clock goes on when nothing else can.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.echo.started.lock().unwrap().as_slice(), [1]);
    world.echo.permits.add_permits(1);
    assert_eq!(client.frame().await, json!({ "re": 3, "ok": "rejected" }));
    let pair = [client.frame().await, client.frame().await].map(|frame| frame["re"].as_u64().unwrap());
    assert!(pair.contains(&2) && pair.contains(&4));
    assert_eq!(world.echo.started.lock().unwrap().as_slice(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn delivery_marks_and_fragmented_messages_are_received() {
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    let conversation = ConversationId::generate(SystemClock.now()).to_string();
    client.send(json!({ "pong": 0, "recv": { conversation.clone(): 7 } })).await;
    assert_eq!(client.frame().await["d"], json!([[conversation, 7]]));
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame as Piece,
        coding::{Data, OpCode},
    };
    let pieces = [
        (r#"{"id":9,"#, Data::Text, false),
        (r#""op":"echo","#, Data::Continue, false),
        (r#""d":1}"#, Data::Continue, true),
    ];
    for (text, kind, is_last) in pieces {
        let piece = Piece::message(text.as_bytes().to_vec(), OpCode::Data(kind), is_last);
        client.ws.send(Message::Frame(piece)).await.unwrap();
    }
    assert_eq!(client.frame().await, json!({ "re": 9, "ok": 1 }));
}

#[tokio::test(start_paused = true)]
async fn members_receive_each_event_once_and_in_order() {
    let world = World::new(Config::default());
    let (ann, bob, eve) = (user(), user(), user());
    let (mut a, mut e) = (world.connect(ann).await, world.connect(eve).await);
    let conversation = ConversationId::generate(SystemClock.now());
    let end = CancellationToken::new();
    let (hub, shutdown) = (world.hub.clone(), end.clone());
    TaskTracker::new().spawn(async move { hub.run(&shutdown).await });
    for seq in [1, 3, 2, 2, 4] {
        world.hub.fanout().send_durable(durable(conversation, seq, &[ann, bob]));
    }
    for seq in 1..=4 {
        assert_eq!(a.frame().await["d"], seq);
    }
    let start = Instant::now();
    world.hub.fanout().send_durable(durable(conversation, 6, &[ann]));
    assert_eq!(a.frame().await["d"], 6, "the event does not wait long for the missing one before it");
    assert!((50..=80).contains(&start.elapsed().as_millis()));
    world.hub.fanout().send_to_users(&[eve], &hint("nothing before"));
    assert_eq!(e.frame().await["ev"], "hint");
    end.cancel();
}

#[tokio::test(start_paused = true)]
async fn members_who_may_not_see_an_event_receive_the_head() {
    let world = World::new(Config::default());
    let (ann, bob) = (user(), user());
    let (mut a, mut b) = (world.connect(ann).await, world.connect(bob).await);
    let conversation = ConversationId::generate(SystemClock.now());
    world.hub.fanout().send_durable(durable(conversation, 1, &[ann, bob]));
    world
        .hub
        .fanout()
        .send_durable(DurableEvent { head_only: vec![bob], ..durable(conversation, 2, &[ann]) });
    assert_eq!(b.frame().await["d"], 1);
    let head = b.frame().await;
    assert_eq!((&head["ev"], &head["d"]["last_seq"]), (&json!("conversation.head"), &json!(2)));
    world.hub.fanout().send_durable(durable(conversation, 3, &[ann, bob]));
    assert_eq!(b.frame().await["d"], 3);
    for seq in 1..=3 {
        assert_eq!(a.frame().await["d"], seq);
    }
}

#[tokio::test(start_paused = true)]
async fn expiry_warning_is_not_repeated_for_the_same_credential() {
    let world = World::new(Config::default());
    let minute = Duration::from_secs(60);
    let mut client = world.connect_with(user(), minute, 4096).await;
    let first = Credential { session: client.peer.session(), ..credential(minute) };
    client.peer.renew(first);
    let (start, mut warnings) = (Instant::now(), 0);
    loop {
        let Some(Ok(message)) = client.ws.next().await else { break };
        let Ok(frame) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else {
            continue;
        };
        if frame["ping"].is_u64() {
            client.send(json!({ "pong": frame["ping"] })).await;
        } else if frame["ev"] == "auth.expiring" {
            warnings += 1;
            assert_eq!(start.elapsed().as_secs(), 48);
            // A client without a new credential presents the same one again, such as a new ticket for the same token.
            client
                .peer
                .renew(Credential { expires_at: first.expires_at + Duration::from_millis(1), ..first });
        }
    }
    assert_eq!((warnings, client.end.await.unwrap()), (1, Some(CloseCode::Expired)));
}

#[tokio::test(start_paused = true)]
async fn presence_ends_after_the_grace_period() {
    let mut world = World::new(Config::default());
    let end = CancellationToken::new();
    let (hub, shutdown) = (world.hub.clone(), end.clone());
    TaskTracker::new().spawn(async move { hub.run(&shutdown).await });
    let ann = user();
    let first = world.connect(ann).await;
    assert_eq!(world.presence.recv().await, Some(PresenceChange { user: ann, place: Place::Here }));
    // A user who reconnects within the grace period, such as after a page reload, stays online.
    drop(first.ws);
    first.end.await.unwrap();
    assert!(world.hub.presence().is_online(ann) && !world.hub.is_connected(ann));
    let second = world.connect(ann).await;
    let start = Instant::now();
    drop(second.ws);
    second.end.await.unwrap();
    assert_eq!(world.presence.recv().await, Some(PresenceChange { user: ann, place: Place::Here }));
    assert!((20..=22).contains(&start.elapsed().as_secs()));
    assert!(!world.hub.presence().is_online(ann));
}

#[tokio::test(start_paused = true)]
async fn drain_spreads_the_reconnects() {
    let world = World::new(Config::default());
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(world.connect(user()).await);
    }
    let start = Instant::now();
    let hub = world.hub.clone();
    let drained = TaskTracker::new().spawn(async move { hub.drain().await });
    let mut ends = Vec::new();
    for mut client in clients {
        ends.push(TaskTracker::new().spawn(async move {
            let reconnect = client.frame().await;
            assert_eq!(reconnect["ev"], "reconnect");
            let after = Duration::from_millis(reconnect["d"]["after_ms"].as_u64().unwrap());
            assert_eq!(client.wait_for_close().await, Some(CloseCode::Draining));
            assert!(start.elapsed() >= after);
            after
        }));
    }
    drained.await.unwrap();
    let mut delays = Vec::new();
    for end in ends {
        delays.push(end.await.unwrap());
    }
    assert!(delays.iter().max().unwrap().as_secs() < 5 && delays.iter().min() < delays.iter().max());
    assert_eq!(world.hub.admit(ADDRESS).err(), Some(Rejection::Draining));
}

#[tokio::test(start_paused = true)]
async fn drain_closes_with_the_delay_in_the_reason() {
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    let mut permit = world.hub.admit(ADDRESS).unwrap();
    let hub = world.hub.clone();
    let drained = TaskTracker::new().spawn(async move { hub.drain().await });
    let after = client.frame().await["d"]["after_ms"].as_u64().unwrap();
    assert_eq!(close_reason(&mut client.ws).await, format!("this node stops; reconnect in {after} ms"));
    drained.await.unwrap();

    // A connection that arrives while the node drains gets a random delay as well.
    let identity = ConnectionIdentity { user: user(), credential: credential(Duration::from_secs(3600)) };
    let first = Frame::event(Class::Reply, "ready", &json!({}));
    let id = ConnectionId::generate(SystemClock.now());
    permit = permit.register(id, identity, first).map(|_| ()).unwrap_err().0;
    let (near, far) = tokio::io::duplex(4096);
    let rejected =
        TaskTracker::new().spawn(async move { reject(far, permit.hub(), CloseCode::Draining).await });
    let mut ws = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let reason = close_reason(&mut ws).await;
    let delay =
        reason.strip_prefix("this node stops; reconnect in ").and_then(|text| text.strip_suffix(" ms"));
    assert!(delay.unwrap().parse::<u64>().unwrap() < 5000, "{reason}");
    drop(ws);
    rejected.await.unwrap();
}

async fn close_reason(ws: &mut WebSocketStream<DuplexStream>) -> String {
    loop {
        if let Message::Close(Some(frame)) = ws.next().await.unwrap().unwrap() {
            assert_eq!(u16::from(frame.code), 4000);
            return frame.reason.to_string();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn drain_does_not_wait_for_a_command_that_hangs() {
    let timing = Timing { command_deadline: Duration::from_secs(3600), ..Timing::default() };
    let world = World::new(Config { timing, ..Config::default() });
    let mut client = world.connect(user()).await;
    client.send(json!({ "id": 1, "op": "wait", "d": {} })).await;
    let hub = world.hub.clone();
    let drained = TaskTracker::new().spawn(async move { hub.drain().await });
    assert_eq!(client.wait_for_close().await, Some(CloseCode::Draining));
    assert_eq!(drained.await.unwrap(), 1, "the command never ends");
}

/// Any device can use every address of a /64, and anybody can rent a /48.
#[tokio::test]
async fn connections_are_limited_by_network() {
    let handshakes_per_second = NonZeroU32::new(1_000).unwrap();
    let config = Config { connections_per_address: 2, handshakes_per_second, ..Config::default() };
    let world = World::new(config);
    let admit = |address: &str| world.hub.admit(address.parse().unwrap());
    let of_one = [admit("2001:db8:1::1").unwrap(), admit("2001:db8:1::2").unwrap()];
    assert_eq!(admit("2001:db8:1::3").err(), Some(Rejection::TooManyOfAddress));
    assert_eq!(world.hub.check("2001:db8:1::3".parse().unwrap()), Err(Rejection::TooManyOfAddress));
    let of_others: Vec<_> = (1..20)
        .flat_map(|n| [admit(&format!("2001:db8:1:{n}::1")), admit(&format!("2001:db8:1:{n}::2"))])
        .collect();
    assert_eq!(of_others.iter().flatten().count(), 18, "twenty in all");
    assert!(admit("2001:db8:2::1").is_ok());
    drop(of_one);
    assert!(admit("2001:db8:1::3").is_ok());
}

#[tokio::test(start_paused = true)]
async fn permits_are_released_when_the_connection_ends() {
    let world = World::new(Config { connections_per_address: 1, ..Config::default() });
    let client = world.connect(user()).await;
    assert_eq!(world.hub.admit(ADDRESS).err(), Some(Rejection::TooManyOfAddress));
    client.peer.close(CloseCode::Revoked);
    assert_eq!(client.wait_for_close().await, Some(CloseCode::Revoked));
    assert!(world.hub.admit(ADDRESS).is_ok());
    assert_eq!(world.hub.count().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn unmasked_frame_closes_the_connection() {
    use tokio::io::AsyncWriteExt;
    let world = World::new(Config::default());
    let mut client = world.connect(user()).await;
    // RFC 6455, 5.1: a text frame of two bytes, as a server would send it.
    client.ws.get_mut().write_all(&[0x81, 0x02, b'{', b'}']).await.unwrap();
    assert_eq!(client.wait_for_close().await, Some(CloseCode::WebSocket));
}
