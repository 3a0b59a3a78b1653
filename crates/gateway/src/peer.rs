//! One connection in the hub: its outbox, its subscriptions and its credential, shared between the hub and the task
//! that serves the connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use blegram_domain::{ConnectionId, ConversationId, PostId, SessionId, Timestamp, UserId};
use futures_util::task::AtomicWaker;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Bytes;

use crate::{
    CloseCode, Topic,
    frame::{Class, Frame},
    metrics::GatewayMetrics,
    outbox::{Outbox, OutboxLimits, Overflow},
    stream::Flush,
};

/// The limits of one batch of writes.
const BATCH_FRAMES: usize = 16;
const BATCH_BYTES: usize = 16 * 1024;

/// The identity of a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionIdentity {
    /// The user.
    pub user: UserId,
    /// The credential of the client.
    pub credential: Credential,
}

/// The credential of a client: a session cookie, an access token, or a ticket issued for one of the two.
#[derive(Debug, Clone, Copy)]
pub struct Credential {
    /// The session of the credential.
    pub session: SessionId,
    /// When it expires, as wall clock time. Together with the session this identifies the credential: two tickets for
    /// one token are the same credential.
    pub valid_until: Timestamp,
    /// When it expires, as time of the clock that timers use.
    pub expires_at: Instant,
    /// Its total lifetime, from when it was issued.
    pub lifetime: Duration,
}

impl Credential {
    /// Whether `other` is the same credential, regardless of when each was presented.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.session, self.valid_until) == (other.session, other.valid_until)
    }
}

/// One open connection. Senders never wait for the client: frames wait in its outbox until its task writes them, or a
/// task that writes to many connections.
#[derive(Debug)]
pub struct Peer {
    id: ConnectionId,
    user: UserId,
    address: IpAddr,
    state: Mutex<State>,
    waker: AtomicWaker,
    metrics: Arc<GatewayMetrics>,
}

pub(crate) struct State {
    outbox: Outbox,
    /// The stream, while the connection is served.
    stream: Option<Arc<dyn Flush>>,
    credential: Credential,
    closing: Option<(CloseCode, Instant)>,
    /// The delay in the `reconnect` event, once the node drains.
    reconnect_after: Option<Duration>,
    pub(crate) topics: HashMap<Topic, Flow>,
    pub(crate) open: Vec<ConversationId>,
    pub(crate) watched: Vec<UserId>,
}

/// The rate limit of a topic's posts on one connection, in windows of one second: the number of posts that were sent in
/// the current window, and the number and the newest of those that were withheld.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    since: Option<Instant>,
    sent: u32,
    withheld: u64,
    newest: Option<PostId>,
}

/// The result of [`Peer::offer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Delivered,
    /// Withheld and counted: the connection will receive the number of withheld posts.
    Withheld,
}

#[derive(Serialize)]
struct TimelineHead {
    topic: String,
    newest_id: String,
    count: u64,
}

const SECOND: Duration = Duration::from_secs(1);

impl Peer {
    pub(crate) fn new(
        id: ConnectionId,
        identity: ConnectionIdentity,
        address: IpAddr,
        limits: OutboxLimits,
        metrics: Arc<GatewayMetrics>,
    ) -> Self {
        let state = State {
            outbox: Outbox::new(limits),
            stream: None,
            credential: identity.credential,
            closing: None,
            reconnect_after: None,
            topics: HashMap::new(),
            open: Vec::new(),
            watched: Vec::new(),
        };
        let (state, waker) = (Mutex::new(state), AtomicWaker::new());
        Self { id, user: identity.user, address, state, waker, metrics }
    }

    /// The id of the connection.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// The user of the connection.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The session of the current credential.
    pub fn session(&self) -> SessionId {
        self.state().credential.session
    }

    /// The IP address of the client.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Queues a frame. Discards it if the connection is closing. Closes the connection if the outbox overflows.
    pub fn send(&self, frame: Frame) {
        self.queue(frame);
        self.waker.wake();
    }

    /// Queues a frame like [`Peer::send`], for a caller that then calls [`Peer::flush`].
    pub(crate) fn queue(&self, frame: Frame) {
        self.push(self.state(), frame);
    }

    fn push(&self, mut state: MutexGuard<'_, State>, frame: Frame) {
        if state.is_closed() {
            return;
        }
        let result = state.outbox.push(frame);
        if result == Err(Overflow) {
            state.closing = Some((CloseCode::Resync, Instant::now()));
        }
        let dropped = state.outbox.take_dropped();
        drop(state);
        self.metrics.record_dropped(dropped);
        if result == Err(Overflow) {
            // Only the task can close the connection.
            self.waker.wake();
        }
    }

    /// Writes the queued frames to the stream, or wakes the task of the connection to do it.
    pub(crate) fn flush(&self) {
        let stream = self.state().stream.clone();
        if !stream.is_some_and(|stream| stream.try_flush(self)) {
            self.waker.wake();
        }
    }

    /// Wakes the task of the connection to write the queued frames.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Closes the connection immediately; queued frames are not sent.
    pub fn close(&self, code: CloseCode) {
        self.close_at(code, Instant::now());
    }

