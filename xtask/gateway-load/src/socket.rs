//! A WebSocket connection to the gateway: the handshake, pings, commands and frames.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use hyper::{
    Uri,
    header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL},
};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message, Utf8Bytes,
        client::IntoClientRequest,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

const PROTOCOL: &str = "blegram.v1+json";
/// Small, because this process has up to ten thousand connections.
const BUFFER_BYTES: usize = 4 * 1024;
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// The address of the gateway, and the number of source addresses to connect from.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    url: String,
    addresses: usize,
}

/// The size of the kernel's receive buffer. With the minimal one, less data piles up outside of the server for a client
/// that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiveBuffer {
    Standard,
    Minimal,
}

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The number of answered pings.
    pub(crate) pings: u64,
}

/// What [`Socket::next`] received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Closed(CloseReason),
}

/// The close code of a connection; `NoCode` also if it was reset or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CloseReason {
    Code(u16),
    NoCode,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::NoCode => f.write_str("no code"),
        }
    }
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The server answered 429 or 503: retry later.
    Retry(u16),
    Permanent(anyhow::Error),
}

/// The gateways of the nodes of one site.
#[derive(Debug, Clone)]
pub(crate) struct Targets(Vec<Target>);

impl Targets {
    /// Resolves the hosts of `origins`, as [`Target::resolve`].
    pub(crate) async fn resolve(origins: &[String], addresses: usize) -> Result<Self> {
        let mut targets = Vec::new();
        for origin in origins {
            targets.push(Target::resolve(origin, addresses).await?);
        }
        ensure!(!targets.is_empty(), "--url is missing");
        Ok(Self(targets))
    }

    /// The node of connection `number`: consecutive connections go to different nodes.
    pub(crate) fn of(&self, number: usize) -> &Target {
        &self.0[number % self.0.len()]
    }

    /// Opens connection `number` and waits for the `ready` event.
    pub(crate) async fn open(
        &self,
        token: &str,
        number: usize,
        receive_buffer: ReceiveBuffer,
    ) -> Result<Socket, ConnectError> {
        self.of(number).open(token, number, receive_buffer).await
    }
}

impl Target {
    /// Resolves the host of `origin`. If the server is on loopback, connections use `addresses` source addresses: the
    /// number of ports per address is limited, and so is the number of connections that the server accepts from each.
    pub(crate) async fn resolve(origin: &str, addresses: usize) -> Result<Self> {
        ensure!((1..=60_000).contains(&addresses), "--addresses must be between 1 and 60000");
        let uri: Uri = origin.parse().context("--url is not a URL")?;
        ensure!(uri.scheme_str() == Some("http"), "--url must start with http://");
        let host = uri.host().context("--url has no host")?;
        let mut resolved = lookup_host((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
        let address = resolved.next().with_context(|| format!("{host} does not resolve to an address"))?;
        let authority = uri.authority().context("--url has no host")?;
        Ok(Self { address, url: format!("ws://{authority}/api/v1/gateway"), addresses })
    }

    fn source_address(&self, number: usize) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.address.ip() else { return None };
        let number = number % self.addresses;
        let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
        ip.is_loopback().then(|| Ipv4Addr::new(127, 0, byte(number / 250), byte(number % 250 + 1)))
    }

    async fn connect(&self, number: usize, receive_buffer: ReceiveBuffer) -> Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source_address) = self.source_address(number) {
            socket.bind((source_address, 0).into())?;
        }
        if receive_buffer == ReceiveBuffer::Minimal {
            socket.set_recv_buffer_size(1)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens connection `number` and waits for the `ready` event.
    pub(crate) async fn open(
        &self,
        token: &str,
        number: usize,
        receive_buffer: ReceiveBuffer,
    ) -> Result<Socket, ConnectError> {
        let handshake = timeout(READY_TIMEOUT, self.handshake(token, number, receive_buffer)).await;
        handshake.unwrap_or_else(|_| {
            Err(ConnectError::Permanent(anyhow::anyhow!("no ready event in {READY_TIMEOUT:?}")))
        })
    }

    async fn handshake(
        &self,
        token: &str,
        number: usize,
        receive_buffer: ReceiveBuffer,
    ) -> Result<Socket, ConnectError> {
        let stream = self
            .connect(number, receive_buffer)
            .await
            .context("connecting")
            .map_err(ConnectError::Permanent)?;
        let permanent = |error: Error| ConnectError::Permanent(error.into());
        let mut request = self.url.as_str().into_client_request().map_err(permanent)?;
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer.map_err(|error| ConnectError::Permanent(error.into()))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(64 * BUFFER_BYTES);
        let (stream, _) =
            client_async_with_config(request, stream, Some(config)).await.map_err(connect_error)?;
        let mut socket = Socket { stream, pings: 0 };
        match socket.next().await {
            Frame::Text(text) if event_name(&text) == Some("ready") => Ok(socket),
            other => Err(ConnectError::Permanent(anyhow::anyhow!(
                "the first frame is not a ready event: {other:?}"
            ))),
        }
    }
}

fn connect_error(error: Error) -> ConnectError {
    match error {
        Error::Http(response) if matches!(response.status().as_u16(), 429 | 503) => {
            ConnectError::Retry(response.status().as_u16())
        }
        Error::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            ConnectError::Permanent(anyhow::anyhow!(
                "the server rejected the handshake: {} {body}",
                response.status()
            ))
        }
        error => ConnectError::Permanent(error.into()),
    }
}

