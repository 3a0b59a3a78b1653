//! An HTTP/1.1 client that sends exactly the bytes it is given, and a server that receives them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use blegram_api::problem::Problem;
use blegram_http::{
    Rejection, Site, Surface,
    listener::{Limits, Listener},
};
use poem::{Endpoint, Response};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The longest time that a test waits. Only a failing test waits that long.
const TIMEOUT: Duration = Duration::from_secs(180);

pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("completes in time")
}

/// Limits that no test reaches by accident.
pub(crate) fn limits() -> Limits {
    Limits {
        head_timeout: TIMEOUT * 2,
        keep_alive_timeout: TIMEOUT * 2,
        body_grace: TIMEOUT * 2,
        drain_timeout: TIMEOUT * 2,
        ..Limits::default()
    }
}

/// A site on this host that has the name `t`.
pub(crate) fn site() -> Site {
    Site { public_url: "http://t".to_owned(), origins: Vec::new(), trusted_proxies: Vec::new() }
}

/// A listener for [`site`] that treats loopback addresses as any other.
pub(crate) fn listener(limits: Limits) -> Listener {
    Listener {
        limits,
        uncapped: Vec::new(),
        site: Arc::new(site()),
        surface: Arc::new(Problems),
        metrics: Arc::default(),
    }
}

/// Renders what the listener itself rejects as the API does.
struct Problems;

impl Surface for Problems {
    fn render(&self, error: poem::Error, path: &str, request_id: &str) -> Response {
        let rejection = error.downcast::<Rejection>().expect("an error of the listener");
        Problem::from(rejection).into_response("", path, request_id)
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinSet<usize>,
}

impl Server {
    pub(crate) async fn start(limits: Limits, endpoint: impl Endpoint + 'static) -> Self {
        Self::start_at("127.0.0.1:0", listener(limits), endpoint).await
    }

    pub(crate) async fn start_at(
        address: &str,
        listener: Listener,
        endpoint: impl Endpoint + 'static,
    ) -> Self {
        let socket = TcpListener::bind(address).await.unwrap();
        let address = (Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()).into();
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(listener.serve(socket, Arc::new(endpoint), shutdown.clone()));
        Self { address, shutdown, task }
    }

    /// Connects from another address of this host, such as `127.0.0.2`.
    pub(crate) async fn connect_from(&self, address: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
        Client { stream: BufReader::new(in_time(socket.connect(self.address)).await.unwrap()) }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the server has stopped, and returns the number of connections that it cut.
    pub(crate) async fn end(mut self) -> usize {
        in_time(self.task.join_next()).await.unwrap().unwrap()
    }
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(in_time(TcpStream::connect(address)).await?) })
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        in_time(self.stream.write_all(bytes.as_ref())).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    pub(crate) async fn try_answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if in_time(self.stream.read_line(&mut head)).await? == 0 {
                return Err(io::Error::other(format!("the connection ended after {head:?}")));
            }
        }
        let mut answer = Answer { status: head[9..12].parse().unwrap(), head, body: String::new() };
        let mut body = vec![0; answer.header("content-length").unwrap_or("0").parse().unwrap()];
        in_time(self.stream.read_exact(&mut body)).await?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    /// Sends `piece` repeatedly until the server responds or closes the connection, or until `bytes` bytes are sent.
    /// Returns the number of bytes sent. A client that only writes could lose the response to a reset.
    pub(crate) async fn flood(&mut self, piece: &[u8], bytes: usize) -> usize {
        let (socket, mut sent) = (self.stream.get_ref(), 0);
        while sent < bytes {
            let write = async {
                socket.writable().await?;
                socket.try_write(&piece[sent % piece.len()..])
            };
            let written = tokio::select! {
                biased;
                _ = socket.readable() => break,
                written = in_time(write) => written,
            };
            match written {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        sent
    }

    /// Keeps sending `piece` after the response, up to `bytes` bytes, until the connection fails.
    pub(crate) async fn keep_sending(&mut self, piece: &[u8], bytes: usize) {
        for _ in 0..bytes / piece.len() {
            if self.try_send(piece).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the server closes the connection, by FIN or by reset, and asserts that it sends nothing more.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = in_time(self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "unexpected {:?}", String::from_utf8_lossy(&rest));
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        in_time(self.stream.read_line(&mut line)).await.unwrap();
        line
    }

    /// Asserts that nothing arrives for 100 ms. Only waiting can show this.
    pub(crate) async fn receives_nothing(&mut self) {
        let received = tokio::time::timeout(Duration::from_millis(100), self.stream.fill_buf()).await;
        assert!(received.is_err(), "unexpected {received:?}");
    }
}
