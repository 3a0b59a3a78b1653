//! Adding and removing members.

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Job, Timestamp, UserId, UserRef,
    conversation::{ConversationEventKind, ConversationKind, Membership},
};
use blegram_persistence::{Tx, conversations, jobs};

use crate::{
    Chat, ConversationView, Error, Event, RemovedReason, Result,
    conversations::{append_event, append_updated, check_all, joined, lock, lock_actor_shared, lock_group},
    event::{added, publish},
};

impl Chat {
    /// Adds members to a group of `actor`; every member may do so. New members see only what comes after. Existing
    /// members are left as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAGroup`]; [`Error::Oneself`] if the list names only the actor;
    /// [`Error::MembersNotFound`]; [`Error::TooManyMembers`]; [`Error::AccountNotFound`].
    pub async fn add_members(
        &self,
        actor: UserId,
        id: ConversationId,
        members: &[UserRef],
    ) -> Result<ConversationView> {
        let tx = self.db.write().await?;
        lock_actor_shared(&tx, actor).await?;
        let (mut conversation, _) = lock_group(&tx, actor, id).await?;
        let now = self.clock.now();
        let mut new_members = self.resolve(&tx, actor, members).await?;
        if new_members.is_empty() {
            return Err(Error::Oneself);
        }
        let present = conversations::list_members(&tx, &[id]).await?.remove(&id).unwrap_or_default();
        new_members.retain(|(user, _)| !present.iter().any(|member| member.user == *user));
        if present.len() + new_members.len() > Conversation::MAX_MEMBERS {
            return Err(Error::TooManyMembers);
        }
        check_all(&tx, actor, &new_members).await?;
        let mut joins = Vec::new();
        for (user, _) in &new_members {
            let kind = ConversationEventKind::MemberJoined { user: Some(*user), by: Some(actor) };
            joins.push(append_event(&tx, &mut conversation, kind, now).await?);
            conversations::insert_member(&tx, &joined(&conversation, *user, now), now).await?;
        }
        if !new_members.is_empty() {
            conversations::update(&tx, &conversation, false, now).await?;
        }
        let new_members: Vec<UserId> = new_members.into_iter().map(|(user, _)| user).collect();
        let mut events = added(&tx, &conversation, &new_members).await?;
        events.extend(publish(&tx, &conversation, joins).await?);
        self.commit(tx, events).await?;
        self.view_one(actor, conversation).await
    }

    /// Removes a member: the actor from any conversation, or another member from a group that the actor owns.
    ///
    /// In a direct conversation, the actor hides the conversation and its history until the next message. If a group's
    /// owner leaves, the member who has been in it longest becomes the owner. A group without members is removed by a
    /// job.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAGroup`]; [`Error::Forbidden`].
    pub async fn remove_member(&self, actor: UserId, id: ConversationId, user: UserId) -> Result<()> {
        let tx = self.db.write().await?;
        let (mut conversation, mine) = lock(&tx, actor, id).await?;
        let now = self.clock.now();
        let removed = |reason| Event::Removed { user, conversation: id, reason };
        if user == actor && conversation.kind == ConversationKind::Direct {
            let was_listed = mine.is_listed(conversation.last_message_no);
            let hidden = Membership {
                since_seq: conversation.last_seq,
                since_no: conversation.last_message_no,
                read_no: conversation.last_message_no,
                hidden_no: Some(conversation.last_message_no),
                ..mine
            };
            conversations::update_member(&tx, &hidden, now).await?;
            let events = was_listed.then(|| removed(RemovedReason::Left)).into_iter().collect();
            return self.commit(tx, events).await;
        }
        if conversation.kind == ConversationKind::Direct {
            return Err(Error::NotAGroup);
        }
        conversations::find_member(&tx, id, user).await?.ok_or(Error::NotFound)?;
        if user != actor && conversation.owner != Some(actor) {
            return Err(Error::Forbidden);
        }
        conversations::update_left(&tx, id, user, now).await?;
        let left = leave(&tx, &mut conversation, user, Some(actor), now).await?;
        let mut events =
            vec![removed(if user == actor { RemovedReason::Left } else { RemovedReason::Removed })];
        events.extend(publish(&tx, &conversation, left).await?);
        self.commit(tx, events).await
    }
}

/// Appends the event that a removed member has left, and passes the group on if they owned it. Without remaining
/// members, enqueues the removal of the group instead. The caller publishes the returned events.
pub(crate) async fn leave(
    tx: &Tx,
    conversation: &mut Conversation,
    user: UserId,
    by: Option<UserId>,
    now: Timestamp,
) -> Result<Vec<ConversationEvent>> {
    let remaining = conversations::list_members(tx, &[conversation.id]).await?.remove(&conversation.id);
    // By `since_seq`, which clock jumps cannot affect.
    let longest_member =
        remaining.unwrap_or_default().into_iter().min_by_key(|member| (member.since_seq, member.user));
    let Some(longest_member) = longest_member else {
        jobs::insert(tx, Job::PurgeConversation(conversation.id), now, now).await?;
        return Ok(Vec::new());
    };
    let mut events = vec![
        append_event(tx, conversation, ConversationEventKind::MemberLeft { user: Some(user), by }, now)
            .await?,
    ];
    if conversation.owner == Some(user) {
        conversation.owner = Some(longest_member.user);
        conversation.version += 1;
        events.push(append_updated(tx, conversation, now).await?);
    }
    conversations::update(tx, conversation, false, now).await?;
    Ok(events)
}
