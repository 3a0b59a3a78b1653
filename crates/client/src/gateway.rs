//! A connection to the gateway that stays: the application's end of it. `driver` has the other end.

mod driver;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use self::driver::Driver;
use crate::{
    core::{CommandFailure, Core, Input, Settings, Update},
    error::Error,
    http::Client,
    types::MessageSendCommand,
};

/// Updates that wait for the application. While that many do, nothing is read from the socket, so that the server
/// notices a slow client.
const QUEUE: usize = 1024;
/// Commands of the application on their way to the driver.
const INPUTS: usize = 64;
/// For the reply to [`Gateway::command`], also while there is no connection.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// What happens on the wire, for logs and tests.
#[derive(Debug, Clone, Copy)]
pub enum Trace<'a> {
    /// The handshake succeeded.
    Opened,
    /// A text frame was sent.
    Sent(&'a str),
    /// A text frame was received.
    Received(&'a str),
    /// The connection ended.
    Closed,
}

/// Is called with everything that goes over the wire, in order.
pub type Observer = Arc<dyn Fn(Trace<'_>) + Send + Sync>;

/// How to connect.
#[derive(Clone, Default)]
pub struct Options {
    /// Follow every conversation of the account, including those that it is added to later.
    pub follow_all: bool,
    /// Sees all frames.
    pub observer: Option<Observer>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("follow_all", &self.follow_all).finish_non_exhaustive()
    }
}

/// The application's end of a connection that is opened again whenever it is lost. Dropping the last clone closes it.
///
/// Methods return once the client has noted the command; [`Updates`] says what came of it.
#[derive(Debug, Clone)]
pub struct Gateway {
    inputs: mpsc::Sender<Message>,
    tickets: Arc<AtomicU64>,
    _driver: Arc<JoinSet<()>>,
}

/// The updates of a connection, in order.
#[derive(Debug)]
pub struct Updates(mpsc::Receiver<Update>);

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The server rejected it, or its effect is unknown.
    #[error(transparent)]
    Failed(#[from] CommandFailure),
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
    /// The reply, or the parameters, have an unexpected form.
    #[error("unexpected content: {0}")]
    Unexpected(#[from] serde_json::Error),
}

/// The client has stopped: [`Update::Stopped`] says why.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the client has stopped")]
pub struct Stopped;

enum Message {
    Input(Input),
    Command { ticket: u64, op: &'static str, d: Value, reply: oneshot::Sender<Result<Value, CommandFailure>> },
}

impl Updates {
    /// The next update; `None` after [`Update::Stopped`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        self.0.recv().await
    }
}

impl Gateway {
    /// Connects as the account of the client's session, and stays connected.
    ///
    /// # Errors
    /// If the client is not logged in. Everything later is an [`Update`].
    pub async fn connect(client: Client, options: Options) -> Result<(Self, Updates), Error> {
        let me = client.me().await?.id;
        let token = client.access_token()?;
        let (inputs, receiver) = mpsc::channel(INPUTS);
        let (updates, queue) = mpsc::channel(QUEUE);
        let settings = Settings { me, follow_all: options.follow_all, seed: rand::random() };
        let mut driver = Driver::new(client, Core::new(settings, token.lifetime), options.observer, updates);
        let mut task = JoinSet::new();
        task.spawn(async move { driver.run(receiver).await });
        let gateway = Self { inputs, tickets: Arc::default(), _driver: Arc::new(task) };
        Ok((gateway, Updates(queue)))
    }

    /// Follows a conversation: [`Update::Loaded`] with its latest messages, then each event once and in order.
    ///
    /// # Errors
    /// If the client has stopped; so with the other methods.
    pub async fn follow(&self, conversation: Uuid) -> Result<(), Stopped> {
        self.input(Input::Follow(conversation)).await
    }

    /// Sends a text. It is sent again until the server has stored or rejected it: [`Update::Sent`],
    /// [`Update::NotSent`]. Returns its `client_id`.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn send(&self, conversation: Uuid, text: impl Into<String>) -> Result<Uuid, Stopped> {
        let client_id = client_id();
        let draft = MessageSendCommand {
            conversation_id: conversation,
            client_id,
            text: Some(text.into()),
            media_ids: Vec::new(),
            reply_to: None,
        };
        self.send_draft(draft).await.map(|()| client_id)
    }

    /// Sends a message with images, as a reply, or with the `client_id` of an earlier run of the program.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn send_draft(&self, draft: MessageSendCommand) -> Result<(), Stopped> {
        self.input(Input::Send(draft)).await
    }

    /// Marks a conversation as read up to a message; sent at most once a second.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn read(&self, conversation: Uuid, message_no: u64) -> Result<(), Stopped> {
        self.input(Input::Read { conversation_id: conversation, message_no }).await
    }

    /// Sets the conversations on the screen (at most 16), which receive [`crate::types::Event::Typing`].
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn open(&self, conversations: Vec<Uuid>) -> Result<(), Stopped> {
        self.input(Input::Open(conversations)).await
    }

    /// Subscribes to topics, such as `timeline:home`, on this connection and later ones.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn subscribe(&self, topics: Vec<String>) -> Result<(), Stopped> {
        self.input(Input::Subscribe(topics)).await
    }

    /// Unsubscribes from topics.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn unsubscribe(&self, topics: Vec<String>) -> Result<(), Stopped> {
        self.input(Input::Unsubscribe(topics)).await
    }

    /// Sets the users (at most 100) whose presence to watch.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn watch(&self, users: Vec<Uuid>) -> Result<(), Stopped> {
        self.input(Input::Watch(users)).await
    }

    /// Sends any other command, such as `message.edit`, once, and returns the reply.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command<T: DeserializeOwned>(
        &self,
        op: &'static str,
        d: &(impl Serialize + Sync),
    ) -> Result<T, CommandError> {
        let d = serde_json::to_value(d)?;
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, result) = oneshot::channel();
        let message = Message::Command { ticket, op, d, reply };
        self.inputs.send(message).await.map_err(|_| CommandError::Stopped)?;
        let result = timeout(COMMAND_LIMIT, result).await.map_err(|_| CommandFailure::Lost)?;
        Ok(serde_json::from_value(result.map_err(|_| CommandError::Stopped)??)?)
    }

    /// Replaces the text of a message of this account.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn edit(&self, conversation: Uuid, message: Uuid, text: &str) -> Result<(), CommandError> {
        let d = json!({ "conversation_id": conversation, "message_id": message, "text": text });
        self.command::<Value>("message.edit", &d).await.map(drop)
    }

    /// Deletes a message of this account.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn delete(&self, conversation: Uuid, message: Uuid) -> Result<(), CommandError> {
        let d = json!({ "conversation_id": conversation, "message_id": message });
        self.command::<Value>("message.delete", &d).await.map(drop)
    }

    /// Connects at once, unless the server has requested to wait: call it when the device is online again.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn online(&self) -> Result<(), Stopped> {
        self.input(Input::Online).await
    }

    /// Closes the connection. Unacknowledged messages are lost, unless the application has stored them.
    ///
    /// # Errors
    /// See [`Gateway::follow`].
    pub async fn close(&self) -> Result<(), Stopped> {
        self.input(Input::Stop).await
    }

    async fn input(&self, input: Input) -> Result<(), Stopped> {
        self.inputs.send(Message::Input(input)).await.map_err(|_| Stopped)
    }
}

/// A new `client_id`: a UUID of version 7, as the server recommends.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the server's clock and ids are not available to its clients")]
pub fn client_id() -> Uuid {
    Uuid::now_v7()
}
