//! The accept loop: hyper's HTTP/1 around any poem [`Endpoint`], with the limits poem's own server lacks.
//!
//! What a hostile or broken client meets, in this order: a cap on open sockets (the kernel's backlog waits),
//! a deadline for the head of each request, a limit on its size, a minimum pace for its body, a limit to
//! not reading the answer, and a limit to being idle until the next request. What is left of a body that was refused is
//! read up to a bound before the connection ends. The *size* of a body is the API's business, because it differs between
//! routes.

mod body;
mod socket;

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blegram_api::problem::{Code, Problem};
use blegram_domain::{Clock, RequestId, SystemClock};
use http::{HeaderValue, StatusCode, Version, header, uri::Scheme};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Addr, Endpoint, IntoResponse,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{
    body::RequestBody,
    socket::{AnswerBody, Socket},
};

type BoxBody = http_body_util::combinators::BoxBody<bytes::Bytes, io::Error>;

/// How long accepting rests after a failure that is ours (no file descriptors, no memory), not a client's.
/// Trying again at once would only burn the processor that could free them.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How long the server reads on after it has ended a connection, while the client still sends.
const LINGER: Duration = Duration::from_secs(5);

/// The same, while the client sends nothing.
const LINGER_QUIET: Duration = Duration::from_secs(1);

/// The most that is read then.
const LINGER_BYTES: usize = 64 << 20;

/// hyper's buffer when the head limit is smaller: larger than ours, so that the answer can be ours too.
const MIN_BUFFER_BYTES: usize = 64 * 1024;

/// What one client may take of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sockets open at once, upgraded ones included. At the cap nothing is accepted: the kernel's backlog waits.
    pub max_connections: usize,
    /// How long the head of a request may take: of the first one from the moment the client connects, of others from the
    /// first packet after the previous answer.
    pub head_timeout: Duration,
    /// How long a connection may be idle between two requests. A proxy in front must close its own idle connections
    /// earlier, or it sends requests into ones that end. While less than a tenth of the slots is free, one that has been
    /// idle for [`Limits::head_timeout`] ends within the same time again.
    pub keep_alive_timeout: Duration,
    /// Request line and header fields together. Above it: 431 and the connection ends.
    pub max_head_bytes: usize,
    /// The most waiting a body may cause beyond what its bytes earn: the longest pause, and a slow start.
    pub body_grace: Duration,
    /// The slowest acceptable body in the long run. Only time spent waiting for the client counts.
    pub min_body_bytes_per_second: u64,
    /// How long a client may take no byte while an answer waits to be sent. Upgraded connections too.
    pub write_timeout: Duration,
    /// How long requests in flight may go on after shutdown begins; then they are cut.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            max_head_bytes: 16 * 1024,
            body_grace: Duration::from_secs(10),
            min_body_bytes_per_second: 1024,
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves until `shutdown`, then lets requests in flight finish for at most [`Limits::drain_timeout`].
///
/// At shutdown nothing more is accepted and idle connections close at once. Upgraded connections belong to
/// whoever upgraded them: they hold their slot while open, but are neither waited for nor cut here.
/// Returns how many connections were cut because they outlived the drain.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: Arc<E>,
    limits: Limits,
    base_path: &str,
    shutdown: CancellationToken,
) -> usize {
    let base_path = Arc::<str>::from(base_path);
    let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    while let Some((socket, peer)) = shutdown.run_until_cancelled(next(&listener, &slots, &limits)).await {
        // Finished tasks are forgotten here, or the set would grow with every connection ever made.
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(
            socket,
            peer,
            Arc::clone(&endpoint),
            limits,
            Arc::clone(&base_path),
            shutdown.clone(),
        ));
    }
    drop(listener);
    drain(connections, limits.drain_timeout).await
}

/// The next client, accepted only once there is a slot for it.
async fn next(listener: &TcpListener, slots: &Arc<Semaphore>, limits: &Limits) -> (Socket, SocketAddr) {
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    let (stream, peer) = accept(|| listener.accept()).await;
    // Small answers must not wait for the acknowledgement of earlier ones. A socket that is gone fails later.
    let _ = stream.set_nodelay(true);
    bound_unsent(&stream);
    (Socket::new(stream, *limits, slot), peer)
}

