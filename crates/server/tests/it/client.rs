//! An HTTP/1 client that sends exactly the bytes it is told to, and a server to send them to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use blegram::listener::{Limits, serve};
use poem::Endpoint;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// No test waits for longer than this; what it bounds is a failure, never a pause.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn soon<F: Future>(it: F) -> F::Output {
    tokio::time::timeout(PATIENCE, it).await.expect("it should have happened by now")
}

/// Limits that no test meets by accident.
pub(crate) fn limits() -> Limits {
    Limits {
        head_timeout: PATIENCE * 2,
        body_grace: PATIENCE * 2,
        drain_timeout: PATIENCE * 2,
        ..Limits::default()
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinSet<usize>,
}

impl Server {
    pub(crate) async fn start(limits: Limits, endpoint: impl Endpoint + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::new(endpoint), limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: BufReader::new(soon(TcpStream::connect(self.address)).await.unwrap()) }
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// How many connections were cut.
    pub(crate) async fn end(mut self) -> usize {
        soon(self.task.join_next()).await.unwrap().unwrap()
    }
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon(self.stream.write_all(bytes.as_ref())).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = soon(self.stream.read_line(&mut head)).await.unwrap();
            assert_ne!(read, 0, "the connection ended after {head:?}");
        }
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        soon(self.stream.read_exact(&mut body)).await.unwrap();
        Answer { status: head[9..12].parse().unwrap(), head, body: String::from_utf8(body).unwrap() }
    }

    /// Waits for the server to end the connection, by FIN or by reset, with nothing more to say.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "unexpected {:?}", String::from_utf8_lossy(&rest));
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.stream.read_line(&mut line)).await.unwrap();
        line
    }

    /// Nothing arrives for a while: the one thing that only time can show.
    pub(crate) async fn hears_nothing(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(100), self.stream.fill_buf()).await;
        assert!(heard.is_err(), "unexpected {heard:?}");
    }
}
