//! The event loop: feeds inputs to the core and executes its outputs.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use url::Url;
use uuid::Uuid;

use crate::{
    core::{Core, Failure, Input, Output, Settings},
    http::Api,
    socket::Socket,
    terminal::{notify, print},
};

/// Runs the chat to its end and returns the exit code.
pub(crate) async fn run(
    url: Url,
    api: Arc<Api>,
    settings: Settings,
    mut lines: mpsc::Receiver<String>,
) -> Result<u8> {
    let start = Instant::now();
    let conversation = settings.conversation;
    let core = Core::new(settings, api.access_token().lifetime);
    let mut chat = Chat { url, api, conversation, start, core, socket: None, tasks: JoinSet::new() };
    let mut next = Some(Input::Tick);
    loop {
        while let Some(input) = next.take() {
            let outputs = chat.core.handle(start.elapsed(), input);
            match chat.execute(outputs).await? {
                Executed::On(broken) => next = broken,
                Executed::Over(code) => return Ok(code),
            }
        }
        next = Some(chat.wait(&mut lines).await);
    }
}

struct Chat {
    url: Url,
    api: Arc<Api>,
    conversation: Uuid,
    start: Instant,
    core: Core,
    socket: Option<Socket>,
    /// Requests in flight; aborted on drop.
    tasks: JoinSet<Done>,
}

enum Done {
    Input(Input),
    Handshake(Result<Box<Socket>, Failure>),
}

enum Executed {
    /// Continue, with this input for the core if there is one.
    On(Option<Input>),
    Over(u8),
}

impl Chat {
    async fn execute(&mut self, outputs: Vec<Output>) -> Result<Executed> {
        let mut broken = None;
        for output in outputs {
            match output {
                Output::Print(line) => print(&line)?,
                Output::Notify(line) => notify(&line),
                Output::Send(text) => {
                    if let Some(socket) = &mut self.socket
                        && !socket.send(text).await
                    {
                        self.socket = None;
                        broken = Some(Input::Disconnected { code: None, reason: "broken".to_owned() });
                    }
                }
                Output::Close => {
                    broken = None;
                    self.close().await;
                }
                Output::Exit(code) => {
                    self.close().await;
                    return Ok(Executed::Over(code));
                }
                Output::Connect | Output::LoadPage(_) | Output::RefreshToken => self.request(output),
            }
        }
        Ok(Executed::On(broken))
    }

    /// Starts a request as a task, so that the loop can answer pings meanwhile.
    fn request(&mut self, output: Output) {
        let (api, url, conversation) = (Arc::clone(&self.api), self.url.clone(), self.conversation);
        self.tasks.spawn(async move {
            match output {
                Output::LoadPage(down_to) => {
                    Done::Input(Input::Page(api.latest(conversation, down_to).await))
                }
                Output::RefreshToken => Done::Input(Input::Token(api.refresh().await)),
                _ => {
                    let opened = Socket::connect(&url, &api.access_token().secret).await;
                    Done::Handshake(opened.map(Box::new))
                }
            }
        });
    }

    async fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.close().await;
        }
    }

    /// Waits for the next input.
    async fn wait(&mut self, lines: &mut mpsc::Receiver<String>) -> Input {
        let wake = self.core.wake().unwrap_or(Duration::from_secs(3600));
        let accepts_lines = self.core.accepts_lines();
        tokio::select! {
            Some(Ok(done)) = self.tasks.join_next() => match done {
                Done::Input(input) => input,
                Done::Handshake(Ok(socket)) => {
                    self.socket = Some(*socket);
                    Input::Connected
                }
                Done::Handshake(Err(failure)) => Input::HandshakeFailed(failure),
            },
            input = receive(&mut self.socket) => {
                if matches!(input, Input::Disconnected { .. }) {
                    self.socket = None;
                }
                input
            }
            line = lines.recv(), if accepts_lines => line.map_or(Input::End, message),
            () = sleep_until(self.start + wake) => Input::Tick,
        }
    }
}

async fn receive(socket: &mut Option<Socket>) -> Input {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}

/// Generates the `client_id` of a message when it is typed; retries reuse it.
#[expect(clippy::disallowed_methods, reason = "the example does not use the server's clock and ids")]
fn message(text: String) -> Input {
    Input::Line { client_id: Uuid::now_v7(), text }
}
