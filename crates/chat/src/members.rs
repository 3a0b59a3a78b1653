//! Who is in a conversation, and who lets them in or out.

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Job, Timestamp, UserId, UserRef,
    conversation::{ConversationKind, Happening, Membership},
};
use blegram_persistence::{Tx, conversations, jobs};

use crate::{
    Chat, ConversationView, Error, Event, RemovedReason, Result,
    conversations::{check_all, hold, hold_group, joined, keep_actor, tell, tell_updated},
    event::{added, happened},
};

impl Chat {
    /// Lets others into a group of `actor`. They see what comes after. Those who are in are in.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAGroup`]; [`Error::Oneself`] for nobody else; [`Error::MembersNotFound`];
    /// [`Error::TooManyMembers`].
    pub async fn add_members(
        &self,
        actor: UserId,
        id: ConversationId,
        members: &[UserRef],
    ) -> Result<ConversationView> {
        let tx = self.db.write().await?;
        keep_actor(&tx, actor).await?;
        let (mut conversation, _) = hold_group(&tx, actor, id).await?;
        let now = self.clock.now();
        let mut others = self.resolve(&tx, actor, members).await?;
        if others.is_empty() {
            return Err(Error::Oneself);
        }
        let present = conversations::list_members(&tx, &[id]).await?.remove(&id).unwrap_or_default();
        others.retain(|(user, _)| !present.iter().any(|it| it.user == *user));
        if present.len() + others.len() > Conversation::MAX_MEMBERS {
            return Err(Error::TooManyMembers);
        }
        check_all(&tx, actor, &others).await?;
        let mut joins = Vec::new();
        for (user, _) in &others {
            let what = Happening::MemberJoined { user: Some(*user), by: Some(actor) };
            joins.push(tell(&tx, &mut conversation, what, now).await?);
            conversations::insert_member(&tx, &joined(&conversation, *user, now), now).await?;
        }
        if !others.is_empty() {
            conversations::update(&tx, &conversation, false, now).await?;
        }
        let others: Vec<UserId> = others.into_iter().map(|(user, _)| user).collect();
        let mut events = added(&tx, &conversation, &others).await?;
        events.extend(happened(&tx, &conversation, joins).await?);
        self.commit(tx, events).await?;
        self.view_one(actor, conversation).await
    }

    /// Takes somebody out of a conversation: oneself out of any, others out of a group that one owns. Of a direct
    /// conversation one only loses sight, with everything that was said, until somebody says more. A group whose owner
    /// leaves belongs to whoever is in for longest; one that everybody left is removed.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAGroup`]; [`Error::Forbidden`].
    pub async fn remove_member(&self, actor: UserId, id: ConversationId, user: UserId) -> Result<()> {
        let tx = self.db.write().await?;
        let (mut conversation, mine) = hold(&tx, actor, id).await?;
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
        events.extend(happened(&tx, &conversation, left).await?);
        self.commit(tx, events).await
    }
}

/// Says that somebody is out who was taken out, and gives the group another owner if it was theirs. What happened is for
/// the caller to publish.
pub(crate) async fn leave(
    tx: &Tx,
    conversation: &mut Conversation,
    user: UserId,
    by: Option<UserId>,
    now: Timestamp,
) -> Result<Vec<ConversationEvent>> {
    let left = conversations::list_members(tx, &[conversation.id]).await?.remove(&conversation.id);
    // By the numbers of what they saw first, which no clock can disturb.
    let longest = left.unwrap_or_default().into_iter().min_by_key(|member| (member.since_seq, member.user));
    let Some(longest) = longest else {
        jobs::insert(tx, Job::EraseConversation(conversation.id), now, now).await?;
        return Ok(Vec::new());
    };
    let mut events = vec![tell(tx, conversation, Happening::MemberLeft { user: Some(user), by }, now).await?];
    if conversation.owner == Some(user) {
        conversation.owner = Some(longest.user);
        conversation.version += 1;
        events.push(tell_updated(tx, conversation, now).await?);
    }
    conversations::update(tx, conversation, false, now).await?;
    Ok(events)
}
