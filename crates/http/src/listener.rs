//! The accept loop: serves any poem [`Endpoint`] over hyper's HTTP/1, with the limits that poem's own server lacks.
//!
//! The limits protect against hostile and broken clients: a maximum number of open sockets (more wait in the kernel's
//! backlog) and of those of one address (more are reset), a timeout and a maximum size for the head of each request, a
//! minimum rate for its body, a timeout for clients that do not read the response, and a timeout for idle connections.
//! The unread rest of a rejected body is drained up to a limit before the connection is closed. The maximum *size* of a
//! body is enforced by the API, because it differs between routes.
//!
//! The listener also rejects requests whose `Host` is missing, malformed or foreign (`host.rs`).

mod accept;
mod body;
mod closing;
mod oversized;
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
use ipnet::IpNet;
use poem::{
    Addr, Endpoint, IntoResponse,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{
    accept::Acceptor,
    body::RequestBody,
    closing::{Closing, announce_end, drain, linger},
    socket::{AnswerBody, HEAD_TOO_LARGE, Socket},
};
use crate::{HttpMetrics, Rejection, Site, Surface, edge::add_security_headers, host::Hosts};

type BoxBody = http_body_util::combinators::BoxBody<bytes::Bytes, io::Error>;

/// The smallest buffer that hyper accepts.
const MIN_BUFFER_BYTES: usize = 8 * 1024;

/// Limits of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of open sockets, including upgraded ones. At the limit, new connections wait in the kernel's
    /// backlog.
    pub max_connections: usize,
    /// Maximum number of open sockets of one subscriber: an IPv4 address, or the /64 of an IPv6 address. The network
    /// around it, a /24 or a /48, may have ten times as many. Further connections are reset.
    pub max_connections_per_address: usize,
    /// Time limit for receiving the head (request line and header fields) of a request: of the first one from the
    /// moment the client connects, of later ones from their first byte.
    pub head_timeout: Duration,
    /// Time limit for a connection that is idle between two requests. A proxy in front must close its idle connections
    /// earlier, or it sends requests on connections that are being closed. While less than a tenth of the slots is
    /// free, a connection that has been idle for [`Limits::head_timeout`] is closed within the same time again.
    pub keep_alive_timeout: Duration,
    /// Maximum size of the request line and header fields together. A larger head gets 431 as soon as it exceeds the
    /// limit, and the connection is closed.
    pub max_head_bytes: usize,
    /// Time that a body may lag behind the minimum rate: the longest pause, or a slow start.
    pub body_grace: Duration,
    /// Minimum average rate of a request body. Only time spent waiting for the client counts.
    pub min_body_bytes_per_second: u64,
    /// Time limit for a client that accepts no byte of a pending response. Applies to upgraded connections, too.
    pub write_timeout: Duration,
    /// Time limit for requests in flight after the shutdown begins; then they are aborted.
    pub drain_timeout: Duration,
    /// How long idle connections of trusted proxies stay open after the shutdown begins; at most half of
    /// [`Limits::drain_timeout`].
    pub proxy_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 200,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            max_head_bytes: 16 * 1024,
            body_grace: Duration::from_secs(10),
            min_body_bytes_per_second: 1024,
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            proxy_grace: Duration::from_secs(5),
        }
    }
}

/// The listener of a site.
pub struct Listener {
    /// The limits on connections and requests.
    pub limits: Limits,
    /// Networks whose connections do not count against [`Limits::max_connections_per_address`]: those of proxies, which
    /// connect for many clients.
    pub uncapped: Vec<IpNet>,
    /// The addresses of the site. If the socket listens on loopback only, requests for other hosts are rejected.
    pub site: Arc<Site>,
    /// Renders the rejections of the listener.
    pub surface: Arc<dyn Surface>,
    /// Counts the connections, and the requests that the listener rejects.
    pub metrics: Arc<HttpMetrics>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Serves until `shutdown`, then lets requests in flight finish for at most [`Limits::drain_timeout`].
    ///
    /// At shutdown, the listener accepts what waits in the kernel's queue and then no more. It closes idle connections at
    /// once, those of trusted proxies after [`Limits::proxy_grace`]; each response until then announces the end. Upgraded
    /// connections belong to the code that upgraded them: they count against `max_connections` while open, but this
    /// function neither waits for them nor closes them. Returns the number of connections aborted after the drain timeout.
    pub async fn serve<E: Endpoint + 'static>(
        self,
        socket: TcpListener,
        endpoint: Arc<E>,
        shutdown: CancellationToken,
    ) -> usize {
        let Self { limits, uncapped, site, surface, metrics } = self;
        let is_local = socket.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let hosts = Hosts::new(&site, is_local);
        let mut acceptor = Acceptor::new(socket, limits, uncapped, Arc::clone(&metrics));
        let rejections = Rejections { surface, is_https: site.is_secure(), metrics };
        let closing = Closing {
            shutdown: shutdown.clone(),
            proxies: site.trusted_proxies.clone(),
            proxy_grace: limits.proxy_grace.min(limits.drain_timeout / 2),
        };
        let server = Arc::new(Server { endpoint, limits, hosts, rejections, closing });
        let mut connections = JoinSet::new();
        while let Some((socket, peer)) = shutdown.run_until_cancelled(acceptor.next()).await {
            // Reaps finished tasks; otherwise the set would grow with every connection.
            while connections.try_join_next().is_some() {}
            let ending = server.closing.of_idle(peer);
            connections.spawn(connection(socket, peer, Arc::clone(&server), ending));
        }
        for (socket, peer) in acceptor.finish() {
            let ending = server.closing.of_new();
            connections.spawn(connection(socket, peer, Arc::clone(&server), ending));
        }
        drain(connections, limits.drain_timeout).await
    }
}

