//! A TCP proxy that breaks: each client, and each node's way to PostgreSQL and Redis, goes through one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, tcp},
    sync::watch,
    task::JoinSet,
};

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Open,
    /// Connections end; new ones end at once.
    Cut,
    /// They wait, in both directions.
    Stalled,
    /// Those of the server vanish, for the rest of the connection, as on a half-open one: the client gets no reply, and
    /// both believe that it is alive.
    Lost,
}

/// A running proxy; its connections end when it is dropped.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    _task: JoinSet<()>,
}

impl Link {
    /// A proxy to any of these addresses: each connection takes the next one that accepts it, as a load balancer does.
    pub(crate) async fn start(upstreams: Vec<SocketAddr>, first: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Open);
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::new(Upstreams { addresses: upstreams, next: first.into() }), modes));
        Ok(Self { address, mode, _task: task })
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

struct Upstreams {
    addresses: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl Upstreams {
    async fn connect(&self) -> Option<TcpStream> {
        for _ in 0..self.addresses.len() {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.addresses.len();
            if let Ok(stream) = connect(self.addresses[next]).await {
                return Some(stream);
            }
        }
        None
    }
}

/// With a small buffer and segments like those of a network, so that a stalled connection soon fills the queues of the
/// server: the kernel gives connections with the large segments of the loopback interface a send buffer of megabytes.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(8 * 1024)?;
    socket2::SockRef::from(&socket).set_tcp_mss(1_400)?;
    socket.connect(address).await
}

async fn serve(listener: TcpListener, upstreams: Arc<Upstreams>, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(connection(client, Arc::clone(&upstreams), modes.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(client: TcpStream, upstreams: Arc<Upstreams>, modes: watch::Receiver<Mode>) {
    if *modes.borrow() == Mode::Cut {
        return;
    }
    let Some(server) = upstreams.connect().await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // The end of one direction ends the other: no protocol here half-closes.
    tokio::select! {
        () = pump(from_client, to_server, modes.clone(), Direction::ToServer) => {}
        () = pump(from_server, to_client, modes, Direction::ToClient) => {}
    }
}

/// Copies bytes until the connection ends or is cut.
async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    direction: Direction,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut is_lost = false;
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Mode::Cut {
            return;
        }
        is_lost |= mode == Mode::Lost && direction == Direction::ToClient;
        tokio::select! {
            read = from.read(&mut buffer), if mode != Mode::Stalled => match read {
                Ok(length) if length > 0 => {
                    if !is_lost && to.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                // Not even the end of a lost connection arrives.
                _ if is_lost => std::future::pending().await,
                _ => return,
            },
            changed = modes.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    async fn connected() -> (Link, TcpStream, TcpStream, TcpListener) {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let link = Link::start(vec![server.local_addr().unwrap()], 0).await.unwrap();
        let client = TcpStream::connect(link.address).await.unwrap();
        let (accepted, _) = server.accept().await.unwrap();
        (link, client, accepted, server)
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut buffer = [0; 16];
        // A reset is an end as well.
        let length = timeout(LIMIT, stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[tokio::test]
    async fn stalled_bytes_arrive_later() {
        let (link, mut client, mut server, _listener) = connected().await;
        link.set(Mode::Stalled);
        client.write_all(b"late").await.unwrap();
        let early = timeout(Duration::from_millis(100), server.peek(&mut [0])).await;
        assert!(early.is_err(), "nothing arrives while stalled");
        link.set(Mode::Open);
        assert_eq!(read(&mut server).await, "late");
    }

    #[tokio::test]
    async fn lost_connection_stays_silent_and_a_new_one_works() {
        let (link, mut client, mut server, listener) = connected().await;
        link.set(Mode::Lost);
        server.write_all(b"lost").await.unwrap();
        client.write_all(b"received").await.unwrap();
        assert_eq!(read(&mut server).await, "received");
        link.set(Mode::Open);
        server.write_all(b"still lost").await.unwrap();
        drop(server);
        let early = timeout(Duration::from_millis(100), client.peek(&mut [0])).await;
        assert!(early.is_err(), "neither bytes nor the end arrive");
        let mut client = TcpStream::connect(link.address).await.unwrap();
        client.write_all(b"new").await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        assert_eq!(read(&mut accepted).await, "new");
    }

    #[tokio::test]
    async fn cut_ends_connections() {
        let (link, mut client, mut server, _listener) = connected().await;
        link.set(Mode::Cut);
        assert_eq!((read(&mut client).await, read(&mut server).await), (String::new(), String::new()));
        let mut client = TcpStream::connect(link.address).await.unwrap();
        assert_eq!(read(&mut client).await, "", "new ones, too");
    }
}
