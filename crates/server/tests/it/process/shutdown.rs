//! Shutdown: requests in flight are finished, and no client can delay it beyond the drain timeout.

use rstest::rstest;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use super::{
    home::Home,
    people::{Person, id, json_fields},
};
use crate::client::{Client, in_time};

const POST: &str = "POST /api/v1/posts";

/// Sends a head and waits for `100 Continue`. From then on, the request is in flight.
async fn begin(home: &Home, author: &Person, body: &str) -> Client {
    let mut client = home.connect().await;
    let fields = format!("expect: 100-continue\r\n{}", json_fields(body));
    client.send(author.head(POST, &fields)).await;
    assert_eq!(client.answer().await.status, 100);
    client
}

async fn rejects_connections(home: &Home) {
    in_time(async { while TcpStream::connect(home.address).await.is_ok() {} }).await;
}

#[rstest]
#[case::terminate(Signal::TERM)]
#[case::interrupt(Signal::INT)]
#[tokio::test]
async fn shutdown_finishes_requests_in_flight(#[case] signal: Signal) {
    let home = Home::new(&[("BLEGRAM_LISTENER__BODY_GRACE_MS", "60000")]);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let body = json!({ "text": "just in time" }).to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut client = begin(&home, &ann, &body).await;
    client.send(first).await;
    let mut idle = home.connect().await;
    assert_eq!(idle.get("/healthz").await.status, 200);

    site.signal(signal);
    rejects_connections(&home).await;
    idle.closed().await;
    client.send(rest).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
    drop(client);

    let ended = site.end().await;
    ended.assert_success();
    assert!(ended.stderr.contains("finishing requests in flight") && ended.stderr.contains("stopped"));
    assert!(
        !home.path("data/blegram.db-wal").exists(),
        "the write-ahead log is merged into the database file"
    );
    let _site = home.serve().await;
    assert_eq!(ann.posts_of("ann").await, [id(&answer.json())]);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_client_that_never_finishes() {
    let home = Home::new(&[("BLEGRAM_LISTENER__DRAIN_TIMEOUT_MS", "100")]);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let mut client = begin(&home, &ann, "{}").await;
    site.signal(Signal::TERM);
    client.closed().await;
    let ended = site.end().await;
    ended.assert_success();
    assert!(ended.stderr.contains("listener.drain_timeout_ms"), "{ended:?}");
}

#[tokio::test]
async fn signals_are_handled_as_soon_as_the_banner_is_printed() {
    let home = Home::new(&[]);
    for _ in 0..10 {
        let site = home.run("serve");
        site.prints("Stop with Ctrl-C.").await;
        site.signal(Signal::TERM);
        site.end().await.assert_success();
    }
}
