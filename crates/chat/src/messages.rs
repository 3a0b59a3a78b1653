//! Sending, editing and unsending messages.

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Job, Media, MediaId, Message, MessageId, MessageText,
    Page, PageRequest, Timestamp, UserId,
    conversation::{ConversationKind, Happening, Membership, SendMessage},
    media::MediaUse,
};
use blegram_persistence::{
    Conn, Inserted, Tx, conversations, jobs,
    media::{self, Held},
    messages, relations,
};
use sha2::{Digest, Sha256};

use crate::{
    Chat, Error, Event, EventView, MessageView, Result,
    conversations::{hold, keep_actor, tell},
    event::{added, happened, told},
    view::{view_message, view_messages},
};

impl Chat {
    /// Sends a message of `actor`. Sent again under the same client id it is not sent again: the answer is the message as
    /// it is today. Says whether it is new.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Blocked`] in a direct conversation across a block; [`Error::ClientIdReused`] by another
    /// message; [`Error::ReplyNotFound`]; [`Error::MediaNotFound`], [`Error::MediaInUse`].
    pub async fn send_message(
        &self,
        actor: UserId,
        id: ConversationId,
        input: SendMessage,
    ) -> Result<(MessageView, bool)> {
        let now = self.clock.now();
        let fingerprint = fingerprint(id, &input);
        let tx = self.db.write().await?;
        keep_actor(&tx, actor).await?;
        let mut conversation = conversations::hold(&tx, id).await?.ok_or(Error::NotFound)?;
        let members = conversations::list_members(&tx, &[id]).await?.remove(&id).unwrap_or_default();
        let mine = members.iter().find(|it| it.user == actor).cloned().ok_or(Error::NotFound)?;
        if let Some(before) = messages::find_by_client_id(&tx, actor, input.client_id).await? {
            let view = again(&tx, before, fingerprint).await?;
            // Whoever published it the first time may not have come to it.
            self.commit(tx, vec![created(&conversation, view.clone(), &members)]).await?;
            return Ok((view, false));
        }
        check_block(&tx, &conversation, actor, &members).await?;
        check_reply(&tx, &mine, input.reply_to).await?;
        let images = hold_unused(&tx, actor, &input.media).await?;
        let message = Message {
            id: MessageId::generate(now),
            conversation: id,
            seq: conversation.last_seq + 1,
            message_no: conversation.last_message_no + 1,
            sender: Some(actor),
            client_id: input.client_id,
            fingerprint,
            text: input.text.into(),
            media: input.media,
            reply_to: input.reply_to,
            created_at: now,
            edited_at: None,
            deleted_at: None,
        };
        if messages::insert(&tx, &message).await? == Inserted::Existing {
            // Sent into another conversation at the same moment.
            return Err(Error::ClientIdReused);
        }
        use_in_message(&tx, &images, message.id, actor, now).await?;
        tell(&tx, &mut conversation, Happening::MessageCreated(message.id), now).await?;
        let hidden_from: Vec<UserId> = members
            .iter()
            .filter(|it| !it.is_listed(conversation.last_message_no))
            .map(|it| it.user)
            .collect();
        conversation.last_message_no = message.message_no;
        conversation.last_message = Some(message.id);
        conversations::update(&tx, &conversation, true, now).await?;
        // Whoever writes has read.
        let read = Membership { read_no: message.message_no, hidden_no: None, ..mine };
        conversations::update_member(&tx, &read, now).await?;
        let view = view_message(&tx, message).await?;
        let mut events = added(&tx, &conversation, &hidden_from).await?;
        events.push(created(&conversation, view.clone(), &members));
        self.commit(tx, events).await?;
        Ok((view, true))
    }

    /// The messages of a conversation that `actor` sees, the newest first, and what had happened by then.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn messages(
        &self,
        actor: UserId,
        id: ConversationId,
        page: &PageRequest<u64>,
    ) -> Result<(Page<MessageView, u64>, u64)> {
        // Before the messages: what comes in between is told again, and nothing is missed.
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        let mine = conversations::find_member(&self.db, id, actor).await?.ok_or(Error::NotFound)?;
        let (slice, found) = messages::list(&self.db, id, mine.since_no, page).await?;
        let views = view_messages(&self.db, found).await?;
        Ok((slice.into_page(views), conversation.last_seq))
    }

    /// Lets a message of `actor` say something else. A change that changes nothing is none.
    ///
    /// # Errors
    /// [`Error::NotFound`], also of one that was deleted; [`Error::Forbidden`] of somebody else's; [`Error::MessageBlank`].
    pub async fn edit_message(
        &self,
        actor: UserId,
        id: ConversationId,
        message: MessageId,
        text: MessageText,
    ) -> Result<MessageView> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let (mut conversation, mut message) = hold_own(&tx, actor, id, message).await?;
        if text.as_str().is_empty() && message.media.is_empty() {
            return Err(Error::MessageBlank);
        }
        if message.text == text.as_str() {
            return view_message(&tx, message).await;
        }
        message.text = text.into();
        message.edited_at = Some(now);
        messages::update(&tx, &message).await?;
        let event = tell(&tx, &mut conversation, Happening::MessageEdited(message.id), now).await?;
        conversations::update(&tx, &conversation, false, now).await?;
        let view = view_message(&tx, message).await?;
        let events = happened(&tx, &conversation, vec![event]).await?;
        self.commit(tx, events).await?;
        Ok(view)
    }

    /// Takes a message of `actor` back: it stays, without content.
    ///
    /// # Errors
    /// [`Error::NotFound`], also the second time; [`Error::Forbidden`].
    pub async fn delete_message(&self, actor: UserId, id: ConversationId, message: MessageId) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let (mut conversation, mut message) = hold_own(&tx, actor, id, message).await?;
        media::remove(&tx, &message.media, now).await?;
        message.text = String::new();
        message.media = Vec::new();
        message.deleted_at = Some(now);
        messages::update(&tx, &message).await?;
        let event = tell(&tx, &mut conversation, Happening::MessageDeleted(message.id), now).await?;
        conversations::update(&tx, &conversation, false, now).await?;
        let events = happened(&tx, &conversation, vec![event]).await?;
        self.commit(tx, events).await
    }
}

