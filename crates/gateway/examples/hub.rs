//! A hub without blegram's API: accepts a WebSocket over TCP, answers commands, and broadcasts to the subscribers.
//!
//! `cargo run -p blegram-gateway --example hub`: a client in the same program connects, sends a command, and receives an
//! event.

use std::{error::Error, sync::Arc, time::Duration};

use blegram_domain::{Clock, ConnectionId, ConversationId, SessionId, SystemClock, UserId};
use blegram_gateway::{
    Class, Command, Commands, Config, ConnectionIdentity, Credential, Frame, Hub, Peer, serve,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{io::DuplexStream, time::Instant};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tokio_util::sync::CancellationToken;

/// What the clients of this program can do.
struct Echo;

impl Commands for Echo {
    fn is_pipelined(&self, _: &str) -> bool {
        false
    }

    async fn admit(&self, _: &Arc<Peer>, _: &Command) -> Result<(), Frame> {
        Ok(())
    }

    async fn run(&self, _: &Arc<Peer>, command: Command) -> Option<Frame> {
        Some(Frame::ok(command.id, &json!({ "echo": command.d })))
    }

    fn delivered(&self, _: &Peer, _: Vec<(ConversationId, u64)>) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hub, _presence) = Hub::new(Config::default());
    let shutdown = CancellationToken::new();
    let user = UserId::generate(SystemClock.now());
    let (near, far) = tokio::io::duplex(64 * 1024);

    // A server authenticates the client, and makes the handshake (`Handshake`) before this.
    let connection = {
        let permit = hub.admit([127, 0, 0, 1].into())?;
        let ready = Frame::event(Class::Reply, "ready", &json!({ "user": user.to_string() }));
        let registered = permit.register(ConnectionId::generate(SystemClock.now()), identity(user), ready);
        serve(far, registered.map_err(|(_, rejection)| rejection)?, Arc::new(Echo))
    };
    let client = async {
        let ended = use_connection(near, &hub, user).await;
        shutdown.cancel();
        ended
    };
    let (ended, code, ()) = tokio::join!(client, connection, hub.run(&shutdown));
    println!("the server closed the connection: {code:?}");
    ended
}

/// The other end: a browser or an app.
async fn use_connection(stream: DuplexStream, hub: &Hub, user: UserId) -> Result<(), Box<dyn Error>> {
    let mut ws = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    println!("received: {}", ws.next().await.ok_or("open")??);
    ws.send(Message::text(json!({ "id": 1, "op": "echo", "d": "안녕" }).to_string())).await?;
    println!("received: {}", ws.next().await.ok_or("open")??);
    println!("online: {}", hub.presence().is_online(user));
    // Any task can send to a user, to subscribers of a topic, or to all.
    hub.fanout().send_to_users(&[user], &Frame::event(Class::Hint, "hello", &json!({ "from": "hub" })));
    println!("received: {}", ws.next().await.ok_or("open")??);
    ws.close(None).await?;
    Ok(())
}

fn identity(user: UserId) -> ConnectionIdentity {
    let (now, lifetime) = (SystemClock.now(), Duration::from_secs(600));
    let credential = Credential {
        session: SessionId::generate(now),
        valid_until: now + lifetime,
        expires_at: Instant::now() + lifetime,
        lifetime,
    };
    ConnectionIdentity { user, credential }
}
