//! Commands of the gateway.
//!
//! [`Client`] implements [`Commands`] for one connection: it parses the `d` of a command with the types of
//! [`crate::schema::gateway`] and calls the same use case as the corresponding HTTP operation. A [`Problem`] becomes the
//! error reply.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blegram_auth::Authenticated;
use blegram_domain::{ConversationId, UserId, UserRef, version::Precondition};
use blegram_gateway::{Command, Commands, Credential, Frame, Peer, Topic};
use blegram_limits::{Demand, Policy, Subject};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    App,
    body::read_value,
    problem::{Code, Failure, Problem},
    realtime::{CommandOutcome, protocol::CommandName},
    schema::{
        Render,
        conversation::{ConversationEvents, ConversationRead, Message},
        gateway::{
            AuthAnswer, AuthCommand, DoneAnswer, History, HistoryCommand, MessageDeleteCommand,
            MessageEditCommand, MessageEditedAnswer, MessageSendCommand, MessageSentAnswer, OpenCommand,
            PresenceAnswer, PresenceCommand, PresenceEvent, ReadCommand, RenewedCredential, SyncAnswer,
            SyncCommand, TopicsAnswer, TopicsCommand, TypingCommand, millis,
        },
    },
};

/// Minimum interval between two `typing` commands of a connection in one conversation; commands in between are ignored.
const TYPING_INTERVAL: Duration = Duration::from_secs(3);

/// Largest number of conversations in which one connection can be typing at the same time; others are ignored.
const MAX_TYPING: usize = 16;

/// The command handler of one connection.
pub(crate) struct Client {
    app: Arc<App>,
    /// The `Origin` of the handshake, which a renewed ticket must match.
    origin: Option<String>,
    is_loopback: bool,
    typed: Mutex<HashMap<ConversationId, Instant>>,
}

/// The result of a command; `None` for a command without a reply.
type Reply = Result<Option<Frame>, Problem>;

fn reply(id: u64, answer: &impl Serialize) -> Reply {
    Ok(Some(Frame::ok(id, answer)))
}

impl Commands for Client {
    /// `message.send`: messages of a conversation are queued in order of arrival and committed in groups.
    fn is_pipelined(&self, op: &str) -> bool {
        CommandName::of(op) == Some(CommandName::MessageSend)
    }

    async fn admit(&self, peer: &Arc<Peer>, command: &Command) -> Result<(), Frame> {
        let name = CommandName::of(&command.op);
        let counted = self.count(peer.user(), name).await;
        counted.map_err(|problem| {
            self.app.realtime.metrics().record_command(name, CommandOutcome::Rejected);
            let (connection, op, code) = (peer.id().to_string(), &*command.op, problem.code().as_str());
            tracing::debug!(connection, op, code, "command");
            Frame::err(command.id, &problem.into_command_error(&connection))
        })
    }

    async fn run(&self, peer: &Arc<Peer>, command: Command) -> Option<Frame> {
        let started = Instant::now();
        let Command { id, op, d } = command;
        let connection = peer.id().to_string();
        let name = CommandName::of(&op);
        let reply = self.answer(peer, id, name, d).await;
        self.app.realtime.metrics().record_command(name, CommandOutcome::of(&reply));
        let code = reply.as_ref().err().map(|problem| problem.code().as_str());
        tracing::debug!(connection, op, code, duration_us = started.elapsed().as_micros(), "command");
        reply.unwrap_or_else(|problem| Some(Frame::err(id, &problem.into_command_error(&connection))))
    }

    fn delivered(&self, peer: &Peer, received: Vec<(ConversationId, u64)>) {
        self.app.realtime.record_delivered(peer.user(), received);
    }
}

impl Client {
    pub(crate) fn new(app: Arc<App>, origin: Option<String>, is_loopback: bool) -> Self {
        Self { app, origin, is_loopback, typed: Mutex::default() }
    }

    /// Counts a command like a request over HTTP.
    async fn count(&self, user: UserId, op: Option<CommandName>) -> Result<(), Problem> {
        let demand = |policy| Demand::new(policy, Subject::User(user)).over_loopback(self.is_loopback);
        let is_message = matches!(op, Some(CommandName::MessageSend | CommandName::MessageEdit));
        let own = is_message.then(|| demand(Policy::Message));
        self.app.auth.limiter().take(&demand(Policy::GlobalUser), own).await?;
        Ok(())
    }

