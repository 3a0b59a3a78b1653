//! Deletion of expired rows. Every table that grows with use is listed here, or is bounded in another way.
//!
//! | Rows | Retention |
//! |---|---|
//! | refresh tokens | until they expire; consumed ones for a week, as long as their session refreshes |
//! | sessions | until they expire by age or idleness |
//! | tickets for gateway connections | [`crate::ticket::LIFETIME`] |
//! | idempotency keys | [`crate::idempotency::KEPT`] |
//! | former usernames | [`crate::deletion::NAME_KEPT`] |
//! | signing keys | until no valid token needs them: [`crate::signing_key::KEPT_AFTER`] |

use blegram_domain::Timestamp;
use blegram_persistence::{gateway_tickets, idempotency_keys, refresh_tokens, reserved_usernames, sessions};

use crate::{Auth, Result, idempotency::KEPT};

/// The largest number of rows that a transaction deletes, so that it does not block SQLite's only writer for long.
pub(crate) const BATCH: u64 = 500;

impl Auth {
    /// Deletes a batch of expired rows at `now`, a checked time; returns whether there may be more.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<bool> {
        self.keys.delete_expired(now).await?;
        let tx = self.db.write().await?;
        // Tokens and tickets before their sessions: deleting a session cascades to any number of them.
        let mut forgotten = refresh_tokens::delete_expired(&tx, now, BATCH).await?;
        if forgotten < BATCH {
            forgotten += gateway_tickets::delete_expired(&tx, now, BATCH - forgotten).await?;
        }
        if forgotten < BATCH {
            let idle = self.idle_since(now);
            forgotten += sessions::delete_over(&tx, now, idle, BATCH - forgotten).await?;
        }
        if forgotten < BATCH {
            forgotten += idempotency_keys::delete_older_than(&tx, now - KEPT, BATCH - forgotten).await?;
        }
        if forgotten < BATCH {
            forgotten += reserved_usernames::delete_expired(&tx, now, BATCH - forgotten).await?;
        }
        tx.commit().await?;
        Ok(forgotten == BATCH)
    }
}
