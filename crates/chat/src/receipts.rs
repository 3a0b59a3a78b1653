//! Read and delivery marks, and the number of unread messages.

use std::collections::{BTreeMap, HashMap, HashSet};

use blegram_domain::{
    Conversation, ConversationId, UserId,
    conversation::{ConversationKind, Membership},
};
use blegram_persistence::{Conn, conversations, relations};

use crate::{Chat, Error, Event, Result, conversations::lock, presence::check_open};

impl Chat {
    /// Marks the messages of a conversation of `actor` as read up to `message_no`, on all devices. The mark never moves
    /// back, and never beyond the newest message. Returns the mark and the number of unread messages. Across a block,
    /// only the actor's own devices are notified.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn mark_read(&self, actor: UserId, id: ConversationId, message_no: u64) -> Result<(u64, u64)> {
        let tx = self.db.write().await?;
        let (conversation, mine) = lock(&tx, actor, id).await?;
        let now = self.clock.now();
        let read_no = message_no.min(conversation.last_message_no);
        let marked = Membership { read_no: read_no.max(mine.read_no), ..mine.clone() };
        let mut events = Vec::new();
        if marked != mine {
            conversations::update_member(&tx, &marked, now).await?;
            let members = conversations::list_members(&tx, &[id]).await?.remove(&id).unwrap_or_default();
            let mut members: Vec<UserId> = members.into_iter().map(|member| member.user).collect();
            if !is_open(&tx, &conversation, actor, &members).await? {
                members.retain(|user| *user == actor);
            }
            events.push(Event::Read { conversation: id, user: actor, read_no: marked.read_no, members });
        }
        self.commit(tx, events).await?;
        Ok((marked.read_no, marked.unread_count(conversation.last_message_no)))
    }

    /// Marks the events of up to 100 conversations as delivered to a device of `user`, each up to a `seq`. A mark never
    /// moves back, and never beyond the newest event. Skips conversations that they are not a member of, and direct
    /// ones across a block, where the mark would show the other user that a device is online. Does not count as a
    /// change for [`Chat::sync`].
    pub async fn mark_delivered(&self, user: UserId, marks: &[(ConversationId, u64)]) -> Result<()> {
        let ids: Vec<ConversationId> = marks.iter().map(|(id, _)| *id).collect();
        let mine = conversations::list_memberships(&self.db, user, &ids).await?;
        let heads = conversations::list_by_ids(&self.db, &ids).await?;
        let blocked = self.list_blocked(user, &heads).await?;
        let open = heads.into_iter().filter(|conversation| !blocked.contains(&conversation.id));
        let heads: HashMap<_, _> =
            open.map(|conversation| (conversation.id, conversation.last_seq)).collect();
        // Sorted, so that concurrent transactions lock in the same order and cannot deadlock.
        let mut advanced = BTreeMap::new();
        for (id, seq) in marks {
            let (Some(mine), Some(head)) = (mine.get(id), heads.get(id)) else { continue };
            let seq = *seq.min(head);
            if seq > mine.delivered_seq {
                let mark = advanced.entry(*id).or_insert(seq);
                *mark = seq.max(*mark);
            }
        }
        if advanced.is_empty() {
            return Ok(());
        }
        let tx = self.db.write().await?;
        let mut marked = Vec::new();
        for (id, seq) in advanced {
            if conversations::update_delivered(&tx, id, user, seq).await? {
                marked.push((id, seq));
            }
        }
        let ids: Vec<ConversationId> = marked.iter().map(|(id, _)| *id).collect();
        let mut members = conversations::list_members(&tx, &ids).await?;
        let delivered = |(id, delivered_seq)| {
            let members =
                members.remove(&id).unwrap_or_default().into_iter().map(|member| member.user).collect();
            Event::Delivered { conversation: id, user, delivered_seq, members }
        };
        let events = marked.into_iter().map(delivered).collect();
        self.commit(tx, events).await
    }

    /// The direct conversations of `all` in which a block, or an inactive account, separates `user` from the other
    /// member.
    async fn list_blocked(&self, user: UserId, all: &[Conversation]) -> Result<HashSet<ConversationId>> {
        let direct = all.iter().filter(|conversation| conversation.kind == ConversationKind::Direct);
        let direct: Vec<ConversationId> = direct.map(|conversation| conversation.id).collect();
        let members = conversations::list_members(&self.db, &direct).await?;
        let other = |id: &ConversationId| {
            let mut users = members.get(id).into_iter().flatten().map(|membership| membership.user);
            users.find(|other| *other != user)
        };
        let other_members: Vec<UserId> = direct.iter().filter_map(other).collect();
        let people = relations::list_people(&self.db, user, &other_members).await?;
        let is_visible =
            |other: UserId| people.get(&other).is_some_and(|(user, relation)| user.is_visible(*relation));
        Ok(direct.into_iter().filter(|id| !other(id).is_some_and(is_visible)).collect())
    }

    /// The number of messages that `actor` has not read, in conversations that are not muted.
    pub async fn unread_count(&self, actor: UserId) -> Result<u64> {
        Ok(conversations::count_unread(&self.db, actor).await?)
    }
}

/// Whether the other members may be notified of what `actor` does in a conversation.
async fn is_open(
    conn: &impl Conn,
    conversation: &Conversation,
    actor: UserId,
    members: &[UserId],
) -> Result<bool> {
    let other_members: Vec<UserId> = members.iter().copied().filter(|user| *user != actor).collect();
    match check_open(conn, conversation, actor, &other_members).await {
        Ok(()) => Ok(true),
        Err(Error::Blocked | Error::CannotWrite | Error::RecipientDeleted) => Ok(false),
        Err(error) => Err(error),
    }
}
