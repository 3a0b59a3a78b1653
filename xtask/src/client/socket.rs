//! A connection to the gateway: what RFC 6455 demands of a client, without a library, which would double the time to
//! build xtask.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::client::{Client, head_of};

pub(crate) const HANDSHAKE: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "blegram.v1+json"),
];
pub(crate) const PATH: &str = "/api/v1/gateway";

const READ_LIMIT: Duration = Duration::from_secs(60);
const WRITE_LIMIT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// An open connection.
pub(crate) struct Socket {
    stream: TcpStream,
    /// What was read and not yet parsed.
    buffer: Vec<u8>,
    last_command: u64,
}

/// Why a connection or a command failed: the status of the handshake, or the code of the reply.
#[derive(Debug)]
pub(crate) enum Failure {
    Status(u16),
    Code(String),
}

/// What arrived on a connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    /// A frame other than a ping.
    Frame(Value),
    /// Nothing, within the time.
    Nothing,
    /// The end, with the close code, if there was one.
    End(Option<u16>),
}

impl Socket {
    /// The local port.
    pub(crate) fn port(&self) -> u16 {
        self.stream.local_addr().map_or(0, |address| address.port())
    }

    /// Connects, and waits for the first frame.
    pub(crate) fn open(client: &Client) -> Result<Result<Self, Failure>> {
        let entry = client.entry();
        let mut stream = TcpStream::connect(entry.server)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        let fields = [&client.fields()[..], &HANDSHAKE].concat();
        stream.write_all(&head_of(entry.host(), "GET", PATH, &fields))?;
        let mut socket = Self { stream, buffer: Vec::new(), last_command: 0 };
        let status = socket.read_head()?;
        if status != 101 {
            return Ok(Err(Failure::Status(status)));
        }
        let ready = socket.receive()?;
        ensure!(ready["ev"] == "ready", "the first frame is {ready}");
        Ok(Ok(socket))
    }

    fn read_head(&mut self) -> Result<u16> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.buffer.len() < MAX_HEAD, "the handshake is too long");
            let is_open = self.fill(READ_LIMIT)?.context("no response to the handshake")?;
            ensure!(is_open, "the server closed the connection in the handshake");
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let status = head.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        status.and_then(|digits| digits.parse().ok()).context("the handshake has no status")
    }

    /// Sends a command and waits for its reply and for the event that it causes.
    pub(crate) fn run(&mut self, op: &str, input: &Value, event: &str) -> Result<Option<Failure>> {
        let command = self.command(op, input)?;
        let (mut has_reply, mut has_event) = (false, false);
        while !has_reply || !has_event {
            let frame = self.receive()?;
            if frame["re"] == command {
                if let Some(code) = frame["err"]["code"].as_str() {
                    return Ok(Some(Failure::Code(code.into())));
                }
                has_reply = true;
            }
            has_event |= frame["ev"] == event;
        }
        Ok(None)
    }

    /// Sends a command and returns its number.
    pub(crate) fn command(&mut self, op: &str, input: &Value) -> Result<u64> {
        self.last_command += 1;
        self.send(&json!({"id": self.last_command, "op": op, "d": input}))?;
        Ok(self.last_command)
    }

    /// Sends a command and returns the content of its reply. Discards other frames.
    pub(crate) fn ask(&mut self, op: &str, input: &Value) -> Result<Value> {
        let command = self.command(op, input)?;
        loop {
            let mut frame = self.receive()?;
            if frame["re"] == command {
                ensure!(frame.get("err").is_none(), "{op} was rejected: {}", frame["err"]);
                return Ok(frame["ok"].take());
            }
        }
    }

    fn send(&mut self, frame: &Value) -> Result<()> {
        let text = frame.to_string();
        let length = u16::try_from(text.len()).context("the frame is too long")?;
        let [high, low] = length.to_be_bytes();
        let size = if length < 126 { vec![0x80 | low] } else { vec![0x80 | 126, high, low] };
        // The mask protects proxies from the text of pages; a mask of zeros leaves it as it is.
        let bytes = [&[TEXT][..], &size, &[0; 4], text.as_bytes()].concat();
        Ok(self.stream.write_all(&bytes)?)
    }

    /// The next frame that is no ping.
    pub(crate) fn receive(&mut self) -> Result<Value> {
        match self.poll(READ_LIMIT)? {
            Received::Frame(frame) => Ok(frame),
            Received::Nothing => bail!("no frame in {} s", READ_LIMIT.as_secs()),
            Received::End(code) => bail!("the server closed the connection ({code:?})"),
        }
    }

    /// Waits up to `wait` for a frame. Answers pings.
    pub(crate) fn poll(&mut self, wait: Duration) -> Result<Received> {
        let until = Instant::now() + wait;
        loop {
            while let Some((kind, payload)) = take_frame(&mut self.buffer) {
                match kind {
                    TEXT => {
                        let frame: Value = serde_json::from_slice(&payload)?;
                        let Some(number) = frame["ping"].as_u64() else { return Ok(Received::Frame(frame)) };
                        self.send(&json!({"pong": number}))?;
                    }
                    CLOSE => return Ok(Received::End(close_code(&payload))),
                    kind => bail!("a frame of kind {kind:#x}"),
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.fill(left) {
                Ok(Some(true)) => {}
                Ok(None) => return Ok(Received::Nothing),
                Ok(Some(false)) | Err(_) => return Ok(Received::End(None)),
            }
        }
    }

    /// Reads into the buffer. `None` if nothing arrives in time, `false` at the end.
    fn fill(&mut self, wait: Duration) -> std::io::Result<Option<bool>> {
        // Zero would mean no timeout.
        self.stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                Ok(Some(length > 0))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn close_code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

/// Takes a complete frame off the beginning of `buffer`: its first byte and its payload.
fn take_frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (begin, length) = match *buffer.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(*buffer.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*buffer.get(2..)?.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let end = begin + usize::try_from(length).ok()?;
    if buffer.len() < end {
        return None;
    }
    let payload = buffer[begin..end].to_vec();
    let kind = buffer[0];
    buffer.drain(..end);
    Some((kind, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_complete() {
        let long = vec![b'x'; 300];
        let bytes = [&[TEXT, 2][..], b"{}", &[TEXT, 126, 1, 44], &long, &[CLOSE, 2, 0x0f, 0xa0]].concat();
        let (mut buffer, mut frames) = (Vec::new(), Vec::new());
        for byte in bytes {
            buffer.push(byte);
            frames.extend(take_frame(&mut buffer));
        }
        assert_eq!(frames, [(TEXT, b"{}".to_vec()), (TEXT, long), (CLOSE, vec![0x0f, 0xa0])]);
        assert_eq!((close_code(&frames[2].1), close_code(b"")), (Some(4000), None));
    }
}