/// What the kernel keeps of an answer before it can be sent, for a client that is slow or does not read: more than a
/// round trip needs, and not the megabytes that the kernel would take by itself.
#[cfg(target_os = "linux")]
fn bound_unsent(stream: &TcpStream) {
    const UNSENT_BYTES: u32 = 64 * 1024;
    // Where it cannot be bounded it is only larger.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &TcpStream) {}

/// Repeats `attempt` until it yields a connection, resting after failures that would repeat at once.
async fn accept<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match attempt().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_clients(&error) => {
                tracing::debug!(%error, "a client left while it was accepted")
            }
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted; trying again soon");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Whether a failed accept concerns that one client, so that the next one may succeed right away.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Waits for the connections to end; after `patience` drops the rest and says how many there were.
async fn drain(mut connections: JoinSet<()>, patience: Duration) -> usize {
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(patience, all_ended).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// One socket from its first request to its end.
async fn connection<E: Endpoint>(
    socket: Socket,
    peer: SocketAddr,
    endpoint: Arc<E>,
    limits: Limits,
    base_path: Arc<str>,
    shutdown: CancellationToken,
) {
    let local = socket.local_addr().unwrap_or(peer);
    let (refused, progress) = (RefusedUpgrade::default(), socket.progress());
    let service = service_fn(|request| {
        progress.begin_exchange();
        let (endpoint, refused, progress) = (Arc::clone(&endpoint), &refused, progress.clone());
        let base_path = &*base_path;
        async move {
            let answer = if head_bytes(&request) > limits.max_head_bytes {
                refused.keep(request.extensions().get::<OnUpgrade>().cloned());
                headers_too_large(&request, base_path, limits.max_head_bytes).into()
            } else {
                respond(&*endpoint, request, local, peer, &limits, refused).await
            };
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                progress.lift_limits();
            }
            Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, progress)))
        }
    });
    let mut exchange = protocol(&limits).serve_connection(TokioIo::new(socket), service).with_upgrades();
    let ended = tokio::select! {
        ended = &mut exchange => ended,
        () = shutdown.cancelled() => {
            std::pin::Pin::new(&mut exchange).graceful_shutdown();
            (&mut exchange).await
        }
    };
    if let Err(error) = &ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
    if ended.is_err_and(|error| is_timeout(&error)) {
        return;
    }
    let socket = match exchange.into_parts() {
        Some(parts) => Some(parts.io.into_inner()),
        None => refused.into_socket().await,
    };
    if let Some(socket) = socket {
        progress.lift_limits();
        linger(socket).await;
    }
}

/// Whether a connection ended because its client neither sent nor read in time.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// The latest upgrade that a request asked for in vain. Once there was one, hyper hands the socket over at the end of the
/// connection, whatever came after it; without a receiver it would be closed while the client may still send.
#[derive(Default)]
struct RefusedUpgrade(Mutex<Option<OnUpgrade>>);

impl RefusedUpgrade {
    fn keep(&self, upgrade: Option<OnUpgrade>) {
        if upgrade.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = upgrade;
        }
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The socket, once hyper is done with it.
    async fn into_socket(self) -> Option<Socket> {
        let upgrade = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let parts = upgrade.await.ok()?.downcast::<TokioIo<Socket>>().ok()?;
        Some(parts.io.into_inner())
    }
}

/// Ends our side and reads on until the client ends its own (RFC 9112, 9.6). A socket closed with unread input is reset by
/// the kernel, and a reset can destroy an answer (400, 408, 413, 431) that the client has not read yet.
async fn linger(mut socket: Socket) {
    // hyper may have done so already.
    let _ = socket.shutdown().await;
    let mut room = LINGER_BYTES;
    let discard = async {
        let mut waste = vec![0; 16 * 1024];
        while let Ok(Ok(count @ 1..)) = timeout(LINGER_QUIET, socket.read(&mut waste)).await {
            room = room.saturating_sub(count);
            if room == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER, discard).await;
}

fn protocol(limits: &Limits) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    // The socket has the timers, and ends before this does. hyper asks the socket for the next head right after an answer only
    // if it has a timeout of its own, and needs a timer for that.
    let longest = limits.keep_alive_timeout.saturating_add(limits.head_timeout);
    protocol.timer(TokioTimer::new()).header_read_timeout(longest);
    protocol.max_buf_size(limits.max_head_bytes.saturating_mul(2).max(MIN_BUFFER_BYTES));
    protocol
}

