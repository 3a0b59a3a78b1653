//! The I/O of one connection: one task reads frames, runs commands, and writes the frames of the outbox until the
//! connection ends.
//!
//! The task is a hand-written future ([`poll_fn`]), so that reading, writing, commands and timers share one small state
//! machine. The rules without I/O are in [`Session`].

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use blegram_domain::ConversationId;
use futures_util::{FutureExt, SinkExt, StreamExt, future::join_all};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    task::JoinHandle,
    time::{Instant, Sleep, sleep_until, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        error::CapacityError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{
    CloseCode, Hub,
    frame::{Class, Command, CommandError, Frame},
    peer::Peer,
    permit::ConnectionGuard,
    session::{Due, Received, Session},
    stream::SharedStream,
};

/// The maximum size of a message from a client, and of each of its WebSocket frames: 16 KiB.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// The size of the read buffer, which every connection keeps until it ends. It grows for a larger message.
const READ_BUFFER_BYTES: usize = 1024;

/// The maximum size of control frames that wait for a client.
const CONTROL_BYTES: usize = 4 * 1024;

/// The maximum number of commands that wait for the running one. Further commands are rejected instead of stopping the
/// reads, because the pongs of the client have to be read.
pub const MAX_WAITING: usize = 32;

/// The `retry_after_ms` of a command that was rejected or timed out because the server is busy.
const RETRY_AFTER_MS: u64 = 2000;

/// The implementation of the commands. A connection starts its commands in order, each after the previous one has
/// ended, and completes them even if the client disconnects. A command that has not ended
/// [`Timing::command_deadline`](crate::Timing) after it was read is dropped at its current await point and answered
/// with `unavailable`.
pub trait Commands: Send + Sync + 'static {
    /// Whether consecutive commands of this name run concurrently. They are admitted in order, and first polled in order.
    fn is_pipelined(&self, op: &str) -> bool;

    /// Checks whether a command is within the limits of the user.
    ///
    /// # Errors
    /// The reply, if it is not: the command does not run.
    fn admit(&self, peer: &Arc<Peer>, command: &Command) -> impl Future<Output = Result<(), Frame>> + Send;

    /// Runs a command. Returns the reply, or `None` for a command without one.
    fn run(&self, peer: &Arc<Peer>, command: Command) -> impl Future<Output = Option<Frame>> + Send;

    /// Records the delivery marks of a client: the last `seq` that it received, by conversation.
    fn delivered(&self, peer: &Peer, received: Vec<(ConversationId, u64)>);
}

/// Serves a connection over `stream`, after the handshake, until it ends. Returns the close code if the server closed
/// it.
pub async fn serve<S, C>(stream: S, guard: ConnectionGuard, commands: Arc<C>) -> Option<CloseCode>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Commands,
{
    let (hub, peer) = (guard.hub().clone(), Arc::clone(guard.peer()));
    let now = Instant::now();
    let credential = guard.credential();
    let stream = SharedStream::new(stream);
    peer.attach(stream.flusher());
    let mut connection = Connection {
        ws: open(stream).await,
        session: Session::new(hub.config().timing, now, credential, rand::random()),
        hub,
        peer,
        commands,
        queued: VecDeque::new(),
        running: None,
        timer: Box::pin(sleep_until(now)),
    };
    let end = poll_fn(|cx| connection.poll(cx)).await;
    // Unregisters the connection before the closing handshake, so that nothing more is sent to it.
    drop(guard);
    let code = match &end {
        End::Disconnected => None,
        End::Close(code) => Some(*code),
    };
    connection.hub.metrics().record_end(code);
    match end {
        End::Disconnected => None,
        End::Close(code) => {
            // A client that has stopped reading does not answer the close frame either.
            let limit = connection.hub.config().close_timeout;
            let reason = connection.peer.close_reason(code);
            let _ = timeout(limit, close(&mut connection.ws, code, reason)).await;
            Some(code)
        }
    }
}

