//! The accept loop: serves any poem [`Endpoint`] over hyper's HTTP/1, with the limits that poem's own server lacks.
//!
//! The limits protect against hostile and broken clients: a maximum number of open sockets (more wait in the kernel's
//! backlog), a timeout and a maximum size for the head of each request, a minimum rate for its body, a timeout for
//! clients that do not read the response, and a timeout for idle connections. The unread rest of a rejected body is
//! drained up to a limit before the connection is closed. The maximum *size* of a body is enforced by the API, because
//! it differs between routes.

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
use crate::{Rejection, Surface};

type BoxBody = http_body_util::combinators::BoxBody<bytes::Bytes, io::Error>;

/// Pause of the accept loop after an error of the server (no file descriptors, no memory) rather than of the client.
/// Retrying at once would only take CPU time from the tasks that could free these resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest time that the server discards input after it has shut down its side of a connection.
const LINGER: Duration = Duration::from_secs(5);

/// Lingering ends early when the client sends nothing for this long.
const LINGER_QUIET: Duration = Duration::from_secs(1);

/// Most bytes discarded while lingering.
const LINGER_BYTES: usize = 64 << 20;

/// Minimum size of hyper's buffer. It must exceed `max_head_bytes`, so that the 431 is our response and not hyper's.
const MIN_BUFFER_BYTES: usize = 64 * 1024;

/// Limits of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of open sockets, including upgraded ones. At the limit, new connections wait in the kernel's
    /// backlog.
    pub max_connections: usize,
    /// Time limit for receiving the head (request line and header fields) of a request: of the first one from the
    /// moment the client connects, of later ones from their first byte.
    pub head_timeout: Duration,
    /// Time limit for a connection that is idle between two requests. A proxy in front must close its idle connections
    /// earlier, or it sends requests on connections that are being closed. While less than a tenth of the slots is
    /// free, a connection that has been idle for [`Limits::head_timeout`] is closed within the same time again.
    pub keep_alive_timeout: Duration,
    /// Maximum size of the request line and header fields together. Larger heads get 431, and the connection is closed.
    pub max_head_bytes: usize,
    /// Time that a body may lag behind the minimum rate: the longest pause, or a slow start.
    pub body_grace: Duration,
    /// Minimum average rate of a request body. Only time spent waiting for the client counts.
    pub min_body_bytes_per_second: u64,
    /// Time limit for a client that accepts no byte of a pending response. Applies to upgraded connections, too.
    pub write_timeout: Duration,
    /// Time limit for requests in flight after the shutdown begins; then they are aborted.
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
/// At shutdown, the listener stops accepting and closes idle connections at once. Upgraded connections belong to the
/// code that upgraded them: they count against `max_connections` while open, but this function neither waits for them
/// nor closes them. Returns the number of connections aborted after the drain timeout.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: Arc<E>,
    limits: Limits,
    surface: Arc<dyn Surface>,
    shutdown: CancellationToken,
) -> usize {
    let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    while let Some((socket, peer)) = shutdown.run_until_cancelled(next(&listener, &slots, &limits)).await {
        // Reaps finished tasks; otherwise the set would grow with every connection.
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(
            socket,
            peer,
            Arc::clone(&endpoint),
            limits,
            Arc::clone(&surface),
            shutdown.clone(),
        ));
    }
    drop(listener);
    drain(connections, limits.drain_timeout).await
}

/// Accepts the next connection, once there is a free slot for it.
async fn next(listener: &TcpListener, slots: &Arc<Semaphore>, limits: &Limits) -> (Socket, SocketAddr) {
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    let (stream, peer) = accept(|| listener.accept()).await;
    // Disables Nagle's algorithm for small responses. If the socket is closed already, a later call fails.
    let _ = stream.set_nodelay(true);
    bound_unsent(&stream);
    (Socket::new(stream, *limits, slot), peer)
}

/// Limits the unsent data that the kernel buffers for a slow client: more than a round trip needs, but not the
/// megabytes that the kernel would buffer by default.
#[cfg(target_os = "linux")]
fn bound_unsent(stream: &TcpStream) {
    const UNSENT_BYTES: u32 = 64 * 1024;
    // Without the option the buffer is only larger.
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &TcpStream) {}

