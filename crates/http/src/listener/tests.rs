use std::time::Instant;

use super::*;

#[tokio::test]
async fn sockets_are_accepted_without_delay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

    let (socket, _) = next(&listener, &Arc::new(Semaphore::new(1)), &Limits::default()).await;

    assert!(socket.nodelay().unwrap());
}

/// The time until a connection is accepted after a number of failures with the same error code.
async fn accepting_after(failures: usize, code: i32) -> Duration {
    let mut outcomes = std::iter::repeat_n(code, failures);
    let mut outcome = || outcomes.next().map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)));
    let started = Instant::now();
    accept(|| std::future::ready(outcome())).await;
    started.elapsed()
}

#[tokio::test]
async fn accepting_pauses_when_descriptors_run_out() {
    let emfile = 24;
    assert!(accepting_after(2, emfile).await >= ACCEPT_PAUSE * 2);
}

#[tokio::test]
async fn accepting_continues_at_once_after_an_aborted_connection() {
    let aborted = 103;
    assert!(accepting_after(100, aborted).await < ACCEPT_PAUSE * 50);
}

#[test]
fn head_size_equals_the_bytes_on_the_wire() {
    let sent = "GET /posts?limit=2 HTTP/1.1\r\nhost: a\r\nx-b: cd\r\n\r\n";
    let request = Request::get("/posts?limit=2").header("host", "a").header("x-b", "cd").body(()).unwrap();
    assert_eq!(head_bytes(&request), sent.len());
}

#[test]
fn unhandled_error_is_sent_without_its_text() {
    let error = poem::Error::from_string("table users is locked", StatusCode::BAD_GATEWAY);
    let answer = plain_error(error);
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.into_body().is_empty());
}
