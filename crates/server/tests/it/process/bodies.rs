//! Requests that are too large or too slow.

use super::{
    home::{Home, Process},
    people::{Person, json_fields},
};
use crate::client::{Answer, Client};

const HUGE: usize = 200 << 20;
const POST: &str = "POST /api/v1/posts";

/// The memory that a request of `HUGE` bytes may take: a tenth of its size.
const MAX_GROWTH_KIB: u64 = 20 << 10;

/// A logged-in client and an anonymous one.
async fn both(home: &Home) -> [Person; 2] {
    [home.sign_up("ann").await, home.stranger()]
}

async fn assert_rejected(client: &mut Client, status: u16, code: &str) -> Answer {
    let answer = client.answer().await;
    answer.assert_problem(status, code);
    answer
}

fn assert_grew_little(site: &Process, before_kib: u64) {
    // The kernel's counters are approximate: the peak may seem lower a moment later.
    let growth = site.peak_memory_kib().saturating_sub(before_kib);
    assert!(growth < MAX_GROWTH_KIB, "{growth} KiB");
}

#[tokio::test]
async fn endless_body_is_rejected_without_using_memory() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    let chunk = [b"10000\r\n", [b'a'; 0x1_0000].as_slice(), b"\r\n"].concat();
    for person in both(&home).await {
        let before = site.peak_memory_kib();
        let mut client = home.connect().await;
        let fields = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
        client.send(person.head(POST, fields)).await;
        client.flood(&chunk, HUGE).await;
        assert_rejected(&mut client, 413, "body-too-large").await;
        client.keep_sending(&chunk, HUGE).await;
        client.closed().await;
        assert_grew_little(&site, before);
    }
    assert_eq!(home.stranger().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn oversized_announced_body_is_rejected_unread() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    for person in both(&home).await {
        for expect in ["", "expect: 100-continue\r\n"] {
            let before = site.peak_memory_kib();
            let mut client = home.connect().await;
            let fields = format!("content-type: application/json\r\ncontent-length: {HUGE}\r\n{expect}");
            client.send(person.head(POST, &fields)).await;
            assert_rejected(&mut client, 413, "body-too-large").await;
            client.closed().await;
            assert_grew_little(&site, before);
        }
    }
}

#[tokio::test]
async fn slow_body_returns_request_timeout() {
    let home = Home::new(&[("BLEGRAM_LISTENER__BODY_GRACE_MS", "300")]);
    let _site = home.serve().await;
    for person in both(&home).await {
        let mut client = home.connect().await;
        client.send(person.head(POST, &json_fields("{\"text\":\"half\"}"))).await;
        client.send("{\"text\":").await;
        assert_rejected(&mut client, 408, "request-timeout").await;
        client.closed().await;
    }
}

#[tokio::test]
async fn oversized_head_returns_headers_too_large() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    let before = site.peak_memory_kib();
    for bytes in [20_000, 60_000] {
        let mut client = home.connect().await;
        client
            .send(home.stranger().head("GET /api/v1/instance", &format!("x: {}\r\n", "y".repeat(bytes))))
            .await;
        let answer = assert_rejected(&mut client, 431, "headers-too-large").await;
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
        client.closed().await;
    }
    assert_grew_little(&site, before);
}

#[tokio::test]
async fn incomplete_head_is_cut() {
    let home = Home::new(&[("BLEGRAM_LISTENER__HEAD_TIMEOUT_MS", "500")]);
    let _site = home.serve().await;
    let (mut slow, mut silent) = (home.connect().await, home.connect().await);
    slow.send("GET /api/v1/instance HTTP/1.1\r\nhost:").await;
    slow.closed().await;
    silent.closed().await;
    assert_eq!(home.stranger().get("/api/v1/instance").await.status, 200);
}

/// Requests that get a response before their body is read, or after a part of it: request line, header fields and the
/// possible statuses.
fn early_responses() -> [(&'static str, &'static str, &'static [u16]); 9] {
    const JSON: &str = "content-type: application/json\r\n";
    [
        ("POST /api/v1/posts", JSON, &[400, 401, 413]),
        ("POST /api/v1/posts", "content-type: text/plain\r\n", &[413, 415]),
        ("POST /api/v1/media", JSON, &[413, 415]),
        ("POST /api/v1/media", "content-type: multipart/form-data; boundary=b\r\n", &[400, 401, 403, 413]),
        ("POST /nowhere", JSON, &[404]),
        ("DELETE /api/v1/timelines/public", JSON, &[405]),
        ("GET /api/v1/timelines/public", "", &[200]),
        ("GET /api/v1/gateway", "connection: upgrade\r\nupgrade: websocket\r\n", &[400, 401, 403, 426]),
        ("PUT /media/incoming/019aaf50-7b2d-7c01-93a4-5b6c7d8e9f00", "", &[401, 403, 404]),
    ]
}

/// After each response, the connection is either usable for another request, or its end was announced.
#[tokio::test]
async fn early_responses_never_break_the_next_request() {
    let home = Home::new(&[]);
    let _site = home.serve().await;
    for person in both(&home).await {
        for (line, fields, statuses) in early_responses() {
            for bytes in [30_000, 70_000, 600_000] {
                let body = "b".repeat(bytes);
                let framings = [
                    format!("content-length: {bytes}\r\n"),
                    "transfer-encoding: chunked\r\n".to_owned(),
                    format!("content-length: {bytes}\r\nexpect: 100-continue\r\n"),
                ];
                for framing in framings {
                    let mut client = home.connect().await;
                    client.send(person.head(line, &format!("{fields}{framing}"))).await;
                    let mut answer = None;
                    if framing.contains("expect") {
                        answer = Some(client.answer().await);
                    }
                    if answer.as_ref().is_none_or(|answer| answer.status == 100) {
                        let chunk = format!("{bytes:x}\r\n{body}\r\n0\r\n\r\n");
                        let sent = if framing.contains("chunked") { &chunk } else { &body };
                        // The server may have closed the connection by now.
                        let _ = client.try_send(sent).await;
                        answer = Some(client.answer().await);
                    }
                    let answer = answer.unwrap();
                    assert!(statuses.contains(&answer.status), "{line} {framing}: {answer:?}");
                    if answer.header("connection").is_some_and(|value| value.contains("close")) {
                        client.closed().await;
                    } else {
                        assert_eq!(client.get("/healthz").await.status, 200, "{line} {framing}: {answer:?}");
                    }
                }
            }
        }
    }
}
