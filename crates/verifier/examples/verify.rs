//! Verifies access tokens in a service that has no database of the site.
//!
//! ```sh
//! cargo run -p blegram-verifier --example verify                                   # with a site of its own
//! cargo run -p blegram-verifier --example verify -- http://127.0.0.1:8080 TOKEN
//! ```
//!
//! Without arguments, the program also plays the site: accounts on an embedded database, and its keys over HTTP.

use std::{error::Error, time::Duration};

use blegram_auth::{Auth, Config, Device, NewPassword, Secret, SignUp};
use blegram_domain::{Clock, FixedClock, SystemClock, Username, session::Kind};
use blegram_persistence::{Db, Settings};
use blegram_verifier::Verifier;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [site, token] = arguments.as_slice() {
        print_request(&Verifier::new(site)?, token).await;
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = format!("http://{}", socket.local_addr()?);
    let config = Config { issuer: issuer.clone(), ..Config::default() };
    let auth = Auth::new(db, std::sync::Arc::new(SystemClock), config)?;
    tokio::select! {
        served = serve_keys(&socket, &auth) => served,
        outcome = receive_requests(&issuer, &auth) => outcome,
    }
}

/// The service.
async fn receive_requests(site: &str, auth: &Auth) -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(site)?;
    let token = sign_up(auth).await?;
    print_request(&verifier, &token).await;
    print_request(&verifier, &format!("{}AAAA", &token[..token.len() - 4])).await;
    print_request(&verifier, "bls_not-an-access-token").await;
    // Ten minutes later.
    let later = FixedClock::new(SystemClock.now() + Duration::from_secs(600));
    print_request(&verifier.clone().with_clock(std::sync::Arc::new(later)), &token).await;
    // A service that was given another URL than `server.public_url`.
    let keys = format!("{site}/.well-known/jwks.json");
    print_request(&Verifier::new("https://example.org")?.with_keys_from(&keys)?, &token).await;
    Ok(())
}

/// What a service does with `Authorization: Bearer <token>`.
async fn print_request(verifier: &Verifier, token: &str) {
    match verifier.verify(token).await {
        Ok(claims) => println!("200: user {}, session {}", claims.user, claims.session),
        Err(error) if error.is_rejection() => println!("401: {error}"),
        Err(error) => println!("503: {error}"),
    }
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

/// The part of the site: `getJwks`.
async fn serve_keys(socket: &TcpListener, auth: &Auth) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = socket.accept().await?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 && line != "\r\n" {
            line.clear();
        }
        let keys = auth.public_keys().await?;
        let keys: Vec<_> = keys
            .iter()
            .map(|key| json!({ "kty": "EC", "crv": "P-256", "kid": key.id, "x": key.x, "y": key.y }))
            .collect();
        let body = json!({ "keys": keys }).to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=300", body.len());
        stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await?;
    }
}
