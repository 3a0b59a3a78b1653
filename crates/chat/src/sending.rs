//! Sending messages with group commit: messages that arrive for a conversation while others are being written there are
//! written together, in one transaction.
//!
//! The first sender becomes the writer of its conversation and writes batches until the queue is empty. Every message
//! is validated on its own before any is written; a rejected one does not affect the others. If a batch fails although
//! the database is reachable, each of its messages is sent in a transaction of its own.

mod queues;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use blegram_domain::{
    ClientId, Conversation, ConversationEvent, ConversationId, Job, Media, MediaId, Message, MessageId,
    Timestamp, User, UserId,
    conversation::{ConversationEventKind, ConversationKind, Membership, SendMessage},
    media::MediaUse,
};
use blegram_persistence::{
    Error as StorageError, Inserted, Tx, conversations, jobs,
    media::{self, UnusedMedia},
    messages, relations, users,
};
use sha2::{Digest, Sha256};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

pub(crate) use self::queues::WriteQueues;
use self::queues::WriterLease;
use crate::{
    Chat, Error, EventView, MessageView, Result, bugs,
    event::{added, to_publish},
    presence::check_open,
    view::view_messages,
};

/// The time limit of a batch. Databases end statements by themselves; this limit is for connections that no longer
/// deliver any answer.
const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// A message to send, and its sender.
struct Sending {
    actor: UserId,
    input: SendMessage,
    fingerprint: [u8; 32],
}

/// A queued message whose sender waits for the result. If it is dropped without one, the sender sends the message
/// alone.
struct PendingMessage {
    sending: Arc<Sending>,
    done: oneshot::Sender<SendResult>,
}

/// The result of sending: the message as it is now, and whether it is new.
type SendResult = Result<(MessageView, bool)>;

impl Chat {
    /// Sends a message of `actor`. If a message with the same client id was sent before, returns that message as it is
    /// now instead. Also returns whether the message is new. If the call is cancelled, the message may still be sent.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::AccountNotFound`]; [`Error::Blocked`], [`Error::CannotWrite`] or
    /// [`Error::RecipientDeleted`] in a direct conversation; [`Error::ClientIdReused`] if the client id belongs to a
    /// different message; [`Error::ReplyNotFound`]; [`Error::MediaNotFound`], [`Error::MediaInUse`]; [`Error::Busy`].
    #[expect(
        clippy::disallowed_methods,
        reason = "a cancelled sender must not stop the other ones; the task ends with its queue"
    )]
    pub async fn send_message(&self, actor: UserId, id: ConversationId, input: SendMessage) -> SendResult {
        let fingerprint = fingerprint(id, &input);
        let sending = Arc::new(Sending { actor, input, fingerprint });
        let (done, sent) = oneshot::channel();
        if let Some(lease) = self.queues.add(id, PendingMessage { sending: Arc::clone(&sending), done })? {
            let chat = self.clone();
            tokio::spawn(async move { chat.send_queued(id, lease).await });
        }
        match sent.await {
            Ok(sent) => sent,
            Err(_) => self.send_single(id, &sending, Instant::now() + BATCH_TIMEOUT).await,
        }
    }

    /// Writes the queued messages of a conversation, one batch after the other, until the queue is empty.
    async fn send_queued(&self, id: ConversationId, mut lease: WriterLease) {
        while lease.renew() {
            let deadline = Instant::now() + BATCH_TIMEOUT;
            let transaction = with_deadline(deadline, self.db.write()).await;
            // Takes the batch only now: more messages arrive while the transaction waits for a connection.
            let batch = lease.take_batch();
            let all: Vec<&Sending> = batch.iter().map(|pending| &*pending.sending).collect();
            let sent = match transaction {
                Ok(tx) => with_deadline(deadline, self.send_all(tx, id, &all)).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(sent) => {
                    batch.into_iter().zip(sent).for_each(|(pending, sent)| _ = pending.done.send(sent))
                }
                // The database is unreachable: fails everyone at once, instead of one time limit after the other.
                Err(Error::Storage(error)) if error.is_unreachable() => {
                    let all = batch.into_iter().chain(lease.take_all());
                    all.for_each(|pending| _ = pending.done.send(Err(error.clone().into())));
                }
                // One of the messages may be the cause: sends each alone, in their order.
                Err(_) => {
                    for pending in batch {
                        _ = pending.done.send(self.send_single(id, &pending.sending, deadline).await);
                    }
                }
            }
        }
    }

    async fn send_single(&self, id: ConversationId, sending: &Sending, deadline: Instant) -> SendResult {
        let sent = with_deadline(deadline, async {
            let tx = self.db.write().await?;
            self.send_all(tx, id, &[sending]).await
        });
        sent.await?.pop().ok_or(Error::NotFound)?
    }

    /// Sends those of `all` that are valid, in this order. An error means that none was sent.
    async fn send_all(&self, tx: Tx, id: ConversationId, all: &[&Sending]) -> Result<Vec<SendResult>> {
        let reserved = bugs::reserve(self, id, all.len()).await?;
        let context = SendContext::lock(&tx, id, all).await?;
        // Reads the clock after locking: an earlier time could precede that of the previous message.
        let now = self.clock.now();
        let Some(mut conversation) = context.conversation.clone() else {
            return Ok(all.iter().map(|sending| Err(context.missing_sender(sending))).collect());
        };
        bugs::use_reserved(&mut conversation, reserved);
        let mut decisions = Vec::with_capacity(all.len());
        let mut new = Vec::new();
        for sending in all {
            let decision = match context.decide(sending) {
                Ok(None) => lock_unused(&tx, sending).await.map(|images| {
                    conversation.last_seq += 1;
                    conversation.last_message_no += 1;
                    let message = sending.message(&conversation, now);
                    conversation.last_message = Some(message.id);
                    new.push((message.clone(), images));
                    (message, true)
                }),
                Ok(Some(existing)) => Ok((existing, false)),
                Err(error) => Err(error),
            };
            decisions.push(decision);
        }
        context.write(&tx, &conversation, &new, now).await?;
        let accepted = decisions.iter().flatten().map(|(message, _)| message.clone()).collect();
        let mut views = view_messages(&tx, accepted).await?.into_iter();
        let hidden_from = if new.is_empty() { Vec::new() } else { context.hidden_from() };
        let mut events = added(&tx, &conversation, &hidden_from).await?;
        let mut sent = Vec::with_capacity(all.len());
        for decision in decisions {
            sent.push(match decision {
                Ok((_, is_new)) => {
                    let view = views.next().ok_or(Error::NotFound)?;
                    // Publishes an existing message again, too: the process that committed it may have stopped before
                    // publishing.
                    let event = created(&view.message);
                    let event = EventView { event, message: Some(view.clone()), user: None, by: None };
                    events.push(to_publish(&conversation, event, &context.members));
                    Ok((view, is_new))
                }
                Err(error) => Err(error),
            });
        }
        self.commit(tx, events).await?;
        Ok(sent)
    }
}