    async fn answer(&self, peer: &Arc<Peer>, id: u64, name: Option<CommandName>, d: Value) -> Reply {
        let unknown =
            || Problem::invalid(vec![Failure::new("", "not-found", "there is no command with this name")]);
        match name.ok_or_else(unknown)? {
            CommandName::Sync => self.sync(peer, id, d).await,
            CommandName::Subscribe => {
                let topics = self.subscribe(peer, read_value::<TopicsCommand>(d)?).await?;
                reply(id, &TopicsAnswer { topics })
            }
            CommandName::Unsubscribe => {
                let topics = self.unsubscribe(peer, read_value::<TopicsCommand>(d)?);
                reply(id, &TopicsAnswer { topics })
            }
            CommandName::Open => {
                peer.open(read_value::<OpenCommand>(d)?);
                reply(id, &DoneAnswer {})
            }
            CommandName::Presence => {
                let states = self.presence(peer, read_value::<PresenceCommand>(d)?).await?;
                reply(id, &PresenceAnswer { states })
            }
            CommandName::MessageSend => self.send_message(peer, id, d).await,
            CommandName::MessageEdit => self.edit_message(peer, id, d).await,
            CommandName::MessageDelete => {
                let (conversation, message) = read_value::<MessageDeleteCommand>(d)?;
                self.app.chat.delete_message(peer.user(), conversation, message, &Precondition::Any).await?;
                reply(id, &DoneAnswer {})
            }
            CommandName::Read => {
                let (conversation, message_no) = read_value::<ReadCommand>(d)?;
                let marked = self.app.chat.mark_read(peer.user(), conversation, message_no).await?;
                let (read_no, unread_count) = marked;
                reply(id, &ConversationRead { read_no, unread_count })
            }
            CommandName::Typing => self.typing(peer, read_value::<TypingCommand>(d)?).await,
            CommandName::History => self.history(peer, id, d).await,
            CommandName::Auth => self.renew(peer, id, d).await,
        }
    }

    async fn sync(&self, peer: &Arc<Peer>, id: u64, d: Value) -> Reply {
        let command = read_value::<SyncCommand>(d)?;
        let cursor = command.since.map(|since| since.parse()).transpose()?;
        if let Some(open) = command.open {
            peer.open(open);
        }
        // Subscribe before reading the changes: an event in between is delivered twice, but none is missed.
        let topics = self.subscribe(peer, command.topics).await?;
        let presence = match command.presence {
            Some(users) => self.presence(peer, users).await?,
            None => Vec::new(),
        };
        let sync = self.app.chat.sync(peer.user(), cursor).await?.into();
        reply(id, &SyncAnswer { sync, topics, presence })
    }

    async fn subscribe(
        &self,
        peer: &Arc<Peer>,
        topics: Vec<String>,
    ) -> Result<HashMap<String, String>, Problem> {
        let mut outcomes = HashMap::new();
        // For all of them at once, and before the subscriptions take effect.
        let known: Vec<Topic> = topics.iter().filter_map(|text| text.parse().ok()).collect();
        self.app.realtime.subscribe_topics(&known).await;
        for text in topics {
            let outcome = match text.parse::<Topic>() {
                Err(_) => "invalid",
                Ok(topic) => match self.check_subscription(peer.user(), &topic).await? {
                    Some(reason) => reason,
                    None if self.app.realtime.hub().fanout().subscribe(peer, &topic) => "ok",
                    None => "limit",
                },
            };
            outcomes.insert(text, outcome.to_owned());
        }
        Ok(outcomes)
    }

