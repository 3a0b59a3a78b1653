//! A connection to the gateway: what RFC 6455 demands of a client, without a library, which would double the time to
//! build xtask.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::siege::client::{Client, head_of};

pub(crate) const HANDSHAKE: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "blegram.v1+json"),
];
pub(crate) const PATH: &str = "/api/v1/gateway";

const READ_LIMIT: Duration = Duration::from_secs(60);
const MAX_HEAD: usize = 16 * 1024;

/// An open connection.
pub(crate) struct Socket {
    stream: BufReader<TcpStream>,
    last_command: u64,
}

/// Why a connection or a command failed: the status of the handshake, or the code of the reply.
#[derive(Debug)]
pub(crate) enum Failure {
    Status(u16),
    Code(String),
}

impl Socket {
    /// Connects, and waits for the first frame.
    pub(crate) fn open(server: SocketAddr, client: &Client) -> Result<Result<Self, Failure>> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        stream.write_all(&head_of("GET", PATH, &[&client.fields()[..], &HANDSHAKE].concat()))?;
        let mut socket = Self { stream: BufReader::new(stream), last_command: 0 };
        let status = socket.read_head()?;
        if status != 101 {
            return Ok(Err(Failure::Status(status)));
        }
        let ready = socket.receive()?;
        ensure!(ready["ev"] == "ready", "the first frame is {ready}");
        Ok(Ok(socket))
    }

    fn read_head(&mut self) -> Result<u16> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).context("the server closed the connection in the handshake")?;
            head.push(byte[0]);
        }
        let status = head.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        status.and_then(|digits| digits.parse().ok()).context("the handshake has no status")
    }

    /// Sends a command and waits for its reply and for the event that it causes.
    pub(crate) fn run(&mut self, op: &str, input: &Value, event: &str) -> Result<Option<Failure>> {
        self.last_command += 1;
        self.send(&json!({"id": self.last_command, "op": op, "d": input}))?;
        let (mut has_reply, mut has_event) = (false, false);
        while !has_reply || !has_event {
            let frame = self.receive()?;
            if frame["re"] == self.last_command {
                if let Some(code) = frame["err"]["code"].as_str() {
                    return Ok(Some(Failure::Code(code.into())));
                }
                has_reply = true;
            }
            has_event |= frame["ev"] == event;
        }
        Ok(None)
    }

    fn send(&mut self, frame: &Value) -> Result<()> {
        let text = frame.to_string();
        let length = u16::try_from(text.len()).context("the frame is too long")?;
        let [high, low] = length.to_be_bytes();
        let size = if length < 126 { vec![0x80 | low] } else { vec![0x80 | 126, high, low] };
        // The mask protects proxies from the text of pages; a mask of zeros leaves it as it is.
        let bytes = [&[0x81][..], &size, &[0; 4], text.as_bytes()].concat();
        Ok(self.stream.get_mut().write_all(&bytes)?)
    }

    /// The next frame that is no ping. Answers pings.
    fn receive(&mut self) -> Result<Value> {
        loop {
            let frame: Value = serde_json::from_slice(&self.receive_bytes()?)?;
            match frame.get("ping") {
                Some(number) => self.send(&json!({"pong": number}))?,
                None => return Ok(frame),
            }
        }
    }

    fn receive_bytes(&mut self) -> Result<Vec<u8>> {
        let [kind, size] = self.array()?;
        let length = match size {
            126 => u64::from(u16::from_be_bytes(self.array()?)),
            127 => u64::from_be_bytes(self.array()?),
            size => u64::from(size),
        };
        let mut bytes = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut bytes)?;
        match kind {
            0x81 => Ok(bytes),
            _ => bail!("the server closed the connection: {}", String::from_utf8_lossy(&bytes)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).context("the server closed the connection")?;
        Ok(bytes)
    }
}
