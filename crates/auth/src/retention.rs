//! Deletion of expired rows. Every table that grows with use is listed here, or is bounded in another way.
//!
//! | Rows | Retention |
//! |---|---|
//! | refresh tokens | until they expire; consumed ones for a week, as long as their session refreshes |
//! | sessions | until they expire by age or idleness |
//! | tickets for gateway connections | [`crate::ticket::LIFETIME`] |
//! | logins whose second step is missing | [`crate::second_factor::LIFETIME`] |
//! | passkey ceremonies | [`crate::passkey::CEREMONY_LIFETIME`] |
//! | authenticator apps whose setup is not complete | [`crate::totp::SETUP_LIFETIME`] |
//! | logins with other providers | [`crate::external_login::LIFETIME`]; sign-ups that wait for a username half an hour |
//! | codes of native apps | [`crate::authorization_code::LIFETIME`] |
//! | idempotency keys | [`crate::idempotency::RESPONSE_RETENTION`] |
//! | tokens in mails | [`TokenPurpose::lifetime`](blegram_domain::mail::TokenPurpose::lifetime) |
//! | mails | until they are sent, or [`LONGEST_WAIT`] |
//! | former usernames | [`crate::deletion::NAME_RESERVED_FOR`] |
//! | the audit log | [`crate::audit::RETENTION`] |
//! | signing keys | until no valid token needs them: [`crate::signing_key::RETENTION_AFTER_SUCCESSION`] |

use std::time::Duration;

use blegram_domain::Timestamp;
use blegram_persistence::{
    audit_events, email_tokens, factors, gateway_tickets, idempotency_keys, login_challenges, login_codes,
    login_transactions, mails, passkey_ceremonies, pending_sign_ups, refresh_tokens, reserved_usernames,
    sessions,
};

use crate::{Auth, Result, audit, idempotency::RESPONSE_RETENTION, totp::SETUP_LIFETIME};

/// The largest number of rows that a transaction deletes, so that it does not block SQLite's only writer for long.
pub(crate) const BATCH: u64 = 500;

/// The age of a mail that no job can be about to send any more: its job gives it up before.
pub const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Auth {
    /// Deletes a batch of expired rows at `now`, a checked time; returns whether there may be more.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<bool> {
        self.keys.delete_expired(now).await?;
        let tx = self.db.write().await?;
        // Tokens and tickets before their sessions: deleting a session cascades to any number of them.
        let mut deleted = refresh_tokens::delete_expired(&tx, now, BATCH).await?;
        if deleted < BATCH {
            deleted += gateway_tickets::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += login_challenges::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += passkey_ceremonies::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += factors::delete_pending(&tx, now - SETUP_LIFETIME, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += login_transactions::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += pending_sign_ups::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += login_codes::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            let idle = self.idle_since(now);
            deleted += sessions::delete_expired(&tx, now, idle, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted +=
                idempotency_keys::delete_older_than(&tx, now - RESPONSE_RETENTION, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += reserved_usernames::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += audit_events::delete_older_than(&tx, now - audit::RETENTION, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += email_tokens::delete_expired(&tx, now, BATCH - deleted).await?;
        }
        if deleted < BATCH {
            deleted += mails::delete_older_than(&tx, now - LONGEST_WAIT, BATCH - deleted).await?;
        }
        tx.commit().await?;
        Ok(deleted == BATCH)
    }
}
