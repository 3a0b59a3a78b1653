//! Removing what a deleted account wrote.

use blegram_domain::UserId;
use blegram_persistence::{post_hashtags, post_revisions, posts};

use crate::{Result, Social};

/// How many rows a transaction removes at most: SQLite's only writer must not be held.
const BATCH: u64 = 500;

impl Social {
    /// Removes some of what `user` wrote, whose account is deleted; says whether there may be more.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn erase_posts(&self, user: UserId) -> Result<bool> {
        let tx = self.db.write().await?;
        // What belongs to posts first, or removing a post would remove any number of rows with it.
        let mut removed = post_revisions::delete_of_author(&tx, user, BATCH).await?;
        if removed < BATCH {
            removed += post_hashtags::delete_of_author(&tx, user, BATCH - removed).await?;
        }
        if removed < BATCH {
            removed += posts::delete_of_author(&tx, user, BATCH - removed).await?;
        }
        tx.commit().await?;
        Ok(removed == BATCH)
    }
}
