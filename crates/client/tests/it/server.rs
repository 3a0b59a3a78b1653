//! An HTTP server whose responses a test scripts.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use blegram_client::{Client, HttpBuilder, Limits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path, such as `GET /api/v1/me`.
    pub(crate) line: String,
    headers: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A response: status, `Retry-After`, and content. `None` never responds.
pub(crate) type Script = dyn Fn(&Request, usize) -> Option<(u16, Option<u32>, Value)> + Send + Sync;

/// A running server; stopped when dropped.
pub(crate) struct Server {
    pub(crate) client: Client,
    requests: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// `script` gets each request with the number of earlier ones to the same operation.
    pub(crate) async fn start(
        script: impl Fn(&Request, usize) -> Option<(u16, Option<u32>, Value)> + Send + Sync + 'static,
    ) -> Self {
        Self::with_limits(Limits::default(), script).await
    }

    pub(crate) async fn with_limits(
        limits: Limits,
        script: impl Fn(&Request, usize) -> Option<(u16, Option<u32>, Value)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let site = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(&requests), Arc::new(script)));
        let client = Client::with(site, HttpBuilder::new().no_proxy(), limits).unwrap();
        Self { client, requests, _task: task }
    }

    /// The requests to an operation so far.
    pub(crate) fn requests(&self, line: &str) -> Vec<Request> {
        self.requests.lock().unwrap().iter().filter(|request| request.line == line).cloned().collect()
    }
}

async fn serve(listener: TcpListener, requests: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(respond(stream, Arc::clone(&requests), Arc::clone(&script)));
    }
}

async fn respond(stream: TcpStream, requests: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await;
    let earlier = {
        let mut requests = requests.lock().unwrap();
        let earlier = requests.iter().filter(|other| other.line == request.line).count();
        requests.push(request.clone());
        earlier
    };
    let Some((status, retry_after, content)) = script(&request, earlier) else {
        return std::future::pending().await;
    };
    let content = content.to_string();
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} x\r\n{retry_after}connection: close\r\n");
    let response = format!("{head}content-length: {}\r\n\r\n{content}", content.len());
    stream.write_all(response.as_bytes()).await.unwrap();
}

async fn read(stream: &mut BufReader<TcpStream>) -> Request {
    let mut head = String::new();
    while stream.read_line(&mut head).await.unwrap() > 2 {}
    let (line, headers) = head.split_once("\r\n").unwrap();
    let line = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut request = Request { line, headers: headers.to_owned(), body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    request.body = String::from_utf8_lossy(&body).into_owned();
    request
}

/// The content of a successful refresh or login; the tokens carry a number.
pub(crate) fn tokens(number: usize, lifetime: u64) -> Value {
    json!({
        "access_token": format!("access-{number}"), "token_type": "Bearer", "expires_in": lifetime,
        "refresh_token": format!("refresh-{number}"), "refresh_expires_in": 6000,
    })
}

pub(crate) fn problem(status: u16, code: &str) -> Value {
    json!({
        "type": format!("/problems/{code}"), "title": code, "status": status, "detail": code, "instance": "/",
        "code": code, "request_id": "r", "errors": null,
    })
}

/// An operation's content that no test looks at.
pub(crate) fn like() -> Value {
    json!({ "liked": true, "like_count": 1 })
}

/// Limits for servers that do not respond.
pub(crate) fn short_limits() -> Limits {
    Limits { attempt: Duration::from_millis(200), call: Duration::from_millis(700) }
}
