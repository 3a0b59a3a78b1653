//! A site: accounts on an embedded database, and an HTTP server for their public keys.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blegram_auth::{
    Auth, Config, Device, EnteredPassword, LogIn, Login, NewPassword, PasswordCost, Secret, SignUp,
};
use blegram_domain::{Clock, FixedClock, Timestamp, UserId, Username, session::Kind};
use blegram_persistence::{Db, Settings};
use blegram_verifier::Verifier;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const PASSWORD: &str = "small room with a sea view";

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the server of the keys responds.
#[derive(Clone)]
pub(crate) enum Answer {
    /// With the keys of the site and this `Cache-Control`.
    Keys(&'static str),
    /// With this status and body.
    Other(&'static str, String),
}

pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) user: UserId,
    pub(crate) clock: Arc<FixedClock>,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
    _folder: TempDir,
}

struct Shared {
    auth: Auth,
    answer: Mutex<Answer>,
    requests: AtomicUsize,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::named(None).await
    }

    /// A site whose tokens name `issuer` instead of the address of its server.
    pub(crate) async fn named(issuer: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await.unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let config = Config {
            password_cost: PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 },
            issuer: issuer.unwrap_or(&url).to_owned(),
            ..Config::default()
        };
        let auth = Auth::new(db, Arc::clone(&clock) as Arc<dyn Clock>, config).unwrap();
        let sign_up = SignUp {
            username: Username::parse("ann").unwrap(),
            password: NewPassword::parse(PASSWORD, &[]).unwrap(),
            display_name: None,
            email: None,
            device: native(),
        };
        let user = auth.sign_up(sign_up).await.unwrap().account.user.summary.id;
        let answer = Mutex::new(Answer::Keys("public, max-age=300"));
        let shared = Arc::new(Shared { auth, answer, requests: AtomicUsize::new(0) });
        let mut server = JoinSet::new();
        server.spawn(Arc::clone(&shared).serve(socket));
        Self { url, user, clock, shared, _server: server, _folder: folder }
    }

    /// A verifier for this site, with its clock.
    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(&self.url).unwrap().with_clock(Arc::clone(&self.clock) as _)
    }

    /// A new access token.
    pub(crate) async fn token(&self) -> String {
        let log_in = LogIn {
            login: "ann".to_owned(),
            password: EnteredPassword::parse(PASSWORD).unwrap(),
            device: native(),
        };
        let Login::Complete(logged_in) = self.shared.auth.log_in(log_in).await.unwrap() else {
            panic!("expected no second factor")
        };
        let Secret::Native(tokens) = logged_in.secret else { panic!("expected a native session") };
        tokens.access_token.expose().to_owned()
    }

    /// Creates the next key if it is due.
    pub(crate) async fn rotate_keys(&self) {
        self.shared.auth.rotate_signing_keys().await.unwrap();
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    pub(crate) async fn key_set(&self) -> String {
        self.shared.key_set().await
    }

    /// The number of requests for the keys until now.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

fn native() -> Device {
    Device { kind: Kind::Native, ..Device::default() }
}

impl Shared {
    async fn serve(self: Arc<Self>, socket: TcpListener) {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            self.respond(stream).await;
        }
    }

    async fn respond(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        assert!(head.starts_with(b"GET /.well-known/jwks.json HTTP/1.1\r\n"));
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        let (status, cache, body) = match answer {
            Answer::Keys(cache) => ("200 OK", cache, self.key_set().await),
            Answer::Other(status, body) => (status, "no-store", body),
        };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nCache-Control: {cache}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(response.as_bytes()).await.unwrap();
    }

    /// As `getJwks` of the API renders it; a test of the server compares the two.
    async fn key_set(&self) -> String {
        let keys = self.auth.public_keys().await.unwrap();
        let keys = keys.iter().map(|key| {
            json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key.id, "x": key.x, "y": key.y })
        });
        json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
    }
}