/// What all connections share.
struct Server<E> {
    endpoint: Arc<E>,
    limits: Limits,
    hosts: Hosts,
    rejections: Rejections,
    closing: Closing,
}

impl<E: Endpoint> Server<E> {
    /// Rejects a request by its head, or passes it to the endpoint.
    async fn answer(
        &self,
        request: Request<Incoming>,
        local: SocketAddr,
        peer: SocketAddr,
        rejected_upgrade: &RejectedUpgrade,
    ) -> Response<BoxBody> {
        match self.check(&request, peer) {
            Ok(()) => respond(&*self.endpoint, request, local, peer, &self.limits, rejected_upgrade).await,
            Err(rejection) => {
                rejected_upgrade.store(request.extensions().get::<OnUpgrade>().cloned());
                let answer = self.rejections.answer(rejection, request.uri().path());
                ending(answer, request.version())
            }
        }
    }

    fn check<B>(&self, request: &Request<B>, peer: SocketAddr) -> Result<(), Rejection> {
        let max_bytes = self.limits.max_head_bytes;
        if head_bytes(request) > max_bytes {
            return Err(Rejection::HeadersTooLarge { max_bytes });
        }
        self.hosts.check(request, peer.ip().to_canonical())
    }
}

/// Serves one connection from its first request until it is closed. Once `ending` completes, it is closed when it is idle.
async fn connection<E: Endpoint>(
    socket: Socket,
    peer: SocketAddr,
    server: Arc<Server<E>>,
    ending: impl Future<Output = ()>,
) {
    let local = socket.local_addr().unwrap_or(peer);
    let (rejected_upgrade, progress) = (RejectedUpgrade::default(), socket.progress());
    let service = service_fn(|request| {
        progress.begin_exchange();
        let (server, rejected_upgrade, progress) = (&server, &rejected_upgrade, progress.clone());
        // Boxed, because hyper allocates the future of a request when the client connects.
        Box::pin(async move {
            let version = request.version();
            let mut answer = server.answer(request, local, peer, rejected_upgrade).await;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                progress.lift_limits();
            } else if server.closing.has_begun() {
                announce_end(&mut answer, version);
            }
            Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, progress)))
        })
    });
    let mut exchange =
        protocol(&server.limits).serve_connection(TokioIo::new(socket), service).with_upgrades();
    let ended = tokio::select! {
        ended = &mut exchange => ended,
        () = ending => {
            std::pin::Pin::new(&mut exchange).graceful_shutdown();
            (&mut exchange).await
        }
    };
    let failure = ended.as_ref().err().and_then(io_failure);
    if let Err(error) = &ended {
        tracing::debug!(%peer, %error, "connection ended with an error");
    }
    if failure == Some(io::ErrorKind::TimedOut) {
        return;
    }
    let socket = match exchange.into_parts() {
        Some(parts) if failure == Some(HEAD_TOO_LARGE) => {
            oversized::answer(parts.io.into_inner(), &parts.read_buf, &server.limits, &server.rejections)
                .await
        }
        Some(parts) => Some(parts.io.into_inner()),
        None => rejected_upgrade.into_socket().await,
    };
    if let Some(socket) = socket {
        progress.lift_limits();
        linger(socket).await;
    }
}

/// Why reading or writing failed, if a connection ended because of that. The socket of this module fails with
/// [`io::ErrorKind::TimedOut`] if its client does not send or read in time.
fn io_failure(error: &hyper::Error) -> Option<io::ErrorKind> {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.map(io::Error::kind)
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

fn protocol(limits: &Limits) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    // `Socket` has its own timers, which expire before this one. hyper reads the next head right after a response only
    // if it has a timeout configured, and that requires a timer.
    let longest = limits.keep_alive_timeout.saturating_add(limits.head_timeout);
    protocol.timer(TokioTimer::new()).header_read_timeout(longest);
    // `Socket` rejects a head with one byte more than allowed. hyper does so when its buffer is full, which must not
    // happen before: its response has no body.
    protocol.max_buf_size(limits.max_head_bytes.saturating_add(2).max(MIN_BUFFER_BYTES));
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
    if is_read { answer.into() } else { ending(answer, version) }
}

fn ending(answer: poem::Response, version: Version) -> Response<BoxBody> {
    let mut answer = answer.into();
    announce_end(&mut answer, version);
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

/// Answers requests that the listener rejects: they do not reach the endpoint, and so not its outermost layer, which adds
/// headers to all other responses.
struct Rejections {
    surface: Arc<dyn Surface>,
    /// Whether the public URL of the site is https.
    is_https: bool,
    metrics: Arc<HttpMetrics>,
}

impl Rejections {
    fn answer(&self, rejection: Rejection, path: &str) -> poem::Response {
        let request_id = RequestId::generate_separately(SystemClock.now()).to_string();
        let mut answer = self.surface.render(rejection.into(), path, &request_id);
        self.metrics.record_rejected(answer.status());
        add_security_headers(answer.headers_mut(), self.is_https);
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.with_header("x-request-id", request_id).into_response()
    }
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
