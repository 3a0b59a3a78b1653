//! The HTTP/1.1 listener: timeouts, connection limits, unread bodies, upgrades and shutdown.

use std::{error::Error, io, sync::Arc, time::Duration};

use blegram_http::{
    Site,
    listener::{Limits, Listener},
};
use poem::{
    Endpoint, IntoResponse, Request, Response, endpoint::make, error::InternalServerError, http::StatusCode,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::client::{Client, Server, in_time, limits, listener, site};

const SHORT_TIMEOUT: Duration = Duration::from_millis(100);

fn hello() -> impl Endpoint {
    make(|_| async { "hello" })
}

/// Returns the length of the body or, when it arrives too slowly, the same status as the API.
fn count() -> impl Endpoint {
    make(|request: Request| async {
        match request.into_body().into_bytes().await {
            Ok(bytes) => bytes.len().to_string().into_response(),
            Err(error) if timed_out(&error) => StatusCode::REQUEST_TIMEOUT.into_response(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        }
    })
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    let inside = io_error.and_then(|error| error.get_ref()).map(|error| error as &(dyn Error + 'static));
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        || inside.or(error.source()).is_some_and(timed_out)
}

/// An endpoint that notifies `entered` when a request begins, and responds when `open` is notified.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    fn endpoint(&self) -> impl Endpoint + use<> {
        let gate = self.clone();
        make(move |_| {
            let gate = gate.clone();
            async move {
                gate.entered.notify_one();
                gate.open.notified().await;
                "done"
            }
        })
    }
}

/// Switches protocols and then echoes the first line that it receives.
fn echo() -> impl Endpoint {
    let tasks = TaskTracker::new();
    make(move |request: Request| {
        let upgrade = request.take_upgrade();
        let tasks = tasks.clone();
        async move {
            let Ok(upgrade) = upgrade else { return StatusCode::UPGRADE_REQUIRED.into_response() };
            tasks.spawn(async move {
                let mut stream = BufReader::new(upgrade.await.unwrap());
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                stream.write_all(line.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                // Keeps the connection open until the client closes it.
                let _ = stream.read_line(&mut line).await;
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "parrot")
                .finish()
        }
    })
}

#[tokio::test]
async fn keep_alive_connection_carries_many_requests() {
    let server = Server::start(limits(), hello()).await;
    let mut client = server.connect().await;
    for _ in 0..200 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server =
        Server::start(limits(), make(|request: Request| async move { request.uri().path().to_owned() }))
            .await;
    let mut client = server.connect().await;
    client.send("GET /a HTTP/1.1\r\nhost: t\r\n\r\nGET /b HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/a");
    assert_eq!(client.answer().await.body, "/b");
}

#[tokio::test]
async fn incomplete_head_times_out_and_frees_its_slot() {
    let server =
        Server::start(Limits { head_timeout: SHORT_TIMEOUT, max_connections: 1, ..limits() }, hello()).await;
    let mut slow = server.connect().await;
    slow.send("GET / HTTP/1.1\r\nhost:").await;
    let mut next = server.connect().await;
    assert_eq!(next.get("/").await.status, 200);
    slow.closed().await;
}

#[tokio::test]
async fn trickling_head_times_out() {
    let server = Server::start(Limits { head_timeout: SHORT_TIMEOUT, ..limits() }, hello()).await;
    let mut slow = server.connect().await;
    let mut pace = tokio::time::interval(SHORT_TIMEOUT / 10);
    in_time(async {
        while slow.try_send("G").await.is_ok() {
            pace.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn connection_without_a_request_closes_after_the_head_timeout() {
    let server = Server::start(Limits { head_timeout: SHORT_TIMEOUT, ..limits() }, hello()).await;
    server.connect().await.closed().await;
}

#[tokio::test]
async fn idle_connection_outlives_the_head_timeout() {
    let server = Server::start(Limits { head_timeout: SHORT_TIMEOUT, ..limits() }, hello()).await;
    let mut idle = server.connect().await;
    for _ in 0..3 {
        assert_eq!(idle.get("/").await.status, 200);
        // Connected later, so its end shows that the head timeout has passed.
        server.connect().await.closed().await;
    }
    assert_eq!(idle.get("/").await.status, 200);
}

#[tokio::test]
async fn idle_connection_closes_after_the_keep_alive_timeout() {
    let server = Server::start(Limits { keep_alive_timeout: SHORT_TIMEOUT, ..limits() }, hello()).await;
    let mut idle = server.connect().await;
    for _ in 0..3 {
        assert_eq!(idle.get("/").await.status, 200);
    }
    idle.closed().await;
}

#[tokio::test]
async fn second_head_has_the_same_timeout_as_the_first() {
    let server = Server::start(Limits { head_timeout: SHORT_TIMEOUT, ..limits() }, hello()).await;
    let mut slow = server.connect().await;
    assert_eq!(slow.get("/").await.status, 200);
    slow.send("GET / HTTP/1.1\r\nhost:").await;
    slow.closed().await;

    let mut slow = server.connect().await;
    assert_eq!(slow.get("/").await.status, 200);
    let mut pace = tokio::time::interval(SHORT_TIMEOUT / 10);
    in_time(async {
        while slow.try_send("G").await.is_ok() {
            pace.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn long_request_outlives_both_timeouts() {
    let gate = Gate::default();
    let timeouts = Limits { head_timeout: SHORT_TIMEOUT, keep_alive_timeout: SHORT_TIMEOUT, ..limits() };
    let server = Server::start(timeouts, gate.endpoint()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\nbo").await;
    in_time(gate.entered.notified()).await;
    server.connect().await.closed().await;
    client.send("dy").await;
    server.connect().await.closed().await;
    gate.open.notify_one();
    assert_eq!(client.answer().await.body, "done");
}

#[tokio::test]
async fn upgraded_connection_outlives_both_timeouts() {
    let timeouts = Limits { head_timeout: SHORT_TIMEOUT, keep_alive_timeout: SHORT_TIMEOUT, ..limits() };
    let server = Server::start(timeouts, echo()).await;
    let mut upgraded = server.connect().await;
    upgraded.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: parrot\r\n\r\n").await;
    assert_eq!(upgraded.answer().await.status, 101);
    server.connect().await.closed().await;
    server.connect().await.closed().await;
    upgraded.send("polly\n").await;
    assert_eq!(upgraded.line().await, "polly\n");
}

#[tokio::test]
async fn idle_connection_is_closed_when_slots_are_few() {
    let few = Limits { head_timeout: SHORT_TIMEOUT, max_connections: 1, ..limits() };
    let server = Server::start(few, hello()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut next = server.connect().await;
    assert_eq!(next.get("/").await.status, 200);
    idle.closed().await;
}

#[tokio::test]
async fn idle_connection_is_closed_when_slots_become_few() {
    let gate = Gate::default();
    let (entered, gated) = (Arc::clone(&gate.entered), Arc::new(gate.endpoint()));
    let endpoint = make(move |request: Request| {
        let gated = Arc::clone(&gated);
        async move {
            if request.uri().path() == "/long" {
                gated.get_response(request).await
            } else {
                "hello".into_response()
            }
        }
    });
    let server =
        Server::start(Limits { head_timeout: SHORT_TIMEOUT, max_connections: 2, ..limits() }, endpoint).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut busy = server.connect().await;
    busy.send("GET /long HTTP/1.1\r\nhost: t\r\n\r\n").await;
    in_time(entered.notified()).await;
    idle.closed().await;
}

#[tokio::test]
async fn oversized_head_is_rejected_with_a_problem() {
    let server = Server::start(Limits { max_head_bytes: 1_000, ..limits() }, hello()).await;
    for (bytes, status) in [(900, 200), (1_000, 431), (60_000, 431)] {
        let mut client = server.connect().await;
        client.send(format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", "y".repeat(bytes))).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{bytes}");
        if status == 431 {
            assert!(answer.head.contains("content-type: application/problem+json\r\n"), "{}", answer.head);
            assert!(answer.body.contains(r#""code":"headers-too-large""#), "{}", answer.body);
            client.closed().await;
        }
    }
}

/// A head of `bytes` bytes, for a request to `path`.
fn head_of(bytes: usize, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: t\r\nx: ");
    format!("{head}{}\r\n\r\n", "y".repeat(bytes - head.len() - 4))
}

#[tokio::test]
async fn head_without_an_end_is_rejected_at_the_first_byte_above_the_limit() {
    for max in [1_000, 16 * 1024, 100_000] {
        let server = Server::start(Limits { max_head_bytes: max, ..limits() }, hello()).await;
        for earlier_requests in [0, 2] {
            let mut client = server.connect().await;
            for _ in 0..earlier_requests {
                client.send(head_of(max, "/")).await;
                assert_eq!(client.answer().await.status, 200, "a head of the largest size");
            }
            let head = head_of(max * 2, "/path?query");
            for piece in head.as_bytes()[..=max].chunks(3_000) {
                client.send(piece).await;
                tokio::task::yield_now().await;
            }
            let answer = client.answer().await;
            answer.assert_problem(431, "headers-too-large");
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(answer.header("date").is_some(), "{}", answer.head);
            assert_eq!(answer.json()["instance"], "/path");
            client.closed().await;
        }
    }
}

#[tokio::test]
async fn request_line_without_an_end_is_rejected() {
    let server = Server::start(limits(), hello()).await;
    let mut client = server.connect().await;
    client.send(format!("GET /{}", "y".repeat(16 * 1024))).await;
    let answer = client.answer().await;
    answer.assert_problem(431, "headers-too-large");
    assert_eq!(answer.json()["instance"], "/");
}

#[tokio::test]
async fn limit_of_heads_applies_to_each_head_and_not_to_bodies() {
    let server = Server::start(Limits { max_head_bytes: 200, ..limits() }, count()).await;
    let mut client = server.connect().await;
    for framing in framings(10_000) {
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{framing}").repeat(5)).await;
        for _ in 0..5 {
            assert_eq!(client.answer().await.body, "10000");
        }
    }
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n".repeat(100)).await;
    for _ in 0..100 {
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn oversized_head_beyond_every_buffer_gets_a_readable_response() {
    let server = Server::start(limits(), hello()).await;
    let mut client = server.connect().await;
    let _ = client.try_send(format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(300_000))).await;
    assert_eq!(client.answer().await.status, 431);
}

#[tokio::test]
async fn connections_above_the_limit_wait_in_the_backlog() {
    let server = Server::start(Limits { max_connections: 1, ..limits() }, hello()).await;
    let mut first = server.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = server.connect().await;
    second.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    second.receives_nothing().await;
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

/// Whether the server accepts a new connection from `address`. Returns it, so that it stays open.
async fn accepted(server: &Server, address: &str) -> Option<Client> {
    let mut client = server.connect_from(address).await;
    // The connection may be reset before or after the request is sent.
    let _ = client.try_send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    client.try_answer().await.is_ok().then_some(client)
}

#[tokio::test]
async fn connections_above_the_cap_of_their_address_are_reset() {
    let server = Server::start(Limits { max_connections_per_address: 2, ..limits() }, hello()).await;
    let mut first = accepted(&server, "127.0.0.1").await.unwrap();
    let second = accepted(&server, "127.0.0.1").await.unwrap();
    assert!(accepted(&server, "127.0.0.1").await.is_none());
    assert!(accepted(&server, "127.0.0.2").await.is_some(), "another address");
    assert_eq!(first.get("/").await.status, 200, "the other connections are not affected");
    drop(second);
    in_time(async { while accepted(&server, "127.0.0.1").await.is_none() {} }).await;
}

#[tokio::test]
async fn network_has_ten_times_as_many_connections_as_an_address() {
    let server = Server::start(Limits { max_connections_per_address: 1, ..limits() }, hello()).await;
    let mut open = Vec::new();
    for host in 1..=10 {
        open.push(accepted(&server, &format!("127.0.0.{host}")).await.unwrap());
    }
    assert!(accepted(&server, "127.0.0.11").await.is_none());
    assert!(accepted(&server, "127.0.1.11").await.is_some(), "another network");
}

#[tokio::test]
async fn upgraded_connection_counts_against_the_cap_of_its_address() {
    let server = Server::start(Limits { max_connections_per_address: 1, ..limits() }, echo()).await;
    let mut upgraded = server.connect().await;
    upgraded.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: parrot\r\n\r\n").await;
    assert_eq!(upgraded.answer().await.status, 101);
    assert!(accepted(&server, "127.0.0.1").await.is_none());
    drop(upgraded);
    in_time(async { while accepted(&server, "127.0.0.1").await.is_none() {} }).await;
}

#[tokio::test]
async fn uncapped_networks_have_any_number_of_connections() {
    let limits = Limits { max_connections_per_address: 1, ..limits() };
    let listener = Listener { uncapped: vec!["127.0.0.8/31".parse().unwrap()], ..listener(limits) };
    let server = Server::start_at("127.0.0.1:0", listener, hello()).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(accepted(&server, "127.0.0.9").await.unwrap());
    }
    open.push(accepted(&server, "127.0.0.10").await.unwrap());
    assert!(accepted(&server, "127.0.0.10").await.is_none());
}

#[tokio::test]
async fn connections_and_rejected_requests_are_counted() {
    let limits = Limits { max_connections_per_address: 1, ..limits() };
    let metrics = Arc::<blegram_http::HttpMetrics>::default();
    let listener = Listener { metrics: Arc::clone(&metrics), ..listener(limits) };
    let server = Server::start_at("127.0.0.1:0", listener, hello()).await;
    let mut open = accepted(&server, "127.0.0.1").await.unwrap();
    assert!(accepted(&server, "127.0.0.1").await.is_none());
    let counts = metrics.snapshot();
    assert_eq!((counts.connections, counts.rejected_connections), (1, 1));

    open.send("GET / HTTP/1.1\r\nhost: b@d\r\n\r\n").await;
    assert_eq!(open.answer().await.status, 400);
    let [unknown] = &metrics.snapshot().operations[..] else { panic!("{metrics:?}") };
    assert_eq!((unknown.label, &unknown.statuses[..]), ("unknown", &[(Some(400), 1)][..]));
    drop(open);
    in_time(async {
        while metrics.snapshot().connections > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn slow_body_times_out_and_closes_the_connection() {
    let server = Server::start(Limits { body_grace: SHORT_TIMEOUT, ..limits() }, count()).await;
    for framing in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = server.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{framing}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
        client.closed().await;
    }
}

#[tokio::test]
async fn body_in_time_arrives_complete() {
    let server = Server::start(limits(), count()).await;
    let mut client = server.connect().await;
    client
        .send(format!("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 300000\r\n\r\n{}", "b".repeat(300_000)))
        .await;
    assert_eq!(client.answer().await.body, "300000");
    assert_eq!(client.get("/").await.body, "0", "the connection stays usable");
}

/// Rejects every request without reading its body.
fn rejecting_endpoint() -> impl Endpoint {
    make(|_| async { StatusCode::PAYLOAD_TOO_LARGE })
}

/// Without a lingering close, the kernel resets the connection while the client still sends, and the response is lost.
/// After a rejected upgrade, of this request or an earlier one, hyper returns the socket on a different path.
#[tokio::test]
async fn early_response_reaches_a_client_that_keeps_sending() {
    const UPGRADE: &str = "connection: upgrade\r\nupgrade: h2c\r\n";
    let server = Server::start(limits(), rejecting_endpoint()).await;
    for (earlier, now) in [("", ""), ("", UPGRADE), (UPGRADE, "")] {
        let mut client = server.connect().await;
        client.send(format!("GET / HTTP/1.1\r\nhost: t\r\n{earlier}\r\n")).await;
        assert_eq!(client.answer().await.header("connection"), None);
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{now}content-length: 900000000\r\n\r\n")).await;
        for _ in 0..200 {
            client.send([b'b'; 4096]).await;
            tokio::task::yield_now().await;
        }
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{earlier:?} {now:?}");
        client.closed().await;
    }
}

/// A body of `bytes` bytes with each framing: `Content-Length` and chunked.
fn framings(bytes: usize) -> [String; 2] {
    let body = "b".repeat(bytes);
    [
        format!("content-length: {bytes}\r\n\r\n{body}"),
        format!("transfer-encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n"),
    ]
}

#[tokio::test]
async fn short_unread_body_leaves_the_connection_usable() {
    let server = Server::start(limits(), rejecting_endpoint()).await;
    let mut client = server.connect().await;
    for bytes in [1, 10_000, 70_000, 250_000] {
        for framing in framings(bytes) {
            for upgrade in ["", "connection: upgrade\r\nupgrade: h2c\r\n"] {
                client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{upgrade}{framing}")).await;
                let answer = client.answer().await;
                assert_eq!((answer.status, answer.header("connection")), (413, None), "{bytes}");
            }
        }
    }
}

#[tokio::test]
async fn partially_read_body_leaves_the_connection_usable() {
    let endpoint = make(|request: Request| async {
        let mut pieces = request.into_body().into_bytes_stream();
        let first = futures_util::StreamExt::next(&mut pieces).await;
        usize::from(first.is_some()).to_string()
    });
    let server = Server::start(limits(), endpoint).await;
    let mut client = server.connect().await;
    for framing in framings(200_000) {
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{framing}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.body.as_str(), answer.header("connection")), ("1", None));
    }
}

#[tokio::test]
async fn long_unread_body_closes_the_connection_as_announced() {
    let server = Server::start(limits(), rejecting_endpoint()).await;
    let requests = framings(1_000_000).map(|framing| format!("POST / HTTP/1.1\r\nhost: t\r\n{framing}"));
    let old = framings(1_000_000)[0].clone();
    let old =
        [format!("POST / HTTP/1.0\r\n{old}"), format!("POST / HTTP/1.0\r\nconnection: keep-alive\r\n{old}")];
    // With `Expect: 100-continue`, the client waits with its body. After a final response it may send the body or
    // another request, and the server cannot know which.
    let waiting = [10, 70_000, 1_000_000].map(|bytes| {
        format!("POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n")
    });
    for request in requests.into_iter().chain(old).chain(waiting) {
        let head = request.split("\r\n\r\n").next().unwrap();
        let mut client = server.connect().await;
        // The server may close the connection before all of it is sent.
        let _ = client.try_send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{head}");
        client.closed().await;
    }
}

#[tokio::test]
async fn short_body_that_never_arrives_closes_the_connection_soon() {
    let server = Server::start(limits(), rejecting_endpoint()).await;
    for framing in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = server.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nhost: t\r\n{framing}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        client.closed().await;
    }
}

#[tokio::test]
async fn body_read_after_100_continue_leaves_the_connection_usable() {
    let server = Server::start(limits(), count()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 100);
    client.send("body").await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("4", None));
    assert_eq!(client.get("/").await.body, "0");
}

#[tokio::test]
async fn client_that_does_not_read_loses_its_slot() {
    let limits = Limits { write_timeout: SHORT_TIMEOUT, max_connections: 1, ..limits() };
    let endpoint = make(|request: Request| async move {
        if request.uri().path() == "/large" { vec![0; 32 << 20] } else { Vec::new() }
    });
    let server = Server::start(limits, endpoint).await;
    let mut deaf = server.connect().await;
    deaf.send("GET /large HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

#[tokio::test]
async fn slow_reader_gets_the_complete_response() {
    const BYTES: usize = 32 << 20;
    let timeouts = Limits { head_timeout: SHORT_TIMEOUT, keep_alive_timeout: SHORT_TIMEOUT, ..limits() };
    let server = Server::start(timeouts, make(|_| async { vec![b'x'; BYTES] })).await;
    let mut slow = server.connect().await;
    slow.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    // Connected later, so its end shows that the timeout has passed.
    for _ in 0..3 {
        server.connect().await.closed().await;
    }
    assert_eq!(slow.answer().await.body.len(), BYTES);
}

#[tokio::test]
async fn malformed_http_is_rejected() {
    let server = Server::start(limits(), hello()).await;
    for garbage in
        ["\x16\x03\x01\x02\x00 not http\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"]
    {
        let mut client = server.connect().await;
        client.send(garbage).await;
        assert_eq!(client.answer().await.status, 400, "{garbage:?}");
        client.closed().await;
    }
}

#[tokio::test]
async fn endpoint_error_is_returned_without_its_text() {
    let server = Server::start(
        limits(),
        make(|_| async { Err::<(), _>(InternalServerError(io::Error::other("secret path"))) }),
    )
    .await;
    let answer = server.connect().await.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (500, ""));
}

#[tokio::test]
async fn panic_ends_one_connection_only() {
    let panicking = make(|request: Request| async move {
        assert_ne!(request.uri().path(), "/panic", "planned panic");
        "hello"
    });
    let server = Server::start(Limits { max_connections: 1, ..limits() }, panicking).await;
    let mut unlucky = server.connect().await;
    unlucky.send("GET /panic HTTP/1.1\r\nhost: t\r\n\r\n").await;
    unlucky.closed().await;
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

#[tokio::test]
async fn upgraded_connection_works_and_keeps_its_slot() {
    let server = Server::start(Limits { max_connections: 1, ..limits() }, echo()).await;
    let mut upgraded = server.connect().await;
    upgraded.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: parrot\r\n\r\n").await;
    assert_eq!(upgraded.answer().await.status, 101);
    upgraded.send("polly\n").await;
    assert_eq!(upgraded.line().await, "polly\n");

    let mut next = server.connect().await;
    next.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    next.receives_nothing().await;
    drop(upgraded);
    assert_eq!(next.answer().await.status, 426);
}

#[tokio::test]
async fn shutdown_finishes_requests_in_flight_and_accepts_no_more() {
    let gate = Gate::default();
    let server = Server::start(limits(), gate.endpoint()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    in_time(gate.entered.notified()).await;

    server.begin_shutdown();
    in_time(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    client.receives_nothing().await;
    gate.open.notify_one();

    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert!(answer.head.contains("connection: close\r\n"), "{}", answer.head);
    client.closed().await;
    drop(client);
    assert_eq!(server.end().await, 0);
}

#[tokio::test]
async fn shutdown_closes_idle_and_silent_connections_at_once() {
    let server = Server::start(limits(), hello()).await;
    let (mut silent, mut idle) = (server.connect().await, server.connect().await);
    assert_eq!(idle.get("/").await.status, 200);
    server.begin_shutdown();
    idle.closed().await;
    silent.closed().await;
    drop((idle, silent));
    assert_eq!(server.end().await, 0);
}

/// A listener behind a trusted proxy at 127.0.0.2.
fn behind_proxy(limits: Limits) -> Listener {
    let site = Site { trusted_proxies: vec!["127.0.0.2/32".parse().unwrap()], ..site() };
    Listener { site: Arc::new(site), ..listener(limits) }
}

#[tokio::test]
async fn shutdown_serves_a_request_on_an_idle_connection_of_a_proxy() {
    let server = Server::start_at("127.0.0.1:0", behind_proxy(limits()), hello()).await;
    let mut proxy = server.connect_from("127.0.0.2").await;
    let mut client = server.connect().await;
    for idle in [&mut proxy, &mut client] {
        assert_eq!(idle.get("/").await.header("connection"), None);
    }
    server.begin_shutdown();
    // It knows of no proxy, so its end shows that the shutdown has begun.
    client.closed().await;
    let answer = proxy.get("/").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    proxy.closed().await;
    drop((proxy, client));
    assert_eq!(server.end().await, 0);
}

#[tokio::test]
async fn shutdown_closes_idle_connections_of_a_proxy_after_a_grace_period() {
    let limits = Limits { proxy_grace: SHORT_TIMEOUT, ..limits() };
    let server = Server::start_at("127.0.0.1:0", behind_proxy(limits), hello()).await;
    let mut proxy = server.connect_from("127.0.0.2").await;
    assert_eq!(proxy.get("/").await.status, 200);
    server.begin_shutdown();
    proxy.closed().await;
    drop(proxy);
    assert_eq!(server.end().await, 0);
}

#[tokio::test]
async fn shutdown_serves_connections_that_wait_to_be_accepted() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(address).await.unwrap();
        client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
        clients.push(client);
    }
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let mut task = JoinSet::new();
    task.spawn(listener(limits()).serve(socket, Arc::new(hello()), shutdown));
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
    drop(clients);
    assert_eq!(in_time(task.join_next()).await.unwrap().unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn request_that_outlives_the_drain_is_cut_and_counted() {
    let gate = Gate::default();
    let server = Server::start(Limits { drain_timeout: SHORT_TIMEOUT, ..limits() }, gate.endpoint()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    in_time(gate.entered.notified()).await;
    server.begin_shutdown();
    assert_eq!(server.end().await, 1);
    client.closed().await;
}
