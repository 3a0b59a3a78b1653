//! Drives the [`Core`] with a socket, the HTTP API and the clock.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Message, Observer, QUEUE, Trace};
use crate::{
    core::{CommandFailure, Core, Failure, Input, Output, Update},
    error::Error,
    http::{AccessToken, Client},
    socket::Socket,
};

/// Executes the outputs of the core.
pub(super) struct Driver {
    client: Client,
    core: Core,
    start: Instant,
    socket: Option<Socket>,
    /// Requests in flight; aborted on drop.
    tasks: JoinSet<Done>,
    replies: HashMap<u64, oneshot::Sender<Result<Value, CommandFailure>>>,
    queue: VecDeque<Update>,
    updates: mpsc::Sender<Update>,
    observer: Option<Observer>,
}

enum Done {
    Input(Input),
    Handshake(Result<Box<Socket>, Failure>),
}

impl Driver {
    pub(super) fn new(
        client: Client,
        core: Core,
        observer: Option<Observer>,
        updates: mpsc::Sender<Update>,
    ) -> Self {
        Self {
            client,
            core,
            start: Instant::now(),
            socket: None,
            tasks: JoinSet::new(),
            replies: HashMap::new(),
            queue: VecDeque::new(),
            updates,
            observer,
        }
    }

    /// Runs until the core stops, or until the application has dropped its end.
    pub(super) async fn run(&mut self, mut inputs: mpsc::Receiver<Message>) {
        let mut next = Some(Input::Tick);
        loop {
            while let Some(input) = next.take() {
                let outputs = self.core.handle(self.start.elapsed(), input);
                next = self.execute(outputs).await;
            }
            if matches!(self.queue.back(), Some(Update::Stopped(_))) || self.updates.is_closed() {
                return self.flush().await;
            }
            next = self.wait(&mut inputs).await;
        }
    }

    async fn flush(&mut self) {
        for update in self.queue.drain(..) {
            let _ = self.updates.send(update).await;
        }
    }

    /// Executes the outputs; returns the next input if the connection broke.
    async fn execute(&mut self, outputs: Vec<Output>) -> Option<Input> {
        let mut broken = None;
        for output in outputs {
            match output {
                Output::Update(update) => self.queue.push_back(update),
                Output::Reply { ticket, result } => {
                    // The caller may have given up.
                    let _ = self.replies.remove(&ticket).map(|reply| reply.send(result));
                }
                Output::Send(text) => broken = self.send(text).await.or(broken),
                Output::Close => {
                    broken = None;
                    self.close().await;
                }
                Output::Connect | Output::LoadPage { .. } | Output::RefreshToken => self.request(output),
            }
        }
        broken
    }

    async fn send(&mut self, text: String) -> Option<Input> {
        let socket = self.socket.as_mut()?;
        observe(self.observer.as_ref(), Trace::Sent(&text));
        if socket.send(text).await {
            return None;
        }
        self.disconnect();
        Some(Input::Disconnected { code: None, reason: "broken".to_owned() })
    }

    /// Starts a request as a task, so that the loop can answer pings meanwhile.
    fn request(&mut self, output: Output) {
        let client = self.client.clone();
        self.tasks.spawn(async move {
            match output {
                Output::LoadPage { conversation_id, after } => {
                    let page = client.latest(conversation_id, after).await.map_err(Failure::from);
                    Done::Input(Input::Page { conversation_id, page })
                }
                Output::RefreshToken => {
                    Done::Input(Input::Token(client.refresh().await.map_err(Failure::from)))
                }
                _ => Done::Handshake(open(&client).await.map(Box::new)),
            }
        });
    }

    async fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            observe(self.observer.as_ref(), Trace::Closed);
            socket.close().await;
        }
    }

    fn disconnect(&mut self) {
        self.socket = None;
        observe(self.observer.as_ref(), Trace::Closed);
    }

    /// Waits for the next input.
    async fn wait(&mut self, inputs: &mut mpsc::Receiver<Message>) -> Option<Input> {
        let wake = self.core.wake().unwrap_or(Duration::from_secs(3600));
        let (accepts, has_updates) = (self.core.accepts_input(), !self.queue.is_empty());
        let may_read = self.queue.len() < QUEUE;
        let updates = self.updates.clone();
        tokio::select! {
            Some(Ok(done)) = self.tasks.join_next() => Some(self.done(done)),
            permit = updates.reserve(), if has_updates => {
                if let (Ok(permit), Some(update)) = (permit, self.queue.pop_front()) {
                    permit.send(update);
                }
                None
            }
            input = receive(&mut self.socket), if may_read => Some(self.received(input)),
            message = inputs.recv(), if accepts => Some(self.message(message)),
            () = sleep_until(self.start + wake) => Some(Input::Tick),
        }
    }

    fn done(&mut self, done: Done) -> Input {
        match done {
            Done::Input(input) => input,
            Done::Handshake(Ok(socket)) => {
                self.socket = Some(*socket);
                observe(self.observer.as_ref(), Trace::Opened);
                Input::Connected
            }
            Done::Handshake(Err(failure)) => Input::HandshakeFailed(failure),
        }
    }

    fn received(&mut self, input: Input) -> Input {
        match &input {
            Input::Frame(text) => observe(self.observer.as_ref(), Trace::Received(text)),
            _ => self.disconnect(),
        }
        input
    }

    fn message(&mut self, message: Option<Message>) -> Input {
        match message {
            Some(Message::Input(input)) => input,
            Some(Message::Command { ticket, op, d, reply }) => {
                self.replies.insert(ticket, reply);
                Input::Command { ticket, op, d }
            }
            None => Input::Stop,
        }
    }
}

fn observe(observer: Option<&Observer>, trace: Trace<'_>) {
    if let Some(observer) = observer {
        observer(trace);
    }
}

async fn open(client: &Client) -> Result<Socket, Failure> {
    let AccessToken { secret, .. } = client.access_token().map_err(Failure::from)?;
    Socket::connect(client.site(), &secret).await
}

async fn receive(socket: &mut Option<Socket>) -> Input {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthorized(_) => Self::Unauthorized,
            Error::Unavailable { detail, retry_after, .. } => Self::Temporary { detail, retry_after },
            Error::Rejected(problem) if problem.status == 404 => Self::NotFound,
            error => Self::Fatal(error.to_string()),
        }
    }
}
