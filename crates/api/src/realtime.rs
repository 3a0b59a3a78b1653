//! Realtime delivery: turns the events of the features into gateway frames for the connections of this node.
//!
//! [`Realtime`] is the [`EventSink`] of every feature. It renders an event once, and the [`Hub`] sends the same bytes to
//! every recipient.
//!
//! - Chat events carry their recipients and are sent at once.
//! - Events about posts, comments and notifications are queued for [`feed`], which first asks the database which
//!   subscribers may see them.
//! - [`Background`] runs the feed and the periodic work: presence, delivery marks, sessions that ended elsewhere, and
//!   conversations whose events this node did not deliver.

mod announced;
mod feed;
pub(crate) mod protocol;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blegram_chat::ChangePosition;
use blegram_domain::{ConversationId, EventSink, SessionId, UserId};
use blegram_gateway::{Class, CloseCode, Config, DurableEvent, Frame, Head, Hub, Key, Presence};
use blegram_media::Media;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use self::protocol::EventName;
use crate::{
    App,
    schema::{
        Render,
        conversation::{Conversation, ConversationEvent},
        gateway::{
            ConversationAddedEvent, ConversationDeliveredEvent, ConversationReadEvent,
            ConversationRemovedEvent, PresenceEvent, TypingEvent,
        },
    },
};

/// Capacity of the feed queue. Further events are dropped: clients see the change when they load the resource.
const MAX_FEED: usize = 1024;

/// Interval of the checks for changes without an event on this node: ended sessions, and conversations with new events.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Time after a commit within which its event has been delivered, unless it was lost.
const DELIVERY_TIME: Duration = Duration::from_secs(1);

/// Interval in which delivery marks are written and sent to the other members.
const MARK_INTERVAL: Duration = Duration::from_secs(2);

/// Largest number of marks that one transaction writes.
const MARKS_PER_WRITE: usize = 100;

/// Largest number of conversations per user with a mark that waits to be written. Marks beyond it are dropped; clients
/// send them again.
const MAX_MARKS: usize = 1000;

/// Timeout of every database access here, so that a hanging database blocks no task forever.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends events to the connections of this node. Cheap to clone. It is the [`EventSink`] of every feature.
#[derive(Clone)]
pub struct Realtime {
    hub: Hub,
    media: Media,
    feed: mpsc::Sender<blegram_social::Event>,
    delivered: Arc<Mutex<HashMap<UserId, HashMap<ConversationId, u64>>>>,
}

/// The receivers of the queued events; [`Background::run`] processes them.
pub struct Background {
    feed: mpsc::Receiver<blegram_social::Event>,
    presence: mpsc::Receiver<Presence>,
}

impl Realtime {
    /// Creates the hub of a node, without connections. Until [`Background::run`] runs, only chat events are delivered.
    pub fn new(config: Config, media: Media) -> (Self, Background) {
        let (hub, presence) = Hub::new(config);
        let (feed, receiver) = mpsc::channel(MAX_FEED);
        let realtime = Self { hub, media, feed, delivered: Arc::default() };
        (realtime, Background { feed: receiver, presence })
    }

