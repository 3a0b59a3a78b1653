//! A chat for the terminal. Kill the server, start it again: nothing is lost, and nothing is shown twice.

mod core;
mod http;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Stdin},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};
use uuid::Uuid;

use crate::{
    core::{Act, Core},
    http::Site,
};

/// Talk with somebody. Each line is a message; Ctrl-D sends what is left, and ends.
#[derive(Parser)]
struct Options {
    /// Where the site is; the gateway of https is not spoken to here.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Your username.
    #[arg(long)]
    login: String,
    /// Your password.
    #[arg(long, env = "CHAT_PASSWORD", hide_env_values = true)]
    password: String,
    /// Whom to talk with.
    #[arg(long)]
    with: String,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a connection is over.
enum End {
    /// It is to be opened again, after so long if the server said so.
    Again(Option<Duration>),
    /// Everything that was typed is kept, and nothing more will be.
    Done,
}

struct Chat {
    site: Site,
    core: Core,
    conversation: String,
    lines: tokio::io::Lines<BufReader<Stdin>>,
    is_typing_over: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let site = Site::log_in(&options.url, &options.login, &options.password)?;
    let conversation = site.begin(&options.with)?;
    let core = Core::new(conversation.clone());
    let lines = BufReader::new(tokio::io::stdin()).lines();
    let mut chat = Chat { site, core, conversation, lines, is_typing_over: false };
    chat.load()?;
    let mut failures = 0;
    loop {
        let opened = Instant::now();
        let end = match chat.open().await? {
            Some(socket) => {
                eprintln!("connected");
                chat.serve(socket).await?
            }
            None => End::Again(None),
        };
        chat.core.disconnected();
        let End::Again(after) = end else { return Ok(()) };
        failures = if opened.elapsed() > Duration::from_secs(60) { 0 } else { failures + 1 };
        let delay = after.unwrap_or_else(|| backoff(failures));
        eprintln!("reconnecting in {} ms", delay.as_millis());
        chat.pause(delay).await;
    }
}

/// What this device calls a message.
#[expect(clippy::disallowed_methods, reason = "a client has no part in the generator of the site")]
fn name() -> String {
    Uuid::now_v7().to_string()
}

/// Up to min(30 s, 0.5 s · 2ⁿ), by chance: many clients that lost one server must not come back at once.
fn backoff(failures: u32) -> Duration {
    let most = Duration::from_millis(500).saturating_mul(2_u32.saturating_pow(failures.min(10)));
    most.min(Duration::from_secs(30)).mul_f64(rand::rng().random())
}

impl Chat {
    /// Loads the newest messages.
    fn load(&mut self) -> Result<()> {
        let page = self.site.messages(&self.conversation)?;
        let messages = page["items"].as_array().cloned().unwrap_or_default();
        for act in self.core.loaded(&messages, page["last_seq"].as_u64().unwrap_or(0)) {
            show(&act);
        }
        Ok(())
    }

