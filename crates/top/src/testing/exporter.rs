//! A server on loopback that answers as a test demands.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Status 200 with this text.
    Text(String),
    /// Another status.
    Status(u16),
    /// A redirect to this URL.
    Redirect(String),
    /// Status 200 and text without an end.
    Endless,
    /// No answer while the client waits.
    Silence,
    /// The connection is closed.
    Close,
}

/// A server of metrics; it serves until the process ends.
#[derive(Debug)]
pub struct Exporter {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Exporter {
    /// Starts a server that asks `answer` for each request, which it numbers from 0.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        Self::start_on(([127, 0, 0, 1], 0).into(), answer)
    }

    /// The same on this address.
    ///
    /// # Errors
    /// When it is in use.
    pub fn start_on(
        address: SocketAddr,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &log, &*answer));
            }
        });
        Ok(Self { address, requests })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: &TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(usize) -> Answer) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let head: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        if head.is_empty() {
            return None;
        }
        let number = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(head.join("\n"));
            log.len() - 1
        };
        let (status, extra, body) = match answer(number) {
            Answer::Text(body) => (200, String::new(), body),
            Answer::Status(status) => (status, String::new(), "no metrics\n".to_owned()),
            Answer::Redirect(url) => (302, format!("location: {url}\r\n"), String::new()),
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
                loop {
                    stream.write_all(&b"a_total 1\n".repeat(1000)).ok()?;
                }
            }
            // Until the client closes the connection.
            Answer::Silence => return lines.next().map(drop),
            Answer::Close => return None,
        };
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} x\r\n{extra}content-length: {length}\r\n\r\n{body}").ok()?;
    }
}
