//! Removes the data of deleted accounts and conversations in the background.
//!
//! Each call runs one bounded transaction, so that SQLite's only writer is busy for a moment at a time, and returns
//! whether the job must call it again. Every step is idempotent.

use std::time::Duration;

use blegram_domain::{ConversationId, UserId, conversation::ConversationKind};
use blegram_persistence::{conversations, messages};

use crate::{Chat, Result, event::publish, members::leave};

/// How long events are stored: 30 days. A client that missed older ones loads the conversation again.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The maximum number of rows that one transaction changes.
const BATCH: u64 = 500;

/// The maximum number of conversations that one transaction changes: each takes a handful of statements.
const CONVERSATIONS: u64 = 20;

impl Chat {
    /// Removes `user`, whose account is deleted, from a batch of their conversations, and clears the content of a batch
    /// of their messages. Returns whether more may be left. The messages keep their place in the conversation, without
    /// a sender.
    pub async fn purge_user(&self, user: UserId) -> Result<bool> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let message_ids = messages::list_ids_of_sender(&tx, user, BATCH).await?;
        messages::update_anonymized(&tx, &message_ids, now).await?;
        let ids = conversations::list_ids_of(&tx, user, CONVERSATIONS).await?;
        let mut events = Vec::new();
        for id in &ids {
            let Some(mut conversation) = conversations::lock(&tx, *id).await? else { continue };
            let is_member = conversations::find_member(&tx, *id, user).await?.is_some();
            conversations::delete_member(&tx, *id, user).await?;
            let is_direct = conversation.kind == ConversationKind::Direct;
            if is_member && !is_direct {
                let left = leave(&tx, &mut conversation, user, None, now).await?;
                events.extend(publish(&tx, &conversation, left).await?);
            }
            if is_direct {
                conversations::update_unpaired(&tx, *id).await?;
                self.purge_if_empty(&tx, *id, now).await?;
            }
        }
        let is_more = message_ids.len() as u64 == BATCH || !ids.is_empty();
        // Last, because it also covers the events of their leaving, which were added above.
        let disowned =
            if is_more { 0 } else { conversations::update_anonymized_events(&tx, user, BATCH).await? };
        self.commit(tx, events).await?;
        Ok(is_more || disowned == BATCH)
    }

    /// Removes a batch of the messages and images of a conversation without members, and finally the conversation.
    /// Returns whether more may be left.
    pub async fn purge_conversation(&self, id: ConversationId) -> Result<bool> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        if conversations::lock(&tx, id).await?.is_none() {
            return Ok(false);
        }
        let deleted = messages::delete_some(&tx, id, BATCH, now).await?;
        if deleted < BATCH {
            conversations::delete(&tx, id).await?;
        }
        tx.commit().await?;
        Ok(deleted == BATCH)
    }

    /// Deletes a batch of the events, and of the memberships that ended, more than [`RETENTION`] before `now`, which
    /// the caller has verified against clock jumps. Returns whether more may be left. Messages are not deleted.
    pub async fn delete_expired(&self, now: blegram_domain::Timestamp) -> Result<bool> {
        let before = now - RETENTION;
        let tx = self.db.write().await?;
        let deleted_events = conversations::delete_events_older_than(&tx, before, BATCH).await?;
        let deleted_memberships = conversations::delete_left_before(&tx, before, BATCH).await?;
        tx.commit().await?;
        Ok(deleted_events == BATCH || deleted_memberships == BATCH)
    }

    async fn purge_if_empty(
        &self,
        tx: &blegram_persistence::Tx,
        id: ConversationId,
        now: blegram_domain::Timestamp,
    ) -> Result<()> {
        if conversations::list_members(tx, &[id]).await?.is_empty() {
            let job = blegram_domain::Job::PurgeConversation(id);
            blegram_persistence::jobs::insert(tx, job, now, now).await?;
        }
        Ok(())
    }
}