/// Closes an unregistered connection with `code`.
pub async fn reject<S>(stream: S, hub: &Hub, code: CloseCode)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let config = hub.config();
    let mut ws = open(stream).await;
    let reason = code.reason_with_delay(Some(hub.reconnect_delay()));
    let _ = timeout(config.close_timeout, close(&mut ws, code, reason)).await;
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocketStream<S> {
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(CONTROL_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await
}

async fn close<S>(ws: &mut WebSocketStream<S>, code: CloseCode, reason: String) -> Result<(), WsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame { code: code.as_u16().into(), reason: reason.into() };
    ws.send(Message::Close(Some(frame))).await?;
    while let Some(Ok(_)) = ws.next().await {}
    ws.get_mut().shutdown().await?;
    // Reads the rest: with unread data, the system resets the connection, and the client may not receive the close
    // frame.
    copy(ws.get_mut(), &mut sink()).await?;
    Ok(())
}

/// How a connection ends.
enum End {
    /// The client disconnected, or the network failed.
    Disconnected,
    Close(CloseCode),
}

struct Connection<S, C> {
    /// Reads messages, and answers control frames. Frames of the outbox are written to its stream.
    ws: WebSocketStream<SharedStream<S>>,
    session: Session,
    hub: Hub,
    peer: Arc<Peer>,
    commands: Arc<C>,
    queued: VecDeque<QueuedCommand>,
    running: Option<JoinHandle<()>>,
    timer: Pin<Box<Sleep>>,
}

/// A command in the queue, with its deadline.
struct QueuedCommand {
    command: Command,
    due: Instant,
}

impl<S, C> Connection<S, C>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Commands,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            // Registers the waker before checking the outbox, so that no frame is missed.
            self.peer.register(cx.waker());
            match self.poll_once(cx) {
                Ok(Step::Again) => {}
                Ok(Step::Wait(until)) => {
                    if self.timer.deadline() != until {
                        self.timer.as_mut().reset(until);
                    }
                    if self.timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Err(end) => return Poll::Ready(end),
            }
        }
    }

    fn poll_once(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let now = Instant::now();
        let (closing_at, credential) = self.peer.check_close(now).map_err(End::Close)?;
        self.session.renew(credential);
        while let Some(due) = self.session.due(now) {
            self.peer.send(match due {
                Due::Ping(number) => Frame::ping(number),
                Due::Expiring(left) => expiring(left),
                Due::Close(code) => return Err(End::Close(code)),
            });
        }
        let is_sent = self.poll_write(cx)?;
        self.poll_commands(cx);
        if self.poll_read(cx, now)? {
            return Ok(Step::Again);
        }
        let blocked_since = self.ws.get_ref().blocked_since();
        if !is_sent && blocked_since.is_none() {
            // Reading has written the control frame that was in the way.
            return Ok(Step::Again);
        }
        let stall = blocked_since.map(|since| since + self.hub.config().stall);
        if stall.is_some_and(|at| now >= at) {
            return Err(End::Close(CloseCode::Slow));
        }
        let until = [Some(self.session.deadline()), closing_at, stall].into_iter().flatten().min();
        Ok(Step::Wait(until.unwrap_or(now)))
    }

    /// Writes the frames of the outbox. Returns whether all are written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.ws.get_ref().is_within_frame() {
            match self.ws.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(End::Disconnected),
                Poll::Pending => return Ok(false),
            }
        }
        match self.ws.get_ref().poll_send(cx, &self.peer) {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(_)) => Err(End::Disconnected),
            Poll::Pending => Ok(false),
        }
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(running) = &mut self.running {
                if running.poll_unpin(cx).is_pending() {
                    return;
                }
                self.running = None;
            }
            let next = self.take_commands();
            if next.is_empty() {
                self.queued = VecDeque::new();
                return;
            }
            let (peer, commands) = (Arc::clone(&self.peer), Arc::clone(&self.commands));
            self.running = Some(self.hub.tasks().spawn(run_all(commands, peer, next)));
        }
    }

    /// Removes the next commands to start: one, or all pipelined commands at the head of the queue.
    fn take_commands(&mut self) -> Vec<QueuedCommand> {
        let is_pipelined = |queued: &QueuedCommand| self.commands.is_pipelined(&queued.command.op);
        let count = self.queued.iter().take_while(|queued| is_pipelined(queued)).count().max(1);
        self.queued.drain(..count.min(self.queued.len())).collect()
    }

    /// Reads and handles one message. Returns whether there was one.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let received = match self.ws.poll_next_unpin(cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(None) => return Err(End::Disconnected),
            Poll::Ready(Some(Err(error))) => return Err(end_of(&error)),
            Poll::Ready(Some(Ok(Message::Text(text)))) => self.session.receive(now, &text),
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => self.session.receive_control(now),
            Poll::Ready(Some(Ok(Message::Binary(_) | Message::Frame(_)))) => {
                Received::Close(CloseCode::Protocol)
            }
            // tungstenite answers the close frame and then ends the stream.
            Poll::Ready(Some(Ok(Message::Close(_)))) => Received::Nothing,
        };
        match received {
            Received::Nothing => {}
            Received::Run(command) if self.queued.len() >= MAX_WAITING => {
                self.peer.send(Frame::err(command.id, &overloaded()));
            }
            Received::Run(command) => {
                let due = now + self.hub.config().timing.command_deadline;
                self.queued.push_back(QueuedCommand { command, due });
            }
            Received::TooMany { id, retry_after } => {
                let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) + 1;
                self.peer.send(Frame::err(id, &too_many(retry_after_ms)));
            }
            Received::Delivered(received) => self.commands.delivered(&self.peer, received),
            Received::Close(code) => return Err(End::Close(code)),
        }
        Ok(true)
    }
}

