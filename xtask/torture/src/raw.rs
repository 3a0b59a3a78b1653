//! A raw socket: it receives, answers pings and asks for the heads after connecting, but never pulls. What it was given
//! shows whether the server left a live socket behind.

use std::time::Duration;

use blegram_client::{AccessToken, Client};
use futures_util::{SinkExt, StreamExt};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{ClientRequestBuilder, Message},
};

use crate::{
    actor::Phase,
    history::{Event, Recorder},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// Without a frame for this long, the connection is dead: the server pings more often.
const SILENCE_LIMIT: Duration = Duration::from_secs(18);

/// Receives until the end, over one connection after the other.
pub(crate) async fn run(client: Client, recorder: Recorder, mut phase: watch::Receiver<Phase>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while *phase.borrow_and_update() != Phase::End {
        if let Some(socket) = connect(&client).await {
            recorder.push(Event::Opened);
            receive(socket, &recorder, &mut phase).await;
            recorder.push(Event::Closed);
        }
        sleep(Duration::from_millis(random.random_range(100..1000))).await;
    }
}

async fn connect(client: &Client) -> Option<Socket> {
    let AccessToken { secret, lifetime } = client.access_token().ok()?;
    if lifetime < Duration::from_secs(60) {
        client.refresh().await.ok()?;
    }
    let site = client.site().as_str().replacen("http", "ws", 1);
    let address = format!("{site}api/v1/gateway").parse().ok()?;
    let request = ClientRequestBuilder::new(address)
        .with_sub_protocol("blegram.v1+json")
        .with_header("Authorization", format!("Bearer {secret}"));
    let (socket, _) = timeout(CONNECT_LIMIT, connect_async(request)).await.ok()?.ok()?;
    Some(socket)
}

async fn receive(mut socket: Socket, recorder: &Recorder, phase: &mut watch::Receiver<Phase>) {
    while *phase.borrow_and_update() != Phase::End {
        tokio::select! {
            frame = timeout(SILENCE_LIMIT, socket.next()) => {
                let Ok(Some(Ok(message))) = frame else { return };
                let Message::Text(text) = message else { continue };
                recorder.received(&text);
                if let Some(answer) = answer(&text)
                    && !matches!(timeout(CONNECT_LIMIT, socket.send(answer)).await, Ok(Ok(())))
                {
                    return;
                }
            }
            _ = phase.changed() => {}
        }
    }
}

/// The frame that a received one asks for.
fn answer(text: &str) -> Option<Message> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let answer = if let Some(number) = frame["ping"].as_u64() {
        json!({ "pong": number })
    } else if frame["ev"] == "ready" {
        json!({ "id": 1, "op": "sync", "d": {} })
    } else if frame["ok"]["more"] == true {
        json!({ "id": 1, "op": "sync", "d": { "since": frame["ok"]["cursor"] } })
    } else {
        return None;
    };
    Some(Message::text(answer.to_string()))
}
