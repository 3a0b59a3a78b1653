//! Requests over plain sockets, many at once from one thread.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect as connect_to, socket};

use crate::siege::window::Window;

const POLL: Duration = Duration::from_millis(50);
/// For a server that reads slowly or not at all.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// Connects to the server.
pub(crate) fn connect(server: SocketAddr) -> Result<TcpStream> {
    prepare(TcpStream::connect(server)?)
}

/// Connects to the server from another address of loopback, which is no trusted proxy.
pub(crate) fn connect_from(source: Ipv4Addr, server: SocketAddr) -> Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(source, 0))?;
    connect_to(&socket, &server)?;
    prepare(socket.into())
}

fn prepare(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    stream.set_read_timeout(Some(POLL))?;
    Ok(stream)
}

/// Sends each request on a connection of its own, all before the first response is read, and counts the responses.
pub(crate) fn wave(server: SocketAddr, requests: &[Vec<u8>], window: &Window) -> Result<()> {
    let mut streams = Vec::new();
    for request in requests {
        let mut stream = connect(server)?;
        // The server may reject a request before it has read the body.
        let _ = stream.write_all(request);
        streams.push(stream);
    }
    for stream in &mut streams {
        window.count(read_status(stream, window));
    }
    Ok(())
}

/// The status of a response; `None` if the connection or the window ends first.
pub(crate) fn read_status(stream: &mut TcpStream, window: &Window) -> Option<u16> {
    let mut head = Vec::new();
    while head.len() < STATUS_END && !window.is_over() {
        let mut piece = [0; STATUS_END];
        match stream.read(&mut piece) {
            Ok(0) => return None,
            Ok(length) => head.extend_from_slice(&piece[..length]),
            Err(error) if is_pause(error.kind()) => {}
            Err(_) => return None,
        }
    }
    status_of(&head)
}

/// The length of `HTTP/1.1 200`.
const STATUS_END: usize = 12;

fn status_of(head: &[u8]) -> Option<u16> {
    str::from_utf8(head.get(9..STATUS_END)?).ok()?.parse().ok()
}

/// The statuses of pipelined responses.
pub(crate) fn statuses(responses: &[u8]) -> impl Iterator<Item = u16> {
    let starts = responses.windows(STATUS_END).filter(|part| part.starts_with(b"HTTP/1.1 "));
    starts.filter_map(status_of)
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Connections that an attacker keeps open as long as the server lets it.
#[derive(Default)]
pub(crate) struct SlowConnections(Vec<TcpStream>);

impl SlowConnections {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends the first bytes on a new connection.
    pub(crate) fn add(&mut self, mut stream: TcpStream, first: &[u8]) {
        // If it fails, the next `feed` finds the response.
        let _ = stream.write_all(first);
        self.0.push(stream);
    }

    /// Sends further bytes on each connection. Drops and counts those that the server has answered or closed.
    pub(crate) fn feed(&mut self, bytes: &[u8], window: &Window) {
        self.0.retain_mut(|stream| {
            let outcome = poll_status(stream).or_else(|| stream.write_all(bytes).is_err().then_some(None));
            if let Some(status) = outcome {
                window.count(status);
            }
            outcome.is_none()
        });
    }
}

/// Whether the server has answered or closed the connection, and with which status.
#[expect(clippy::option_option, reason = "open, closed without a response, answered")]
fn poll_status(stream: &mut TcpStream) -> Option<Option<u16>> {
    let mut head = [0; STATUS_END];
    stream.set_nonblocking(true).ok()?;
    let read = stream.read(&mut head);
    stream.set_nonblocking(false).ok()?;
    match read {
        Ok(length) => Some(status_of(&head[..length])),
        Err(error) if is_pause(error.kind()) => None,
        Err(_) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_pipelined_responses_are_found() {
        let text = b"HTTP/1.1 401 Unauthorized\r\n\r\n{}HTTP/1.1 429 Too Many Requests\r\n\r\nHTTP/1.1 20";
        assert_eq!(statuses(text).collect::<Vec<_>>(), [401, 429]);
        assert_eq!((status_of(b"HTTP/1.1 503"), status_of(b"HTTP")), (Some(503), None));
    }
}