/// Repeats `attempt` until it yields a connection, with a pause after errors that would recur at once.
async fn accept<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match attempt().await {
            Ok(accepted) => return accepted,
            Err(error) if is_client_error(&error) => {
                tracing::debug!(%error, "client disconnected while being accepted")
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; retrying");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an accept error concerns only that client, so that the next accept may succeed at once.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Waits until the connections have ended; after `limit` aborts the rest and returns their number.
async fn drain(mut connections: JoinSet<()>, limit: Duration) -> usize {
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, all_ended).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// Serves one connection from its first request until it is closed.
async fn connection<E: Endpoint>(
    socket: Socket,
    peer: SocketAddr,
    endpoint: Arc<E>,
    limits: Limits,
    surface: Arc<dyn Surface>,
    shutdown: CancellationToken,
) {
    let local = socket.local_addr().unwrap_or(peer);
    let (rejected_upgrade, progress) = (RejectedUpgrade::default(), socket.progress());
    let service = service_fn(|request| {
        progress.begin_exchange();
        let (endpoint, rejected_upgrade, progress) =
            (Arc::clone(&endpoint), &rejected_upgrade, progress.clone());
        let surface = &*surface;
        async move {
            let answer = if head_bytes(&request) > limits.max_head_bytes {
                rejected_upgrade.store(request.extensions().get::<OnUpgrade>().cloned());
                headers_too_large(&request, surface, limits.max_head_bytes).into()
            } else {
                respond(&*endpoint, request, local, peer, &limits, rejected_upgrade).await
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
        tracing::debug!(%peer, %error, "connection ended with an error");
    }
    if ended.is_err_and(|error| is_timeout(&error)) {
        return;
    }
    let socket = match exchange.into_parts() {
        Some(parts) => Some(parts.io.into_inner()),
        None => rejected_upgrade.into_socket().await,
    };
    if let Some(socket) = socket {
        progress.lift_limits();
        linger(socket).await;
    }
}

/// Whether a connection ended because its client did not send or read in time.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// The latest rejected upgrade request. After one, hyper hands the socket over at the end of the connection, whatever
/// requests follow; without a receiver it would close the socket while the client may still be sending.
#[derive(Default)]
struct RejectedUpgrade(Mutex<Option<OnUpgrade>>);

impl RejectedUpgrade {
    fn store(&self, upgrade: Option<OnUpgrade>) {
        if upgrade.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = upgrade;
        }
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until hyper is done with the connection and returns the socket.
    async fn into_socket(self) -> Option<Socket> {
        let upgrade = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let parts = upgrade.await.ok()?.downcast::<TokioIo<Socket>>().ok()?;
        Some(parts.io.into_inner())
    }
}

/// Shuts down the sending side and discards input until the client closes the connection (RFC 9112, 9.6). The kernel
/// resets a socket that is closed with unread input, and a reset can destroy a response (400, 408, 413, 431) that the
/// client has not read yet.
async fn linger(mut socket: Socket) {
    // hyper may have done so already.
    let _ = socket.shutdown().await;
    let mut remaining = LINGER_BYTES;
    let discard = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(Ok(count @ 1..)) = timeout(LINGER_QUIET, socket.read(&mut buffer)).await {
            remaining = remaining.saturating_sub(count);
            if remaining == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER, discard).await;
}

fn protocol(limits: &Limits) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    // `Socket` has its own timers, which expire before this one. hyper reads the next head right after a response only
    // if it has a timeout configured, and that requires a timer.
    let longest = limits.keep_alive_timeout.saturating_add(limits.head_timeout);
    protocol.timer(TokioTimer::new()).header_read_timeout(longest);
    protocol.max_buf_size(limits.max_head_bytes.saturating_mul(2).max(MIN_BUFFER_BYTES));
    protocol
}

/// Passes one request to the endpoint, with the rate limit on its body, and hides the text of unhandled errors. If the
/// body is not read to its end, the response has `Connection: close`.
async fn respond<E: Endpoint>(
    endpoint: &E,
    request: Request<Incoming>,
    local: SocketAddr,
    peer: SocketAddr,
    limits: &Limits,
    rejected_upgrade: &RejectedUpgrade,
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
        rejected_upgrade.clear();
        return answer.into();
    }
    rejected_upgrade.store(upgrade);
    let is_read = match body {
        Some(body) => body.drain().await,
        None => true,
    };
    if is_read { answer.into() } else { ending(answer, version).into() }
}

/// Adds `Connection: close`: this response is the last one on its connection.
fn ending(mut answer: poem::Response, version: Version) -> poem::Response {
    answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    if version == Version::HTTP_10 {
        // hyper would add `keep-alive` to a response of a later version if the client asked for it.
        answer.set_version(Version::HTTP_10);
    }
    answer
}

/// The size of a request head on the wire, apart from optional white space.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |path| path.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len())
        + uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + fields.sum::<usize>() + "\r\n".len()
}

/// The surface's response for 431; the request itself does not reach the endpoint.
fn headers_too_large<B>(request: &Request<B>, surface: &dyn Surface, max_bytes: usize) -> poem::Response {
    let request_id = RequestId::generate_separately(SystemClock.now()).to_string();
    let rejection = Rejection::HeadersTooLarge { max_bytes };
    let answer = surface.render(rejection.into(), request.uri().path(), &request_id);
    ending(answer.with_header("x-request-id", request_id).into_response(), request.version())
}

/// The response for an error that the endpoint did not handle. Its text may reveal internals: it is logged, not sent.
fn plain_error(error: poem::Error) -> poem::Response {
    if error.is_from_response() {
        return error.into_response();
    }
    tracing::error!(%error, "unhandled error in the endpoint");
    error.status().into_response()
}

#[cfg(test)]
mod tests;
