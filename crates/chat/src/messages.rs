//! Reading, editing and deleting (unsending) messages.

use blegram_domain::{
    Conversation, ConversationId, Message, MessageId, MessageText, Page, PageRequest, UserId,
    conversation::{ConversationEventKind, ConversationKind},
    version::Precondition,
};
use blegram_persistence::{Tx, conversations, media, messages, relations};

use crate::{
    Chat, Error, MessageView, Result,
    conversations::{append_event, check, lock, lock_actor_shared},
    event::publish,
    presence::check_open,
    view::{view_message, view_messages},
};

impl Chat {
    /// The messages of a conversation that `actor` may see, newest first, and the conversation's `last_seq` at that
    /// time.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn messages(
        &self,
        actor: UserId,
        id: ConversationId,
        page: &PageRequest<u64>,
    ) -> Result<(Page<MessageView, u64>, u64)> {
        // Reads the conversation before its messages: an event committed in between is delivered again later, and none
        // is missed.
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        let mine = conversations::find_member(&self.db, id, actor).await?.ok_or(Error::NotFound)?;
        let (page_keys, found) = messages::list(&self.db, id, mine.since_no, page).await?;
        let views = view_messages(&self.db, found).await?;
        Ok((page_keys.into_page(views), conversation.last_seq))
    }

    /// Changes the text of a message of `actor`. An edit without a change writes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a deleted message; [`Error::Forbidden`] for a message of another sender;
    /// [`Error::Blocked`], [`Error::CannotWrite`] or [`Error::RecipientDeleted`] in a direct conversation, as for sending;
    /// [`Error::MessageBlank`]; [`Error::AccountNotFound`]; [`Error::PreconditionFailed`].
    pub async fn edit_message(
        &self,
        actor: UserId,
        id: ConversationId,
        message: MessageId,
        text: MessageText,
        precondition: &Precondition,
    ) -> Result<MessageView> {
        let tx = self.db.write().await?;
        // The same lock order as for sending: account, conversation, relations.
        lock_actor_shared(&tx, actor).await?;
        let (mut conversation, mut message) = lock_own(&tx, actor, id, message).await?;
        lock_open(&tx, &conversation, actor).await?;
        let now = self.clock.now();
        if text.as_str().is_empty() && message.media.is_empty() {
            return Err(Error::MessageBlank);
        }
        check(precondition, message.version)?;
        if message.text == text.as_str() {
            let view = view_message(&tx, message).await?;
            self.commit(tx, Vec::new()).await?;
            return Ok(view);
        }
        message.text = text.into();
        message.edited_at = Some(now);
        message.version += 1;
        messages::update(&tx, &message).await?;
        let event =
            append_event(&tx, &mut conversation, ConversationEventKind::MessageEdited(message.id), now)
                .await?;
        conversations::update(&tx, &conversation, false, now).await?;
        let view = view_message(&tx, message).await?;
        let events = publish(&tx, &conversation, vec![event]).await?;
        self.commit(tx, events).await?;
        Ok(view)
    }

    /// Deletes (unsends) a message of `actor`: it keeps its place, without content.
    ///
    /// # Errors
    /// [`Error::NotFound`], also on a second call; [`Error::Forbidden`]; [`Error::PreconditionFailed`].
    pub async fn delete_message(
        &self,
        actor: UserId,
        id: ConversationId,
        message: MessageId,
        precondition: &Precondition,
    ) -> Result<()> {
        let tx = self.db.write().await?;
        let (mut conversation, mut message) = lock_own(&tx, actor, id, message).await?;
        check(precondition, message.version)?;
        let now = self.clock.now();
        media::remove(&tx, &message.media, now).await?;
        message.text = String::new();
        message.media = Vec::new();
        message.deleted_at = Some(now);
        message.version += 1;
        messages::update(&tx, &message).await?;
        let event =
            append_event(&tx, &mut conversation, ConversationEventKind::MessageDeleted(message.id), now)
                .await?;
        conversations::update(&tx, &conversation, false, now).await?;
        let events = publish(&tx, &conversation, vec![event]).await?;
        self.commit(tx, events).await
    }
}

/// Rejects an edit in a direct conversation across a block. Locks the relation, so that no block can begin until the
/// transaction ends.
async fn lock_open(tx: &Tx, conversation: &Conversation, actor: UserId) -> Result<()> {
    if conversation.kind != ConversationKind::Direct {
        return Ok(());
    }
    let members = conversations::list_members(tx, &[conversation.id]).await?.remove(&conversation.id);
    let members = members.unwrap_or_default().into_iter().map(|membership| membership.user);
    let other_members: Vec<UserId> = members.filter(|user| *user != actor).collect();
    relations::lock_shared(tx, actor, other_members.iter().copied()).await?;
    check_open(tx, conversation, actor, &other_members).await
}

async fn lock_own(
    tx: &Tx,
    actor: UserId,
    id: ConversationId,
    message: MessageId,
) -> Result<(Conversation, Message)> {
    let (conversation, mine) = lock(tx, actor, id).await?;
    let message = messages::find(tx, message).await?.ok_or(Error::NotFound)?;
    if message.conversation != id || !mine.sees(message.message_no) || message.is_deleted() {
        return Err(Error::NotFound);
    }
    if message.sender != Some(actor) {
        return Err(Error::Forbidden);
    }
    Ok((conversation, message))
}