    /// Opens a connection; `None` when it is worth another try.
    async fn open(&mut self) -> Result<Option<Socket>> {
        let mut request = self.site.gateway().into_client_request().context("--url is no address")?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.site.access_token()))?;
        request.headers_mut().insert("authorization", bearer);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("blegram.v1+json"));
        match timeout(Duration::from_secs(10), connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Some(socket)),
            Ok(Err(Error::Http(refused))) => match refused.status().as_u16() {
                // The access token ended meanwhile.
                401 => {
                    let _ = self.site.refresh();
                    Ok(None)
                }
                429 | 503 => Ok(None),
                status => bail!("the gateway refuses: {status}"),
            },
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    async fn serve(&mut self, mut socket: Socket) -> Result<End> {
        let mut silence = Duration::from_secs(60);
        let mut last = Instant::now();
        let mut retry_at: Option<Instant> = None;
        let mut after = None;
        loop {
            if self.is_typing_over && self.core.is_done() {
                let _ = socket.close(None).await;
                return Ok(End::Done);
            }
            tokio::select! {
                frame = socket.next() => {
                    let text = match frame {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) >= 4500 => {
                            bail!("the server closed the connection: {}", close.reason)
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(End::Again(after)),
                        Some(Ok(_)) => continue,
                    };
                    last = Instant::now();
                    let frame: Value = serde_json::from_str(&text).context("the server said no JSON")?;
                    if let Some(number) = frame["ping"].as_u64() {
                        let pong = json!({ "pong": number, "recv": self.core.received() });
                        send(&mut socket, &pong).await;
                        continue;
                    }
                    let acts = match frame["ev"].as_str() {
                        Some("ready") => {
                            let heartbeat = frame["d"]["heartbeat_ms"].as_u64().unwrap_or(25_000);
                            silence = Duration::from_millis(heartbeat * 3 / 2 + 10_000);
                            self.core.connected()
                        }
                        Some("reconnect") => {
                            after = frame["d"]["after_ms"].as_u64().map(Duration::from_millis);
                            Vec::new()
                        }
                        Some("auth.expiring") => self.renewal(),
                        _ => {
                            let pause = frame["err"]["code"].as_str().map(|_| frame["err"]["retry_after_ms"].as_u64());
                            if let Some(pause) = pause {
                                retry_at = Some(Instant::now() + Duration::from_millis(pause.unwrap_or(1000)));
                            }
                            self.core.heard(&frame)
                        }
                    };
                    self.act(&mut socket, acts).await?;
                }
                line = self.lines.next_line(), if !self.is_typing_over => {
                    let acts = self.take(line.ok().flatten());
                    self.act(&mut socket, acts).await?;
                }
                () = sleep_until(retry_at.unwrap_or(last + silence)), if retry_at.is_some() => {
                    retry_at = None;
                    let acts = self.core.again();
                    self.act(&mut socket, acts).await?;
                }
                () = sleep_until(last + silence) => return Ok(End::Again(None)),
            }
        }
    }

    /// A command that renews the connection's credential.
    fn renewal(&mut self) -> Vec<Act> {
        match self.site.refresh() {
            // It is answered under a number that no other command has.
            Ok(()) => vec![Act::Send(
                json!({ "id": 0, "op": "auth", "d": { "access_token": self.site.access_token() } }),
            )],
            Err(error) => vec![Act::Note(format!("the login could not be renewed: {error}"))],
        }
    }

    async fn act(&mut self, socket: &mut Socket, acts: Vec<Act>) -> Result<()> {
        for act in acts {
            match &act {
                Act::Send(command) => send(socket, command).await,
                Act::Reload => self.load()?,
                Act::Show(_) | Act::Note(_) => show(&act),
            }
        }
        Ok(())
    }

    /// Takes a line that was typed; `None` at the end.
    fn take(&mut self, line: Option<String>) -> Vec<Act> {
        match line {
            Some(line) if line.trim().is_empty() => Vec::new(),
            Some(line) => self.core.typed(name(), line),
            None => {
                self.is_typing_over = true;
                Vec::new()
            }
        }
    }

    /// Waits, and takes what is typed meanwhile.
    async fn pause(&mut self, delay: Duration) {
        let end = Instant::now() + delay;
        while Instant::now() < end {
            tokio::select! {
                () = sleep_until(end) => {}
                line = self.lines.next_line(), if !self.is_typing_over => {
                    // Nothing is sent without a connection.
                    let _ = self.take(line.ok().flatten());
                }
            }
        }
        sleep(Duration::ZERO).await;
    }
}

// A connection that is gone is noticed by reading.
async fn send(socket: &mut Socket, frame: &Value) {
    let _ = socket.send(Message::text(frame.to_string())).await;
}

fn show(act: &Act) {
    match act {
        Act::Show(line) => println!("{line}"),
        Act::Note(note) => eprintln!("{note}"),
        Act::Send(_) | Act::Reload => {}
    }
}
