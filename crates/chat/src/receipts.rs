//! What was read, and what devices have got.

use std::collections::{BTreeMap, HashMap};

use blegram_domain::{ConversationId, UserId, conversation::Membership};
use blegram_persistence::conversations;

use crate::{Chat, Event, Result, conversations::hold};

impl Chat {
    /// Marks the messages of a conversation of `actor` as read up to `message_no`, on every device. Never goes back; beyond
    /// the newest it ends there. Says how far that is, and how many are unread.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn mark_read(&self, actor: UserId, id: ConversationId, message_no: u64) -> Result<(u64, u64)> {
        let tx = self.db.write().await?;
        let (conversation, mine) = hold(&tx, actor, id).await?;
        let now = self.clock.now();
        let read_no = message_no.min(conversation.last_message_no);
        let marked = Membership { read_no: read_no.max(mine.read_no), ..mine.clone() };
        if marked != mine {
            conversations::update_member(&tx, &marked, now).await?;
            let members = conversations::list_members(&tx, &[id]).await?.remove(&id).unwrap_or_default();
            let members = members.into_iter().map(|it| it.user).collect();
            let read = Event::Read { conversation: id, user: actor, read_no: marked.read_no, members };
            self.commit(tx, vec![read]).await?;
        }
        Ok((marked.read_no, marked.unread_count(conversation.last_message_no)))
    }

    /// Marks what happened in up to 100 conversations as got by a device of `user`, each up to a `seq`. Never goes back; beyond
    /// the newest it ends there. Conversations that they are not in are left out. For sync nothing changes with it.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn mark_delivered(&self, user: UserId, marks: &[(ConversationId, u64)]) -> Result<()> {
        let ids: Vec<ConversationId> = marks.iter().map(|(id, _)| *id).collect();
        let mine = conversations::list_memberships(&self.db, user, &ids).await?;
        let heads = conversations::list_by_ids(&self.db, &ids).await?;
        let heads: HashMap<_, _> = heads.into_iter().map(|it| (it.id, it.last_seq)).collect();
        // In one order everywhere, so that no two wait for each other.
        let mut further = BTreeMap::new();
        for (id, seq) in marks {
            let (Some(mine), Some(head)) = (mine.get(id), heads.get(id)) else { continue };
            let seq = *seq.min(head);
            if seq > mine.delivered_seq {
                let mark = further.entry(*id).or_insert(seq);
                *mark = seq.max(*mark);
            }
        }
        if further.is_empty() {
            return Ok(());
        }
        let tx = self.db.write().await?;
        let mut marked = Vec::new();
        for (id, seq) in further {
            if conversations::update_delivered(&tx, id, user, seq).await? {
                marked.push((id, seq));
            }
        }
        let ids: Vec<ConversationId> = marked.iter().map(|(id, _)| *id).collect();
        let mut members = conversations::list_members(&tx, &ids).await?;
        let delivered = |(id, delivered_seq)| {
            let members = members.remove(&id).unwrap_or_default().into_iter().map(|it| it.user).collect();
            Event::Delivered { conversation: id, user, delivered_seq, members }
        };
        let events = marked.into_iter().map(delivered).collect();
        self.commit(tx, events).await
    }

    /// How many messages `actor` has not read, in conversations that are not muted.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn unread_count(&self, actor: UserId) -> Result<u64> {
        Ok(conversations::count_unread(&self.db, actor).await?)
    }
}
