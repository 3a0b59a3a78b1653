//! The end of connections: of those that the server shuts down while their clients may still be sending, and of all at
//! the shutdown.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderValue, Response, Version, header};
use ipnet::IpNet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::socket::Socket;

/// Longest time that the server discards input after it has shut down its side of a connection.
const LINGER: Duration = Duration::from_secs(5);

/// Lingering ends early when the client sends nothing for this long.
const LINGER_QUIET: Duration = Duration::from_secs(1);

/// Most bytes discarded while lingering.
const LINGER_BYTES: usize = 64 << 20;

/// When idle connections are closed at the shutdown.
pub(super) struct Closing {
    pub(super) shutdown: CancellationToken,
    /// The proxies in front.
    pub(super) proxies: Vec<IpNet>,
    /// How long their idle connections stay open.
    pub(super) proxy_grace: Duration,
}

impl Closing {
    /// Waits until an idle connection of `peer` is to be closed.
    ///
    /// That of a proxy stays open for a while: the proxy may be sending a request on it, which it could not repeat on
    /// another node if it is a POST. Each response meanwhile announces the end, and since no new connection is accepted, the
    /// proxy soon sends nothing more to this node.
    pub(super) fn of_idle(&self, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let (shutdown, peer) = (self.shutdown.clone(), peer.ip().to_canonical());
        let is_proxy = self.proxies.iter().any(|network| network.contains(&peer));
        let grace = if is_proxy { self.proxy_grace } else { Duration::ZERO };
        async move {
            shutdown.cancelled().await;
            sleep(grace).await;
        }
    }

    /// The same for a connection of any client that was accepted at the shutdown: its first request is on the way.
    pub(super) fn of_new(&self) -> impl Future<Output = ()> + use<> {
        sleep(self.proxy_grace)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.shutdown.is_cancelled()
    }
}

/// Adds `Connection: close`: this response is the last one on its connection.
pub(super) fn announce_end<B>(answer: &mut Response<B>, version: Version) {
    answer.headers_mut().append(header::CONNECTION, HeaderValue::from_static("close"));
    if version == Version::HTTP_10 {
        // hyper would add `keep-alive` to a response of a later version if the client asked for it.
        *answer.version_mut() = Version::HTTP_10;
    }
}

/// Waits until the connections have ended; after `limit` aborts the rest and returns their number.
pub(super) async fn drain(mut connections: JoinSet<()>, limit: Duration) -> usize {
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, all_ended).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// Shuts down the sending side and discards input until the client closes the connection (RFC 9112, 9.6). The kernel
/// resets a socket that is closed with unread input, and a reset can destroy a response (400, 408, 413, 431) that the
/// client has not read yet.
pub(super) async fn linger(mut socket: Socket) {
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