/// Gives up at `deadline`.
async fn with_deadline<T, E: Into<Error>>(
    deadline: Instant,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    timeout_at(deadline, future).await.map_err(|_| StorageError::TimedOut)?.map_err(Into::into)
}

/// The state that decides on a batch of messages. Its rows are locked until the transaction ends.
struct SendContext {
    actors: HashMap<UserId, User>,
    conversation: Option<Conversation>,
    members: Vec<Membership>,
    /// Messages that were sent before with the same client ids.
    existing: HashMap<(UserId, ClientId), Message>,
    /// Why a sender may not write to the other member of a direct conversation; the reason depends on the sender.
    closed: HashMap<UserId, Error>,
    /// The messages that the batch replies to.
    reply_targets: HashMap<MessageId, Message>,
}

impl SendContext {
    async fn lock(tx: &Tx, id: ConversationId, all: &[&Sending]) -> Result<Self> {
        let mut actors: Vec<UserId> = all.iter().map(|sending| sending.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let mut actors = users::lock_all_shared(tx, &actors).await?;
        actors.retain(|_, user| user.is_visible());
        let mut context = Self {
            actors,
            conversation: conversations::lock(tx, id).await?,
            members: Vec::new(),
            existing: HashMap::new(),
            closed: HashMap::new(),
            reply_targets: HashMap::new(),
        };
        let Some(conversation) = &context.conversation else { return Ok(context) };
        context.members = conversations::list_members(tx, &[id]).await?.remove(&id).unwrap_or_default();
        let client_keys: Vec<_> =
            all.iter().map(|sending| (sending.actor, sending.input.client_id)).collect();
        context.existing = messages::list_by_client_ids(tx, &client_keys).await?;
        bugs::retain_cached(&mut context.existing, &client_keys);
        if conversation.kind == ConversationKind::Direct {
            context.closed = context.list_closed(tx, conversation).await?;
        }
        let reply_targets: Vec<MessageId> = all.iter().filter_map(|sending| sending.input.reply_to).collect();
        context.reply_targets = messages::list_by_ids(tx, &reply_targets).await?;
        Ok(context)
    }

    /// Which senders may not write to the other member of a direct conversation. Locks the relations, so that this
    /// stays true until the transaction ends.
    async fn list_closed(&self, tx: &Tx, conversation: &Conversation) -> Result<HashMap<UserId, Error>> {
        let mut closed = HashMap::new();
        let senders = self.members.iter().map(|member| member.user);
        for actor in senders.filter(|user| self.actors.contains_key(user)) {
            let other_members = self.members.iter().map(|member| member.user).filter(|user| *user != actor);
            let other_members: Vec<UserId> = other_members.collect();
            relations::lock_shared(tx, actor, other_members.iter().copied()).await?;
            match check_open(tx, conversation, actor, &other_members).await {
                Ok(()) => {}
                Err(error @ (Error::Blocked | Error::CannotWrite | Error::RecipientDeleted)) => {
                    closed.insert(actor, error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(closed)
    }

    /// The error for a sender who is not a member, or whose account is not active.
    fn missing_sender(&self, sending: &Sending) -> Error {
        if self.actors.contains_key(&sending.actor) { Error::NotFound } else { Error::AccountNotFound }
    }

    /// Decides on a message: `None` if it may be sent, the message as it is now if it was sent before.
    fn decide(&self, sending: &Sending) -> Result<Option<Message>> {
        let Sending { actor, input, fingerprint } = sending;
        let mine =
            self.members.iter().find(|member| member.user == *actor && self.actors.contains_key(actor));
        let mine = mine.ok_or_else(|| self.missing_sender(sending))?;
        if let Some(existing) = self.existing.get(&(*actor, input.client_id)) {
            let is_same = existing.fingerprint == *fingerprint;
            return if is_same { Ok(Some(existing.clone())) } else { Err(Error::ClientIdReused) };
        }
        if let Some(reason) = self.closed.get(actor) {
            return Err(reason.clone());
        }
        let is_visible = |id| {
            let found: Option<&Message> = self.reply_targets.get(&id);
            found.is_some_and(|m| m.conversation == mine.conversation && mine.sees(m.message_no))
        };
        if input.reply_to.is_none_or(is_visible) { Ok(None) } else { Err(Error::ReplyNotFound) }
    }

    /// The members who do not have the conversation in their list before the next message.
    fn hidden_from(&self) -> Vec<UserId> {
        let last_message_no =
            self.conversation.as_ref().map_or(0, |conversation| conversation.last_message_no);
        self.members
            .iter()
            .filter(|member| !member.is_listed(last_message_no))
            .map(|member| member.user)
            .collect()
    }

    /// Stores the messages with their images and events, the conversation, and the read marks of the senders.
    async fn write(
        &self,
        tx: &Tx,
        conversation: &Conversation,
        new: &[(Message, Vec<Media>)],
        now: Timestamp,
    ) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let all: Vec<Message> = new.iter().map(|(message, _)| message.clone()).collect();
        if messages::insert_all(tx, &all).await? == Inserted::Existing {
            // A concurrent transaction used the same client id in another conversation.
            return Err(Error::ClientIdReused);
        }
        for (message, images) in new {
            use_in_message(tx, images, message, now).await?;
        }
        let events: Vec<ConversationEvent> = all.iter().map(created).collect();
        conversations::insert_events(tx, &events).await?;
        conversations::update(tx, conversation, true, now).await?;
        for mine in &self.members {
            let last = all.iter().rev().find(|message| message.sender == Some(mine.user));
            if let Some(Message { message_no: read_no, .. }) = last {
                // Sending a message marks everything before it as read, and lists the conversation again.
                let read = Membership { read_no: *read_no, hidden_no: None, ..mine.clone() };
                conversations::update_member(tx, &read, now).await?;
            }
        }
        Ok(())
    }
}

impl Sending {
    /// The message, as the newest of `conversation`.
    fn message(&self, conversation: &Conversation, now: Timestamp) -> Message {
        Message {
            id: MessageId::generate(now),
            conversation: conversation.id,
            seq: conversation.last_seq,
            message_no: conversation.last_message_no,
            sender: Some(self.actor),
            client_id: self.input.client_id,
            fingerprint: self.fingerprint,
            text: self.input.text.as_str().to_owned(),
            media: self.input.media.clone(),
            reply_to: self.input.reply_to,
            created_at: now,
            edited_at: None,
            deleted_at: None,
            version: 0,
        }
    }
}

/// The event of a sent message, as it was first published.
const fn created(message: &Message) -> ConversationEvent {
    let kind = ConversationEventKind::MessageCreated(message.id);
    ConversationEvent { conversation: message.conversation, seq: message.seq, kind, at: message.created_at }
}

/// A hash of the conversation and content, which tells a retry from a different message with the same client id.
fn fingerprint(conversation: ConversationId, input: &SendMessage) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(conversation.as_uuid());
    hash.update(input.reply_to.map_or([0; 16], |id| id.as_uuid().into_bytes()));
    hash.update([u8::try_from(input.media.len()).unwrap_or(u8::MAX)]);
    for id in &input.media {
        hash.update(id.as_uuid());
    }
    hash.update(input.text.as_str());
    hash.finalize().into()
}

async fn lock_unused(tx: &Tx, sending: &Sending) -> Result<Vec<Media>> {
    match media::lock_unused(tx, sending.actor, &sending.input.media).await? {
        UnusedMedia::All(images) => Ok(images),
        UnusedMedia::Missing(places) => Err(Error::MediaNotFound(places)),
        UnusedMedia::InUse => Err(Error::MediaInUse),
    }
}

async fn use_in_message(tx: &Tx, images: &[Media], message: &Message, now: Timestamp) -> Result<()> {
    let ids: Vec<MediaId> = images.iter().map(|media| media.id).collect();
    media::update_used(tx, &ids, MediaUse::Message(message.id)).await?;
    // Images in messages are private. The previous version stored new images in the public area.
    for media in images.iter().filter(|media| media.key.is_public()) {
        jobs::insert_again(tx, Job::MoveImage(media.id), now).await?;
    }
    Ok(())
}