    /// The registry of the connections.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Records the delivery marks of a device; [`Background::run`] writes and publishes them within [`MARK_INTERVAL`].
    pub(crate) fn record_delivered(&self, user: UserId, marks: Vec<(ConversationId, u64)>) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = delivered.entry(user).or_default();
        for (conversation, seq) in marks {
            if delivered.len() < MAX_MARKS || delivered.contains_key(&conversation) {
                let mark = delivered.entry(conversation).or_default();
                *mark = seq.max(*mark);
            }
        }
    }

    fn take_delivered(&self) -> HashMap<UserId, HashMap<ConversationId, u64>> {
        std::mem::take(&mut *self.delivered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(
        &self,
        event: blegram_chat::EventView,
        last_message_no: u64,
        members: Vec<UserId>,
        head_only: Vec<UserId>,
    ) {
        let (conversation, seq) = (event.event.conversation, event.event.seq);
        let rendered = ConversationEvent::render(event, &self.media.links());
        let class = Class::DurableEvent { conversation, seq, last_message_no };
        let frame = Frame::event(class, &rendered.ev, &rendered.d);
        self.hub.send_durable(DurableEvent { conversation, seq, members, head_only, frame });
    }
}

/// A frame of [`Class::State`]: a later frame with the same `name` and `about` replaces it in the outbox of a slow
/// connection.
fn state(name: EventName, about: &[&dyn std::fmt::Display], d: &impl Serialize) -> Frame {
    let about: String = about.iter().map(|part| format!(":{part}")).collect();
    protocol::event(Class::State(format!("{}{about}", name.as_str()).into()), name, d)
}

impl EventSink<blegram_chat::Event> for Realtime {
    fn publish(&self, event: blegram_chat::Event) {
        match event {
            blegram_chat::Event::Appended { event, last_message_no, members, head_only } => {
                self.publish(event, last_message_no, members, head_only);
            }
            blegram_chat::Event::Added { user, conversation } => {
                let id = conversation.conversation.id;
                let conversation = Conversation::render(conversation, &self.media.links());
                let added = ConversationAddedEvent { conversation };
                let frame =
                    protocol::event(Class::State(membership(id)), EventName::ConversationAdded, &added);
                self.hub.send_to_users(&[user], &frame);
            }
            blegram_chat::Event::Removed { user, conversation, reason } => {
                let removed = ConversationRemovedEvent {
                    conversation_id: conversation.as_uuid(),
                    reason: reason.as_str().to_owned(),
                };
                let class = Class::Removed { conversation, key: membership(conversation) };
                let frame = protocol::event(class, EventName::ConversationRemoved, &removed);
                self.hub.send_to_users(&[user], &frame);
            }
            blegram_chat::Event::Read { conversation, user, read_no, members } => {
                let read = ConversationReadEvent {
                    conversation_id: conversation.as_uuid(),
                    user_id: user.as_uuid(),
                    read_no,
                };
                let frame = state(EventName::ConversationRead, &[&conversation, &user], &read);
                self.hub.send_to_users(&members, &frame);
            }
            blegram_chat::Event::Delivered { conversation, user, delivered_seq, members } => {
                let delivered = ConversationDeliveredEvent {
                    conversation_id: conversation.as_uuid(),
                    user_id: user.as_uuid(),
                    delivered_seq,
                };
                let frame = state(EventName::ConversationDelivered, &[&conversation, &user], &delivered);
                self.hub.send_to_users(&members, &frame);
            }
            blegram_chat::Event::Typing { conversation, user, members } => {
                let typing = TypingEvent { conversation_id: conversation.as_uuid(), user_id: user.as_uuid() };
                let frame = protocol::event(Class::Hint, EventName::Typing, &typing);
                self.hub.send_to_open(conversation, &members, &frame);
            }
        }
    }
}

/// The state key of a membership, shared by `conversation.added` and `conversation.removed`: the later one replaces the
/// earlier.
fn membership(of: ConversationId) -> Key {
    format!("conversation.membership:{of}").into()
}

impl EventSink<blegram_social::Event> for Realtime {
    fn publish(&self, event: blegram_social::Event) {
        if self.feed.try_send(event).is_err() {
            tracing::warn!("the feed queue is full; an event was dropped");
        }
    }
}

impl EventSink<blegram_auth::Event> for Realtime {
    fn publish(&self, event: blegram_auth::Event) {
        match event {
            blegram_auth::Event::SessionEnded { session } => {
                self.hub.close_session(session, CloseCode::Revoked);
            }
            blegram_auth::Event::SessionsEnded { user, except } => {
                self.hub.close_user(user, except, CloseCode::Revoked);
            }
            blegram_auth::Event::Suspended { user } => {
                self.hub.close_user(user, None, CloseCode::Suspended);
            }
        }
    }
}

impl Background {
    /// Delivers queued events and runs the periodic checks until `shutdown`, then writes the remaining delivery marks.
    pub async fn run(self, app: &App, shutdown: &CancellationToken) {
        let feed = feed::Feed::new(app.clone());
        let hub = app.realtime.hub();
        let periodic = async {
            tokio::join!(
                feed.run(self.feed),
                send_presence(app, self.presence),
                write_delivered(app),
                end_sessions(app),
                send_heads(app),
            )
        };
        tokio::join!(hub.run(shutdown), shutdown.run_until_cancelled(periodic));
        // Writes the marks that were recorded after the last tick.
        flush_delivered(app).await;
    }
}

fn every(span: Duration) -> Interval {
    let mut times = interval(span);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    times
}

fn warn(error: &(dyn std::error::Error + 'static), what: &'static str) {
    tracing::warn!(error, what, "realtime delivery may be late");
}

async fn write_delivered(app: &App) {
    let mut times = every(MARK_INTERVAL);
    loop {
        times.tick().await;
        flush_delivered(app).await;
    }
}

async fn flush_delivered(app: &App) {
    for (user, marks) in app.realtime.take_delivered() {
        let marks: Vec<_> = marks.into_iter().collect();
        for marks in marks.chunks(MARKS_PER_WRITE) {
            match timeout(DATABASE_TIMEOUT, app.chat.mark_delivered(user, marks)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn(&error, "delivery marks"),
                // Do not wait for the database once per user. Dropping the other marks is safe: clients send them again.
                Err(elapsed) => return warn(&elapsed, "delivery marks"),
            }
        }
    }
}

/// Closes the connections of sessions that ended elsewhere: on another node, or by a command of the CLI.
async fn end_sessions(app: &App) {
    let mut times = every(CHECK_INTERVAL);
    loop {
        times.tick().await;
        let sessions: Vec<SessionId> = app.realtime.hub.sessions();
        if sessions.is_empty() {
            continue;
        }
        match timeout(DATABASE_TIMEOUT, app.auth.check_sessions(&sessions)).await {
            Ok(Ok(ended)) => {
                for (session, reason) in ended {
                    app.realtime.hub.close_session(session, close_code(reason));
                }
            }
            Ok(Err(error)) => warn(&error, "sessions"),
            Err(elapsed) => warn(&elapsed, "sessions"),
        }
    }
}

const fn close_code(reason: blegram_auth::Ended) -> CloseCode {
    match reason {
        blegram_auth::Ended::Revoked => CloseCode::Revoked,
        blegram_auth::Ended::Suspended => CloseCode::Suspended,
    }
}

/// Sends `conversation.head` for conversations with events that this node did not deliver. Compares commit positions and
/// not timestamps, so that clocks do not matter.
async fn send_heads(app: &App) {
    let mut times = every(CHECK_INTERVAL);
    let mut before = None;
    loop {
        times.tick().await;
        match send_lagging_heads(app, before.as_ref()).await {
            Ok(position) => before = Some(position),
            Err(error) => warn(error.as_ref(), "conversations"),
        }
    }
}

/// Sends the heads of conversations that changed after `before`, and returns the position up to which it looked.
async fn send_lagging_heads(
    app: &App,
    before: Option<&ChangePosition>,
) -> Result<ChangePosition, Box<dyn std::error::Error + Send + Sync>> {
    let until = timeout(DATABASE_TIMEOUT, app.chat.change_position()).await??;
    // After this delay every event up to `until` has been delivered here, unless it was lost.
    tokio::time::sleep(DELIVERY_TIME).await;
    let users = app.realtime.hub.users();
    let mut after = None;
    while !users.is_empty() {
        let (heads, next) =
            timeout(DATABASE_TIMEOUT, app.chat.heads_changed(&users, (before, &until), after)).await??;
        app.realtime.hub.send_heads(heads.into_iter().map(head).collect());
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok(until)
}

fn head(head: blegram_chat::ChangedHead) -> Head {
    let blegram_chat::ChangedHead { conversation, last_seq, last_message_no, members } = head;
    Head { conversation, last_seq, last_message_no, members }
}

/// Largest number of users in one query.
const USERS_PER_QUERY: usize = 100;

async fn send_presence(app: &App, mut changes: mpsc::Receiver<Presence>) {
    while let Some(Presence { user, is_online }) = changes.recv().await {
        let mut acquainted = std::collections::HashSet::new();
        for watchers in app.realtime.hub.watchers(user).chunks(USERS_PER_QUERY) {
            match timeout(DATABASE_TIMEOUT, app.chat.list_acquainted(user, watchers)).await {
                Ok(Ok(some)) => acquainted.extend(some),
                Ok(Err(error)) => warn(&error, "presence"),
                Err(elapsed) => warn(&elapsed, "presence"),
            }
        }
        let last_seen_at = (!is_online).then(|| app.clock.now().into());
        let presence = PresenceEvent { user_id: user.as_uuid(), online: is_online, last_seen_at };
        let frame = state(EventName::Presence, &[&user], &presence);
        app.realtime.hub.send_to_watchers(user, &frame, |watcher| acquainted.contains(&watcher));
    }
}