/// One request through the endpoint, its body guarded, its errors free of internals. When the body is not read to its end,
/// the answer announces that the connection ends.
async fn respond<E: Endpoint>(
    endpoint: &E,
    request: Request<Incoming>,
    local: SocketAddr,
    peer: SocketAddr,
    limits: &Limits,
    refused: &RefusedUpgrade,
) -> Response<BoxBody> {
    let (version, upgrade) = (request.version(), request.extensions().get::<OnUpgrade>().cloned());
    let (local, peer) = (LocalAddr(Addr::SocketAddr(local)), RemoteAddr(Addr::SocketAddr(peer)));
    let expects_continue = version > Version::HTTP_10
        && request
            .headers()
            .get_all(header::EXPECT)
            .iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let mut request = poem::Request::from((request, local, peer, Scheme::HTTP));
    let body = BoxBody::from(request.take_body());
    let body = (!body.is_end_stream()).then(|| RequestBody::new(body, limits, expects_continue));
    if let Some(body) = body.clone() {
        request.set_body(poem::Body::from(BoxBody::new(body)));
    }
    let answer = endpoint.call(request).await.map_or_else(plain_error, IntoResponse::into_response);
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        refused.clear();
        return answer.into();
    }
    refused.keep(upgrade);
    let is_read = match body {
        Some(body) => body.drain().await,
        None => true,
    };
    if is_read { answer.into() } else { ending(answer, version).into() }
}

/// The same answer, as the last one of its connection.
fn ending(mut answer: poem::Response, version: Version) -> poem::Response {
    answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    if version == Version::HTTP_10 {
        // To an answer of a later version hyper would add `keep-alive` if the client asked for that.
        answer.set_version(Version::HTTP_10);
    }
    answer
}

/// The size of a request's head as it was on the wire, give or take optional white space.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |it| it.as_str().len())
        + uri.authority().map_or(0, |it| it.as_str().len())
        + uri.scheme_str().map_or(0, |it| it.len() + "://".len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + fields.sum::<usize>() + "\r\n".len()
}

/// The API's own answer, although the request never reaches it.
fn headers_too_large<B>(request: &Request<B>, base_path: &str, limit: usize) -> poem::Response {
    let detail = format!("the request line and header fields may take {limit} bytes together");
    let request_id = RequestId::generate_apart(SystemClock.now()).to_string();
    let problem = Problem::new(Code::HeadersTooLarge).with_detail(detail);
    let answer = problem.into_response(base_path, request.uri().path(), &request_id);
    ending(answer.with_header("x-request-id", request_id).into_response(), request.version())
}

/// The last resort for an error the endpoint let through. Its text may name internals, so it is logged, not sent.
fn plain_error(error: poem::Error) -> poem::Response {
    if error.is_from_response() {
        return error.into_response();
    }
    tracing::error!(%error, "an error left the endpoint unhandled");
    error.status().into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn sockets_are_accepted_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (socket, _) = next(&listener, &Arc::new(Semaphore::new(1)), &Limits::default()).await;

        assert!(socket.nodelay().unwrap());
    }

    /// How long it takes to accept after so many failures of one kind.
    async fn accepting_after(failures: usize, code: i32) -> Duration {
        let mut outcomes = std::iter::repeat_n(code, failures);
        let mut outcome = || outcomes.next().map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)));
        let started = Instant::now();
        accept(|| std::future::ready(outcome())).await;
        started.elapsed()
    }

    #[tokio::test]
    async fn accepting_rests_when_descriptors_run_out() {
        let emfile = 24;
        assert!(accepting_after(2, emfile).await >= ACCEPT_REST * 2);
    }

    #[tokio::test]
    async fn accepting_goes_on_at_once_when_a_client_left() {
        let aborted = 103;
        assert!(accepting_after(100, aborted).await < ACCEPT_REST * 50);
    }

    #[test]
    fn a_head_is_measured_as_it_was_sent() {
        let sent = "GET /posts?limit=2 HTTP/1.1\r\nhost: a\r\nx-b: cd\r\n\r\n";
        let request =
            Request::get("/posts?limit=2").header("host", "a").header("x-b", "cd").body(()).unwrap();
        assert_eq!(head_bytes(&request), sent.len());
    }

    #[test]
    fn an_unhandled_error_keeps_its_status_and_hides_its_text() {
        let error = poem::Error::from_string("table users is locked", StatusCode::BAD_GATEWAY);
        let answer = plain_error(error);
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert!(answer.into_body().is_empty());
    }
}
