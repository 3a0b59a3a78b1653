//! One connection to the gateway.

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
/// Ten thousand of these live here.
const BUFFER_BYTES: usize = 4 * 1024;
const READY_LIMIT: Duration = Duration::from_secs(20);

/// Where the gateway is, and where its clients come from.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    url: String,
    addresses: usize,
}

/// How much the system takes for a client that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    Usual,
    Least,
}

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Pings that were answered.
    pub(crate) pings: u64,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Closed(Closed),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closed {
    With(u16),
    Without,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::With(code) => write!(f, "{code}"),
            Self::Without => f.write_str("no code"),
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The server wants it to be tried again.
    Later(u16),
    Never(anyhow::Error),
}

impl Target {
    /// Clients of a server on loopback come from `addresses` addresses: each has only so many ports, and the server admits
    /// only so many connections from each.
    pub(crate) async fn find(origin: &str, addresses: usize) -> Result<Self> {
        ensure!((1..=60_000).contains(&addresses), "--addresses is from 1 to 60000");
        let uri: Uri = origin.parse().context("--url is no URL")?;
        ensure!(uri.scheme_str() == Some("http"), "--url must begin with http://");
        let host = uri.host().context("--url has no host")?;
        let mut found = lookup_host((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
        let address = found.next().with_context(|| format!("{host} has no address"))?;
        let authority = uri.authority().context("--url has no host")?;
        Ok(Self { address, url: format!("ws://{authority}/api/v1/gateway"), addresses })
    }

    fn source(&self, number: usize) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.address.ip() else { return None };
        let number = number % self.addresses;
        let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
        ip.is_loopback().then(|| Ipv4Addr::new(127, 0, byte(number / 250), byte(number % 250 + 1)))
    }

    async fn connect(&self, number: usize, intake: Intake) -> Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = self.source(number) {
            socket.bind((source, 0).into())?;
        }
        if intake == Intake::Least {
            socket.set_recv_buffer_size(1)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens connection `number` and waits until it is ready.
    pub(crate) async fn open(&self, token: &str, number: usize, intake: Intake) -> Result<Socket, Rejection> {
        let opening = timeout(READY_LIMIT, self.handshake(token, number, intake)).await;
        opening.unwrap_or_else(|_| Err(Rejection::Never(anyhow::anyhow!("not ready in {READY_LIMIT:?}"))))
    }

    async fn handshake(&self, token: &str, number: usize, intake: Intake) -> Result<Socket, Rejection> {
        let stream = self.connect(number, intake).await.context("connecting").map_err(Rejection::Never)?;
        let never = |error: Error| Rejection::Never(error.into());
        let mut request = self.url.as_str().into_client_request().map_err(never)?;
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer.map_err(|error| Rejection::Never(error.into()))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(64 * BUFFER_BYTES);
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await.map_err(rejection)?;
        let mut socket = Socket { stream, pings: 0 };
        match socket.next().await {
            Frame::Text(text) if event(&text) == Some("ready") => Ok(socket),
            other => Err(Rejection::Never(anyhow::anyhow!("the first frame is not ready but {other:?}"))),
        }
    }
}

fn rejection(error: Error) -> Rejection {
    match error {
        Error::Http(answer) if matches!(answer.status().as_u16(), 429 | 503) => {
            Rejection::Later(answer.status().as_u16())
        }
        Error::Http(answer) => {
            let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            Rejection::Never(anyhow::anyhow!("the handshake was answered {} {body}", answer.status()))
        }
        error => Rejection::Never(error.into()),
    }
}

impl Socket {
    /// From which address it comes.
    pub(crate) fn local(&self) -> Result<SocketAddr> {
        Ok(self.stream.get_ref().local_addr()?)
    }

    /// The next frame that is no ping.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.step().await {
                return frame;
            }
        }
    }

    /// The next frame, or nothing if it was a ping, which is answered then.
    pub(crate) async fn step(&mut self) -> Option<Frame> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                let Some(number) = ping(&text) else {
                    return Some(Frame::Text(text));
                };
                self.pings += 1;
                // What cannot be written will not be read either.
                let _ = self.send(format!("{{\"pong\":{number}}}")).await;
                None
            }
            Some(Ok(Message::Close(frame))) => {
                let _ = self.stream.flush().await;
                let with = |frame: CloseFrame| Closed::With(frame.code.into());
                Some(Frame::Closed(frame.map_or(Closed::Without, with)))
            }
            Some(Ok(_)) => None,
            Some(Err(_)) | None => Some(Frame::Closed(Closed::Without)),
        }
    }

    /// Hands a command over, to be written at the next [`Self::flush`] at the latest.
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

    /// Subscribes to the public timeline.
    pub(crate) async fn subscribe(&mut self) -> Result<()> {
        let command = r#"{"id":1,"op":"subscribe","d":{"topics":["timeline:public"]}}"#;
        self.send(command.into()).await?;
        loop {
            match self.next().await {
                Frame::Text(text) if reply(&text) == Some(1) => {
                    ensure!(text.contains(r#""timeline:public":"ok""#), "subscribing was answered {text}");
                    return Ok(());
                }
                Frame::Text(_) => {}
                Frame::Closed(closed) => bail!("closed ({closed}) while subscribing"),
            }
        }
    }
}

// Broadcast frames are not parsed as JSON: a client that does would be slower than the server. The server writes these
// names first.

fn ping(text: &str) -> Option<u64> {
    text.strip_prefix(r#"{"ping":"#)?.strip_suffix('}')?.trim().parse().ok()
}

/// The name of an event.
pub(crate) fn event(text: &str) -> Option<&str> {
    Some(text.strip_prefix(r#"{"ev":""#)?.split_once('"')?.0)
}

/// The command that a reply answers.
pub(crate) fn reply(text: &str) -> Option<u64> {
    text.strip_prefix(r#"{"re":"#)?.split_once(',')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_kinds_are_distinguished_by_their_first_key() {
        let texts = [r#"{"ping":7}"#, r#"{"ev":"post.created","d":{"ping":1}}"#, r#"{"re":12,"ok":{}}"#];
        assert_eq!(texts.map(ping), [Some(7), None, None]);
        assert_eq!(texts.map(event), [None, Some("post.created"), None]);
        assert_eq!(texts.map(reply), [None, None, Some(12)]);
    }

    #[tokio::test]
    async fn loopback_clients_use_many_source_addresses() {
        let target = Target::find("http://127.0.0.1:8080", 300).await.unwrap();
        let sources = [0, 1, 249, 250, 299, 300].map(|number| target.source(number).unwrap().to_string());
        assert_eq!(
            sources,
            ["127.0.0.1", "127.0.0.2", "127.0.0.250", "127.0.1.1", "127.0.1.50", "127.0.0.1"]
        );
        let elsewhere = Target::find("http://192.0.2.1", 300).await.unwrap();
        assert_eq!((elsewhere.source(1), elsewhere.address.port()), (None, 80));
    }
}