    /// Why `user` may not subscribe to `topic`, or `None` if they may.
    async fn check_subscription(&self, user: UserId, topic: &Topic) -> Result<Option<&'static str>, Problem> {
        let visible = match topic {
            Topic::Home | Topic::Public | Topic::Hashtag(_) => return Ok(None),
            Topic::Post(id) => self.app.social.get_post(Some(user), *id).await.map(|_| true),
            Topic::User(id) => self.app.social.get_user(Some(user), &UserRef::Id(*id)).await.map(|view| {
                let relation = view.viewer.unwrap_or_default();
                view.user.summary.check_lists_visible(relation, user == *id).is_ok()
            }),
        };
        match visible.map_err(Problem::from) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some("forbidden")),
            Err(problem) if problem.code() == Code::NotFound => Ok(Some("not-found")),
            Err(problem) => Err(problem),
        }
    }

    fn unsubscribe(&self, peer: &Peer, topics: Vec<String>) -> HashMap<String, String> {
        let unsubscribe = |text: String| {
            let outcome = match text.parse::<Topic>() {
                Ok(topic) => {
                    self.app.realtime.hub().fanout().unsubscribe(peer, &topic);
                    "ok"
                }
                Err(_) => "invalid",
            };
            (text, outcome.to_owned())
        };
        topics.into_iter().map(unsubscribe).collect()
    }

    async fn presence(&self, peer: &Arc<Peer>, users: Vec<UserId>) -> Result<Vec<PresenceEvent>, Problem> {
        let acquainted = self.app.chat.list_acquainted(peer.user(), &users).await?;
        let hub = self.app.realtime.hub();
        let new = hub.presence().watch(peer, acquainted.iter().copied().collect());
        self.app.realtime.ask_presence(&new, false);
        let offline: Vec<UserId> =
            acquainted.iter().copied().filter(|user| !hub.presence().is_online(*user)).collect();
        let last_seen = self.app.auth.list_last_seen(&offline).await?;
        let state = |user: UserId| PresenceEvent {
            user_id: user.as_uuid(),
            online: acquainted.contains(&user) && hub.presence().is_online(user),
            last_seen_at: last_seen.get(&user).copied().map(Into::into),
        };
        Ok(users.into_iter().map(state).collect())
    }

    async fn send_message(&self, peer: &Arc<Peer>, id: u64, d: Value) -> Reply {
        let (conversation, input) = read_value::<MessageSendCommand>(d)?;
        let (view, is_new) = self.app.chat.send_message(peer.user(), conversation, input).await?;
        let message = view.message;
        let sent = MessageSentAnswer {
            seq: message.seq,
            message_no: message.message_no,
            id: message.id.as_uuid(),
            created_at: message.created_at.into(),
            duplicate: !is_new,
        };
        reply(id, &sent)
    }

    async fn edit_message(&self, peer: &Arc<Peer>, id: u64, d: Value) -> Reply {
        let (conversation, message, text) = read_value::<MessageEditCommand>(d)?;
        let view =
            self.app.chat.edit_message(peer.user(), conversation, message, text, &Precondition::Any).await?;
        reply(id, &MessageEditedAnswer { message: Message::render(view, &self.app.media.links()) })
    }

    async fn typing(&self, peer: &Arc<Peer>, conversation: ConversationId) -> Reply {
        if self.record_typing(conversation) {
            self.app.chat.start_typing(peer.user(), conversation).await?;
        }
        Ok(None)
    }

    fn record_typing(&self, conversation: ConversationId) -> bool {
        let now = Instant::now();
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.retain(|_, at| now < *at + TYPING_INTERVAL);
        if typed.len() >= MAX_TYPING || typed.contains_key(&conversation) {
            return false;
        }
        typed.insert(conversation, now);
        true
    }

    async fn history(&self, peer: &Arc<Peer>, id: u64, d: Value) -> Reply {
        let History { conversation, after, limit } = read_value::<HistoryCommand>(d)?;
        let mut changes = self.app.chat.events(peer.user(), conversation, after).await?;
        changes.more |= changes.events.len() > limit;
        changes.events.truncate(limit);
        reply(id, &ConversationEvents::render(changes, &self.app.media.links()))
    }

    async fn renew(&self, peer: &Arc<Peer>, id: u64, d: Value) -> Reply {
        let (auth, origin) = (&self.app.auth, self.origin.as_deref());
        let found = match read_value::<AuthCommand>(d)? {
            RenewedCredential::AccessToken(token) => auth.authenticate_bearer(&token).await?,
            RenewedCredential::Ticket(ticket) => auth.redeem_ticket(&ticket, origin).await?,
        };
        let found = found.ok_or_else(|| {
            Problem::new(Code::Unauthenticated).with_detail("The credential is invalid or has expired.")
        })?;
        if found.user != peer.user() {
            return Err(Problem::new(Code::Forbidden).with_detail(
                "The credential belongs to another user. Open a new connection for that user.",
            ));
        }
        peer.renew(gateway_credential(&self.app, &found));
        let left = found.expires_at.since(self.app.clock.now());
        reply(id, &AuthAnswer { auth_expires_in_ms: millis(left) })
    }
}

/// Converts a credential for the gateway, with its expiry as an instant of the monotonic clock, which timers use.
pub(crate) fn gateway_credential(app: &App, credential: &Authenticated) -> Credential {
    let Authenticated { session, issued_at, expires_at: valid_until, .. } = *credential;
    let left = valid_until.since(app.clock.now());
    let now = Instant::now();
    // Keeps the addition from overflowing; no connection lasts that long.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let expires_at = now.checked_add(left.min(YEAR)).unwrap_or(now);
    Credential { session, valid_until, expires_at, lifetime: valid_until.since(issued_at) }
}
