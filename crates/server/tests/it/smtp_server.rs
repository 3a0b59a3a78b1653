//! An SMTP server that accepts mails for the test, over plain connections, STARTTLS or TLS, or answers as the test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// How the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    None,
    /// Offers STARTTLS, and rejects mails without it.
    StartTls,
    Tls,
}

/// A mail that the server accepted.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The message as it was sent.
    pub(crate) data: String,
    pub(crate) is_encrypted: bool,
    /// User name and password.
    pub(crate) credentials: Option<(String, String)>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// The answers to the next mails, after their content; then 250.
    answers: Vec<String>,
    /// Whether the server knows SMTPUTF8.
    speaks_utf8: bool,
    /// The only password that is accepted.
    password: Option<String>,
    /// Whether the server accepts connections and then sends nothing.
    is_silent: bool,
    connections: usize,
}

/// The server. Dropping it closes its connections.
pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// The certificate of its authority, in PEM.
    pub(crate) ca: Vec<u8>,
    _tasks: JoinSet<()>,
}

impl SmtpServer {
    pub(crate) async fn start(encryption: Encryption) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), encryption).await
    }

    pub(crate) async fn start_at(address: SocketAddr, encryption: Encryption) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, ca) = tls();
        let state = Arc::new(Mutex::new(State { speaks_utf8: true, ..State::default() }));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                // A client that closes its connection is no error of the test.
                connections
                    .spawn(async move { serve(stream, encryption, acceptor, state).await.unwrap_or(()) });
            }
        });
        Self { address, state, ca, _tasks: tasks }
    }

    /// Answers the content of the next mail with `answer`.
    pub(crate) fn answer_next(&self, answer: &str) {
        self.state.lock().unwrap().answers.push(answer.to_owned());
    }

    pub(crate) fn require_password(&self, password: &str) {
        self.state.lock().unwrap().password = Some(password.to_owned());
    }

    pub(crate) fn speak_ascii_only(&self) {
        self.state.lock().unwrap().speaks_utf8 = false;
    }

    pub(crate) fn fall_silent(&self) {
        self.state.lock().unwrap().is_silent = true;
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// The mails that were accepted since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }
}

fn tls() -> (TlsAcceptor, Vec<u8>) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, pem) = (key.cert.der().clone(), key.cert.pem().into_bytes());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

async fn serve(
    stream: TcpStream,
    encryption: Encryption,
    acceptor: TlsAcceptor,
    state: Arc<Mutex<State>>,
) -> std::io::Result<()> {
    state.lock().unwrap().connections += 1;
    let is_silent = state.lock().unwrap().is_silent;
    if is_silent {
        std::future::pending::<()>().await;
    }
    if encryption == Encryption::Tls {
        let stream = acceptor.accept(stream).await?;
        let mut session = Session::new(stream, state, true, false);
        session.say("220 test ESMTP").await?;
        return session.run().await.map(drop);
    }
    let mut session = Session::new(stream, Arc::clone(&state), false, encryption == Encryption::StartTls);
    session.say("220 test ESMTP").await?;
    if let Some(stream) = session.run().await? {
        let session = Session::new(acceptor.accept(stream).await?, state, true, false);
        session.run().await?;
    }
    Ok(())
}

struct Session<S> {
    stream: BufReader<S>,
    state: Arc<Mutex<State>>,
    is_encrypted: bool,
    /// Whether the client must encrypt first.
    requires_tls: bool,
    credentials: Option<(String, String)>,
    from: String,
    to: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    fn new(stream: S, state: Arc<Mutex<State>>, is_encrypted: bool, requires_tls: bool) -> Self {
        let (from, to) = (String::new(), String::new());
        Self {
            stream: BufReader::new(stream),
            state,
            is_encrypted,
            requires_tls,
            credentials: None,
            from,
            to,
        }
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.get_mut().flush().await
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).await?;
        Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Returns the stream when the client wants to encrypt it.
    async fn run(mut self) -> std::io::Result<Option<S>> {
        while let Some(line) = self.line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.greet().await?,
                "STARTTLS" if self.requires_tls => {
                    self.say("220 go ahead").await?;
                    return Ok(Some(self.stream.into_inner()));
                }
                "MAIL" if self.requires_tls => {
                    self.say("530 5.7.0 Must issue a STARTTLS command first").await?
                }
                "AUTH" => self.log_in(&line).await?,
                "MAIL" if self.lacks_login() => self.say("530 5.7.0 Authentication required").await?,
                "MAIL" => {
                    self.from = address(&line);
                    self.say("250 ok").await?;
                }
                "RCPT" => {
                    self.to = address(&line);
                    self.say("250 ok").await?;
                }
                "DATA" => self.receive().await?,
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(None);
                }
                "NOOP" | "RSET" => self.say("250 ok").await?,
                _ => self.say("500 unknown command").await?,
            }
        }
        Ok(None)
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        let mut lines = vec!["test".to_owned(), "8BITMIME".to_owned()];
        if self.state.lock().unwrap().speaks_utf8 {
            lines.push("SMTPUTF8".to_owned());
        }
        match self.requires_tls {
            true => lines.push("STARTTLS".to_owned()),
            false => lines.push("AUTH PLAIN".to_owned()),
        }
        let last = lines.pop().unwrap_or_default();
        for line in lines {
            self.say(&format!("250-{line}")).await?;
        }
        self.say(&format!("250 {last}")).await
    }

    fn lacks_login(&self) -> bool {
        self.credentials.is_none() && self.state.lock().unwrap().password.is_some()
    }

    async fn log_in(&mut self, line: &str) -> std::io::Result<()> {
        let encoded = match line.split(' ').nth(2) {
            Some(initial) => initial.to_owned(),
            None => {
                self.say("334 ").await?;
                self.line().await?.unwrap_or_default()
            }
        };
        let decoded = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        let mut parts = decoded.split('\0').skip(1).map(ToOwned::to_owned);
        let credentials = parts.next().zip(parts.next()).unwrap();
        let is_right =
            self.state.lock().unwrap().password.as_ref().is_none_or(|right| *right == credentials.1);
        if is_right {
            self.credentials = Some(credentials);
            self.say("235 ok").await
        } else {
            self.say("535 5.7.8 Authentication credentials invalid").await
        }
    }

    async fn receive(&mut self) -> std::io::Result<()> {
        self.say("354 go ahead").await?;
        let mut data = String::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
        }
        let answer = {
            let mut state = self.state.lock().unwrap();
            let answer = if state.answers.is_empty() { "250 ok".to_owned() } else { state.answers.remove(0) };
            if answer.starts_with('2') {
                let (from, to) = (self.from.clone(), self.to.clone());
                let (is_encrypted, credentials) = (self.is_encrypted, self.credentials.clone());
                state.received.push(Received { from, to, data, is_encrypted, credentials });
            }
            answer
        };
        self.say(&answer).await
    }
}

fn address(line: &str) -> String {
    let rest = line.split('<').nth(1).unwrap_or_default();
    rest.split('>').next().unwrap_or_default().to_owned()
}