/// What a repetition gets. Read in its transaction: whoever asked for another connection while others wait for what this
/// one holds would wait for them.
async fn again(tx: &Tx, before: Message, fingerprint: [u8; 32]) -> Result<MessageView> {
    if before.fingerprint != fingerprint {
        return Err(Error::ClientIdReused);
    }
    view_message(tx, before).await
}

/// Tells of a message what is told when it was sent.
fn created(conversation: &Conversation, view: MessageView, members: &[Membership]) -> Event {
    let event = ConversationEvent {
        conversation: conversation.id,
        seq: view.message.seq,
        what: Happening::MessageCreated(view.message.id),
        at: view.message.created_at,
    };
    told(conversation, EventView { event, message: Some(view), user: None, by: None }, members)
}

/// What tells a message from another that has the same client id.
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

/// Neither of two who are blocked from each other writes to the other. It stays so until the transaction ends.
async fn check_block(
    tx: &Tx,
    conversation: &Conversation,
    actor: UserId,
    members: &[Membership],
) -> Result<()> {
    if conversation.kind != ConversationKind::Direct {
        return Ok(());
    }
    let others: Vec<UserId> = members.iter().map(|it| it.user).filter(|user| *user != actor).collect();
    relations::hold(tx, actor, others.iter().copied()).await?;
    check_open(tx, conversation, actor, &others).await
}

/// Neither of two who are blocked from each other says anything to the other.
pub(crate) async fn check_open(
    conn: &impl Conn,
    conversation: &Conversation,
    actor: UserId,
    others: &[UserId],
) -> Result<()> {
    if conversation.kind != ConversationKind::Direct {
        return Ok(());
    }
    let people = relations::list_people(conn, actor, others).await?;
    let is_open = |user: &UserId| people.get(user).is_some_and(|(user, relation)| user.is_shown(*relation));
    if !others.is_empty() && others.iter().all(is_open) { Ok(()) } else { Err(Error::Blocked) }
}

async fn check_reply(tx: &Tx, mine: &Membership, reply_to: Option<MessageId>) -> Result<()> {
    let Some(id) = reply_to else { return Ok(()) };
    let found = messages::find(tx, id).await?;
    let is_seen = found
        .is_some_and(|message| message.conversation == mine.conversation && mine.sees(message.message_no));
    if is_seen { Ok(()) } else { Err(Error::ReplyNotFound) }
}

async fn hold_unused(tx: &Tx, actor: UserId, ids: &[MediaId]) -> Result<Vec<Media>> {
    match media::hold_unused(tx, actor, ids).await? {
        Held::All(images) => Ok(images),
        Held::Missing(places) => Err(Error::MediaNotFound(places)),
        Held::InUse => Err(Error::MediaInUse),
    }
}

async fn use_in_message(
    tx: &Tx,
    images: &[Media],
    message: MessageId,
    owner: UserId,
    now: Timestamp,
) -> Result<()> {
    let ids: Vec<MediaId> = images.iter().map(|media| media.id).collect();
    media::update_used(tx, &ids, MediaUse::Message(message)).await?;
    // What is said between some is not for everybody.
    if images.iter().any(|media| media.key.is_public()) {
        jobs::insert_again(tx, Job::MoveMedia(owner), now).await?;
    }
    Ok(())
}

async fn hold_own(
    tx: &Tx,
    actor: UserId,
    id: ConversationId,
    message: MessageId,
) -> Result<(Conversation, Message)> {
    let (conversation, mine) = hold(tx, actor, id).await?;
    let message = messages::find(tx, message).await?.ok_or(Error::NotFound)?;
    if message.conversation != id || !mine.sees(message.message_no) || message.is_deleted() {
        return Err(Error::NotFound);
    }
    if message.sender != Some(actor) {
        return Err(Error::Forbidden);
    }
    Ok((conversation, message))
}
