//! Accepts connections, as many as the limits allow for all clients together and for each address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use blegram_limits::{Full, Permit, Shares, SharesConfig};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{Limits, socket::Socket};
use crate::{HttpMetrics, metrics::OpenConnection};

/// Pause of the accept loop after an error of the server (no file descriptors, no memory) rather than of the client.
/// Retrying at once would only take CPU time from the tasks that could free these resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Shortest time between two log lines about connections above the cap of their address.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// The places that a connection takes. They belong to the socket, rather than to the task that serves the connection:
/// an upgraded connection outlives that task and must keep counting.
pub(super) struct Places {
    /// Of all connections.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// Of its address.
    _share: Option<Permit>,
    _counted: OpenConnection,
}

/// The accept loop.
pub(super) struct Acceptor {
    socket: TcpListener,
    limits: Limits,
    slots: Arc<Semaphore>,
    shares: Shares,
    uncapped: Vec<IpNet>,
    rejections: Rejections,
    metrics: Arc<HttpMetrics>,
}

impl Acceptor {
    pub(super) fn new(
        socket: TcpListener,
        limits: Limits,
        uncapped: Vec<IpNet>,
        metrics: Arc<HttpMetrics>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        // `slots` limits all of them.
        let shares = Shares::new(SharesConfig { all: usize::MAX, each: limits.max_connections_per_address });
        Self { socket, limits, slots, shares, uncapped, rejections: Rejections::default(), metrics }
    }

    /// Accepts the next connection, once there is a free slot for it. Resets those above the cap of their address.
    pub(super) async fn next(&mut self) -> (Socket, SocketAddr) {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
            let (stream, peer) = accept(|| self.socket.accept(), &self.metrics).await;
            match self.share(peer.ip().to_canonical()) {
                Ok(share) => return (self.open(stream, slot, share), peer),
                Err(_) => {
                    reset_on_close(&stream);
                    self.metrics.rejected_connections.increment();
                    self.rejections.add(peer);
                }
            }
        }
    }

    /// Closes the listening socket. Returns the connections that wait in the kernel's queue, which it would reset: their
    /// clients have connected, and may have sent a request.
    pub(super) fn finish(self) -> Vec<(Socket, SocketAddr)> {
        let mut waiting = Vec::new();
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            // Not by tokio, which only tries if it knows of a connection.
            let Ok((stream, peer)) = accept_waiting(&self.socket) else { break };
            if let Ok(share) = self.share(peer.ip().to_canonical()) {
                waiting.push((self.open(stream, Some(slot), share), peer));
            }
        }
        waiting
    }

    fn share(&self, peer: IpAddr) -> Result<Option<Permit>, Full> {
        if self.uncapped.iter().any(|network| network.contains(&peer)) {
            return Ok(None);
        }
        self.shares.take_for_address(peer).map(Some)
    }

    fn open(&self, stream: TcpStream, slot: Option<OwnedSemaphorePermit>, share: Option<Permit>) -> Socket {
        let places = Places { slot, _share: share, _counted: OpenConnection::new(&self.metrics) };
        // Disables Nagle's algorithm for small responses. If the socket is closed already, a later call fails.
        let _ = stream.set_nodelay(true);
        bound_unsent(&stream);
        Socket::new(stream, self.limits, places)
    }
}

/// Accepts a connection, or fails if none waits.
fn accept_waiting(socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = socket2::SockRef::from(socket).accept()?;
    stream.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    Ok((TcpStream::from_std(stream.into())?, peer))
}

/// Makes closing the connection a reset. That costs the least: one packet, and no state in the kernel afterwards.
fn reset_on_close(stream: &TcpStream) {
    // Without the option the connection is only closed in a slower way.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Counts the connections above the cap of their address, for a log that they cannot flood.
#[derive(Default)]
struct Rejections {
    count: u64,
    logged: Option<Instant>,
}

impl Rejections {
    fn add(&mut self, peer: SocketAddr) {
        self.count += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOG_PAUSE) {
            let (count, latest) = (self.count, peer.ip());
            tracing::debug!(count, %latest, "reset connections above listener.max_connections_per_address");
            *self = Self { count: 0, logged: Some(Instant::now()) };
        }
    }
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
async fn accept<T, F>(mut attempt: impl FnMut() -> F, metrics: &HttpMetrics) -> T
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
                metrics.accept_errors.increment();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_are_accepted_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (socket, _) = Acceptor::new(listener, Limits::default(), Vec::new(), Arc::default()).next().await;

        assert!(socket.nodelay().unwrap());
    }

    /// The time until a connection is accepted after a number of failures with the same error code, and the number of
    /// failures that counted.
    async fn accepting_after(failures: usize, code: i32) -> (Duration, u64) {
        let mut outcomes = std::iter::repeat_n(code, failures);
        let mut outcome = || outcomes.next().map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)));
        let (started, metrics) = (Instant::now(), HttpMetrics::default());
        accept(|| std::future::ready(outcome()), &metrics).await;
        (started.elapsed(), metrics.accept_errors.get())
    }

    #[tokio::test]
    async fn accepting_pauses_when_descriptors_run_out() {
        let emfile = 24;
        let (waited, counted) = accepting_after(2, emfile).await;
        assert!(waited >= ACCEPT_PAUSE * 2 && counted == 2, "{waited:?} {counted}");
    }

    #[tokio::test]
    async fn accepting_continues_at_once_after_an_aborted_connection() {
        let aborted = 103;
        let (waited, counted) = accepting_after(100, aborted).await;
        assert!(waited < ACCEPT_PAUSE * 50 && counted == 0, "{waited:?} {counted}");
    }
}
