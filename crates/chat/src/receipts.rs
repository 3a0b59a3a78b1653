//! What was read.

use blegram_domain::{ConversationId, UserId, conversation::Membership};
use blegram_persistence::conversations;

use crate::{Chat, Result, conversations::hold};

impl Chat {
    /// Marks the messages of a conversation of `actor` as read up to `message_no`, on every device. Never goes back; beyond
    /// the newest it ends there. Says how far that is, and how many are unread.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn mark_read(&self, actor: UserId, id: ConversationId, message_no: u64) -> Result<(u64, u64)> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let (conversation, mine) = hold(&tx, actor, id).await?;
        let read_no = message_no.min(conversation.last_message_no);
        let marked = Membership { read_no: read_no.max(mine.read_no), ..mine.clone() };
        if marked != mine {
            conversations::update_member(&tx, &marked, now).await?;
            tx.commit().await?;
        }
        Ok((marked.read_no, marked.unread_count(conversation.last_message_no)))
    }

    /// How many messages `actor` has not read, in conversations that are not muted.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn unread_count(&self, actor: UserId) -> Result<u64> {
        Ok(conversations::count_unread(&self.db, actor).await?)
    }
}
