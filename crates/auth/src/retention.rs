//! Forgetting what counts no more. Whatever grows with use has its place here, or is bounded by itself.
//!
//! | Rows | Kept |
//! |---|---|
//! | refresh tokens | until they expire; used ones for a week, as long as their session refreshes |
//! | sessions | until they are over, by age or by not being used |
//! | tickets for live connections | [`crate::ticket::LIFETIME`] |
//! | idempotency keys | [`crate::idempotency::KEPT`] |
//! | names that accounts had | [`crate::deletion::NAME_KEPT`] |
//! | signing keys | until no token needs them: [`crate::signing_key::KEPT_AFTER`] |

use blegram_domain::Timestamp;
use blegram_persistence::{gateway_tickets, idempotency_keys, refresh_tokens, reserved_usernames, sessions};

use crate::{Auth, Result, idempotency::KEPT};

/// How many rows a transaction removes at most: SQLite's only writer must not be held.
pub(crate) const BATCH: u64 = 500;

impl Auth {
    /// Forgets some of what counts no more at `now`, a time that was checked; says whether there may be more.
    pub async fn forget_old(&self, now: Timestamp) -> Result<bool> {
        self.keys.forget_outlived(now).await?;
        let tx = self.db.write().await?;
        // Tokens and tickets before their sessions, which would take any number of them along.
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
