//! A surface of its own behind the shared layers: a service that speaks plain text, with blegram's logins, rate limits, CSRF
//! protection and listener.
//!
//! `cargo run -p blegram-http --example notes`: the program sends three requests to itself.

use std::{error::Error, sync::Arc};

use blegram_auth::{Auth, Config, Device, NewPassword, Secret, SignUp};
use blegram_domain::{SystemClock, Username, session::Kind};
use blegram_http::{
    Edge, Gate, Login, Rule, Site, Surface, Viewer,
    listener::{Limits, Listener},
    router::{Route, Router},
};
use blegram_persistence::{Db, Settings};
use poem::{Endpoint, Response, get, handler, http::Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// The rules of the operations; the layers enforce them before a handler runs.
static LIST_NOTES: Rule = Rule::read(Login::Required);

/// Renders what the layers reject.
struct PlainText;

impl Surface for PlainText {
    fn render(&self, error: poem::Error, path: &str, _request_id: &str) -> Response {
        Response::builder().status(error.status()).body(format!("{path}: {error}"))
    }
}

#[handler]
fn list_notes(viewer: Viewer) -> String {
    format!("the notes of user {}", viewer.id())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    let auth = Auth::new(db.clone(), Arc::new(SystemClock), Config::default())?;
    let token = sign_up(&auth).await?;

    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?.to_string();
    let site = Arc::new(Site {
        public_url: format!("http://{address}"),
        origins: Vec::new(),
        trusted_proxies: Vec::new(),
    });
    let surface: Arc<dyn Surface> = Arc::new(PlainText);
    let listener = Listener {
        limits: Limits::default(),
        uncapped: Vec::new(),
        site: Arc::clone(&site),
        surface: Arc::clone(&surface),
        metrics: Arc::default(),
    };
    let endpoint = Arc::new(layered(auth, site, surface)?);
    let shutdown = CancellationToken::new();
    let requests = async {
        for (path, token) in [("/notes", ""), ("/notes", token.as_str()), ("/nothing", "")] {
            println!("GET {path}\n  {}", request(&address, path, token).await?);
        }
        shutdown.cancel();
        Ok::<_, Box<dyn Error>>(())
    };
    let (outcome, _) = tokio::join!(requests, listener.serve(socket, endpoint, shutdown.clone()));
    db.close().await?;
    outcome
}

/// The layers around the handlers.
fn layered(
    auth: Auth,
    site: Arc<Site>,
    surface: Arc<dyn Surface>,
) -> Result<impl Endpoint + 'static, Box<dyn Error>> {
    let route = Route::operation(Method::GET, "/notes", "listNotes", &LIST_NOTES);
    let router = Arc::new(Router::new([route])?);
    let gate = Gate {
        auth,
        site: Arc::clone(&site),
        router: Arc::clone(&router),
        surface: Arc::clone(&surface),
        tasks: Default::default(),
    };
    let edge = Edge {
        site,
        clock: Arc::new(SystemClock),
        router,
        surface,
        never_stored: &[],
        never_compressed: &[],
        metrics: Arc::default(),
    };
    Ok(edge.wrap(gate.wrap(poem::Route::new().at("/notes", get(list_notes)))))
}

async fn sign_up(auth: &Auth) -> Result<String, Box<dyn Error>> {
    let sign_up = SignUp {
        username: Username::parse("haneul")?,
        password: NewPassword::parse("바다가 보이는 작은 방", &["haneul"])?,
        display_name: None,
        email: None,
        device: Device { kind: Kind::Native, ..Device::default() },
    };
    match auth.sign_up(sign_up).await?.secret {
        Secret::Native(tokens) => Ok(tokens.access_token.expose().to_owned()),
        Secret::Browser(_) => Err("a native app gets tokens".into()),
    }
}

/// The status line and the body of a response.
async fn request(address: &str, path: &str, token: &str) -> Result<String, Box<dyn Error>> {
    let login = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{login}Connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    Ok(format!("{}: {body}", head.lines().next().unwrap_or_default()))
}