impl Socket {
    /// The client's address.
    pub(crate) fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.stream.get_ref().local_addr()?)
    }

    /// Returns the next frame. Answers pings.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.read_frame().await {
                return frame;
            }
        }
    }

    /// Reads one frame. Returns `None` after answering a ping, and for frames that are neither text nor close.
    pub(crate) async fn read_frame(&mut self) -> Option<Frame> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                let Some(number) = ping_number(&text) else {
                    return Some(Frame::Text(text));
                };
                self.pings += 1;
                // If the connection is broken, the next read reports it.
                let _ = self.send(format!("{{\"pong\":{number}}}")).await;
                None
            }
            Some(Ok(Message::Close(frame))) => {
                let _ = self.stream.flush().await;
                let with_code = |frame: CloseFrame| CloseReason::Code(frame.code.into());
                Some(Frame::Closed(frame.map_or(CloseReason::NoCode, with_code)))
            }
            Some(Ok(_)) => None,
            Some(Err(_)) | None => Some(Frame::Closed(CloseReason::NoCode)),
        }
    }

    /// Buffers a command; the next [`Self::flush`] writes it at the latest.
    pub(crate) async fn feed(&mut self, command: String) -> Result<()> {
        Ok(self.stream.feed(Message::text(command)).await?)
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        Ok(self.stream.flush().await?)
    }

    pub(crate) async fn send(&mut self, command: String) -> Result<()> {
        self.feed(command).await?;
        self.flush().await
    }

    /// Subscribes to the public timeline and waits for the reply.
    pub(crate) async fn subscribe(&mut self) -> Result<()> {
        let command = r#"{"id":1,"op":"subscribe","d":{"topics":["timeline:public"]}}"#;
        self.send(command.into()).await?;
        loop {
            match self.next().await {
                Frame::Text(text) if reply_id(&text) == Some(1) => {
                    ensure!(text.contains(r#""timeline:public":"ok""#), "the subscription failed: {text}");
                    return Ok(());
                }
                Frame::Text(_) => {}
                Frame::Closed(closed) => bail!("the connection was closed while subscribing ({closed})"),
            }
        }
    }
}

// These functions do not parse broadcast frames as JSON, which would make the client slower than the server. They
// rely on the server writing these keys first.

fn ping_number(text: &str) -> Option<u64> {
    text.strip_prefix(r#"{"ping":"#)?.strip_suffix('}')?.trim().parse().ok()
}

/// The name of an event, or `None` for other frames.
pub(crate) fn event_name(text: &str) -> Option<&str> {
    Some(text.strip_prefix(r#"{"ev":""#)?.split_once('"')?.0)
}

/// The id of the command that a reply belongs to, or `None` for other frames.
pub(crate) fn reply_id(text: &str) -> Option<u64> {
    text.strip_prefix(r#"{"re":"#)?.split_once(',')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_kinds_are_distinguished_by_their_first_key() {
        let texts = [r#"{"ping":7}"#, r#"{"ev":"post.created","d":{"ping":1}}"#, r#"{"re":12,"ok":{}}"#];
        assert_eq!(texts.map(ping_number), [Some(7), None, None]);
        assert_eq!(texts.map(event_name), [None, Some("post.created"), None]);
        assert_eq!(texts.map(reply_id), [None, None, Some(12)]);
    }

    #[tokio::test]
    async fn loopback_clients_use_many_source_addresses() {
        let target = Target::resolve("http://127.0.0.1:8080", 300).await.unwrap();
        let sources =
            [0, 1, 249, 250, 299, 300].map(|number| target.source_address(number).unwrap().to_string());
        assert_eq!(
            sources,
            ["127.0.0.1", "127.0.0.2", "127.0.0.250", "127.0.1.1", "127.0.1.50", "127.0.0.1"]
        );
        let remote = Target::resolve("http://192.0.2.1", 300).await.unwrap();
        assert_eq!((remote.source_address(1), remote.address.port()), (None, 80));
    }
}