/// Runs consecutive commands: admits them one after the other, so that they start in order however long each waits for
/// that, and then runs them concurrently.
async fn run_all<C: Commands>(commands: Arc<C>, peer: Arc<Peer>, all: Vec<QueuedCommand>) {
    let mut admitted = Vec::with_capacity(all.len());
    for queued in all {
        let id = queued.command.id;
        match timeout_at(queued.due, commands.admit(&peer, &queued.command)).await {
            Ok(Ok(())) => admitted.push(queued),
            Ok(Err(rejection)) => peer.send(rejection),
            Err(_) => peer.send(Frame::err(id, &not_started())),
        }
    }
    let run = async |queued| {
        let reply = run_with_deadline(&*commands, &peer, queued).await;
        reply.into_iter().for_each(|reply| peer.send(reply));
    };
    join_all(admitted.into_iter().map(run)).await;
}

/// Runs a command until its deadline. Returns the reply, or `None` for a command without one.
async fn run_with_deadline<C: Commands>(
    commands: &C,
    peer: &Arc<Peer>,
    queued: QueuedCommand,
) -> Option<Frame> {
    let QueuedCommand { command, due } = queued;
    let id = command.id;
    if Instant::now() >= due {
        return Some(Frame::err(id, &not_started()));
    }
    let run = AssertUnwindSafe(commands.run(peer, command)).catch_unwind();
    match timeout_at(due, run).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => Some(Frame::err(id, &internal_error())),
        Err(_) => Some(Frame::err(id, &timed_out())),
    }
}

enum Step {
    Again,
    Wait(Instant),
}

/// Maps a WebSocket error to the end of the connection.
fn end_of(error: &WsError) -> End {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => End::Close(CloseCode::TooBig),
        WsError::Utf8(_) => End::Close(CloseCode::NotText),
        WsError::Io(error) if error.kind() == io::ErrorKind::InvalidData => End::Close(CloseCode::WebSocket),
        WsError::Protocol(_) => End::Close(CloseCode::WebSocket),
        _ => End::Disconnected,
    }
}

fn expiring(left: std::time::Duration) -> Frame {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Frame::event(Class::Reply, "auth.expiring", &json!({ "expires_in_ms": left }))
}

fn too_many(retry_after_ms: u64) -> CommandError {
    CommandError {
        code: "rate-limited",
        detail: "Too many commands on this connection. Retry after retry_after_ms.".to_owned(),
        errors: None,
        retry_after_ms: Some(retry_after_ms),
    }
}

fn overloaded() -> CommandError {
    let detail =
        "Too many commands of this connection are waiting. This one was not started: send it again later.";
    busy("overloaded", detail)
}

fn not_started() -> CommandError {
    let detail = "Earlier commands took too long. This one was not started: send it again later.";
    busy("unavailable", detail)
}

fn timed_out() -> CommandError {
    let detail = "The command timed out on the server. It may have taken effect, or may still take effect: send it again \
                  later. A message with the same client_id is sent only once.";
    busy("unavailable", detail)
}

fn busy(code: &'static str, detail: &str) -> CommandError {
    CommandError { code, detail: detail.to_owned(), errors: None, retry_after_ms: Some(RETRY_AFTER_MS) }
}

fn internal_error() -> CommandError {
    CommandError {
        code: "internal",
        detail: "Internal server error. The command may or may not have taken effect.".to_owned(),
        errors: None,
        retry_after_ms: None,
    }
}