    /// Closes the connection at `at`, unless it is closed earlier.
    pub(crate) fn close_at(&self, code: CloseCode, at: Instant) {
        let mut state = self.state();
        if state.closing.is_none_or(|(_, before)| at < before) {
            state.closing = Some((code, at));
        }
        drop(state);
        self.waker.wake();
    }

    /// Asks the client to reconnect after `delay`, and closes the connection at that time.
    pub(crate) fn drain(&self, now: Instant, delay: Duration) {
        let after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.state().reconnect_after = Some(delay);
        self.send(Frame::event(Class::Reply, "reconnect", &json!({ "after_ms": after_ms })));
        self.close_at(CloseCode::Draining, now + delay);
    }

    /// The reason for the close frame with `code`.
    pub(crate) fn close_reason(&self, code: CloseCode) -> String {
        code.reason_with_delay(self.state().reconnect_after)
    }

    /// Replaces the credential by another one of the same user.
    pub fn renew(&self, credential: Credential) {
        self.state().credential = credential;
        self.waker.wake();
    }

    /// Replaces the set of conversations that the client displays.
    pub fn open(&self, conversations: Vec<ConversationId>) {
        self.state().open = conversations;
    }

    /// The topics to which the connection is subscribed.
    pub fn topics(&self) -> Vec<Topic> {
        self.state().topics.keys().cloned().collect()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a post of `topic`, up to `limit` per second; withholds and counts further ones.
    pub(crate) fn offer(
        &self,
        (topic, post): (&Topic, PostId),
        frame: &Frame,
        now: Instant,
        limit: u32,
    ) -> Offered {
        let mut state = self.state();
        let Some(flow) = state.topics.get_mut(topic) else { return Offered::Delivered };
        if flow.since.is_none_or(|since| now >= since + SECOND) {
            *flow = Flow { since: Some(now), sent: 0, ..*flow };
        }
        if flow.sent >= limit {
            flow.withheld += 1;
            self.metrics.withheld_posts.increment();
            flow.newest = flow.newest.max(Some(post));
            return Offered::Withheld;
        }
        flow.sent += 1;
        self.push(state, frame.clone());
        Offered::Delivered
    }

    /// Sends a `timeline.head` event with the number of withheld posts, for each topic that has any.
    pub(crate) fn send_withheld_counts(&self) {
        let timeline_head = |(topic, flow): (&Topic, &mut Flow)| {
            let newest = flow.newest.take()?;
            let topic = topic.to_string();
            let class = Class::State(format!("timeline.head:{topic}").into());
            let head = TimelineHead {
                topic,
                newest_id: newest.to_string(),
                count: std::mem::take(&mut flow.withheld),
            };
            Some(Frame::event(class, "timeline.head", &head))
        };
        let heads: Vec<Frame> = self.state().topics.iter_mut().filter_map(timeline_head).collect();
        for head in heads {
            self.send(head);
        }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// From now on, [`Peer::flush`] writes to `stream`.
    pub(crate) fn attach(&self, stream: Arc<dyn Flush>) {
        self.state().stream = Some(stream);
    }

    /// Frames are no longer written.
    pub(crate) fn detach(&self) {
        let stream = self.state().stream.take();
        drop(stream);
    }

    /// Removes the next frames from the outbox, to write them at once. `None` without frames, and once the connection is
    /// closed.
    pub(crate) fn take_batch(&self) -> Option<Bytes> {
        let mut state = self.state();
        if state.stream.is_none() || state.is_closed() {
            return None;
        }
        let first = state.outbox.pop()?;
        let (mut frames, mut text_bytes) = (1, first.text_bytes());
        let first = first.into_encoded();
        // One frame is written from the memory that all connections share.
        let mut several = Vec::new();
        while frames < BATCH_FRAMES && text_bytes < BATCH_BYTES {
            let Some(next) = state.outbox.pop() else { break };
            frames += 1;
            text_bytes += next.text_bytes();
            if several.is_empty() {
                several.extend_from_slice(&first);
            }
            several.extend_from_slice(&next.into_encoded());
        }
        drop(state);
        self.metrics.record_sent(frames, text_bytes);
        Some(if several.is_empty() { first } else { several.into() })
    }

    /// The close code, if the connection has to be closed by `now`; otherwise the time of a scheduled close and the
    /// credential.
    pub(crate) fn check_close(&self, now: Instant) -> Result<(Option<Instant>, Credential), CloseCode> {
        let state = self.state();
        match state.closing_by(now) {
            Some(code) => Err(code),
            None => Ok((state.closing.map(|(_, at)| at), state.credential)),
        }
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.state().outbox.bytes()
    }
}

impl State {
    pub(crate) const fn credential(&self) -> Credential {
        self.credential
    }

    /// Whether nothing more is sent. Reads the clock only if a close is scheduled.
    fn is_closed(&self) -> bool {
        self.closing.is_some_and(|(_, at)| at <= Instant::now())
    }

    fn closing_by(&self, now: Instant) -> Option<CloseCode> {
        self.closing.filter(|(_, at)| *at <= now).map(|(code, _)| code)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("outbox", &self.outbox)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}
