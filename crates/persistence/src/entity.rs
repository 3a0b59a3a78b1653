//! SeaORM entities for the tables, and their conversion to domain types. Private to this crate.

pub(crate) mod audit_event;
pub(crate) mod avatar_import;
pub(crate) mod clock_state;
pub(crate) mod comment;
pub(crate) mod conversation;
pub(crate) mod conversation_event;
pub(crate) mod conversation_member;
pub(crate) mod email_token;
pub(crate) mod factor;
pub(crate) mod gateway_ticket;
pub(crate) mod hashtag;
pub(crate) mod idempotency_key;
pub(crate) mod identity;
pub(crate) mod job;
pub(crate) mod login_challenge;
pub(crate) mod login_code;
pub(crate) mod login_transaction;
pub(crate) mod mail;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod notification;
pub(crate) mod pair;
pub(crate) mod passkey_ceremony;
pub(crate) mod pending_sign_up;
pub(crate) mod post;
pub(crate) mod post_hashtag;
pub(crate) mod provider_unlink;
pub(crate) mod recent_search;
pub(crate) mod recovery_code;
pub(crate) mod refresh_token;
pub(crate) mod report;
pub(crate) mod reserved_username;
pub(crate) mod revision;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod storage_marker;
pub(crate) mod upload;
pub(crate) mod user;

use blegram_domain::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::{Error, Result};

/// Converts a stored instant of `table`.
pub(crate) fn timestamp(table: &'static str, id: impl ToString, micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).ok_or_else(|| Error::corrupt(table, id, format!("invalid time {micros}")))
}

/// Converts a stored count of `table`.
pub(crate) fn count(table: &'static str, id: impl ToString, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::corrupt(table, id, format!("invalid count {value}")))
}

/// Reads a boolean that SQL wrote as a JSON number. SQLite has no others.
pub(crate) fn flag<'de, D: Deserializer<'de>>(number: D) -> Result<bool, D::Error> {
    Ok(u8::deserialize(number)? != 0)
}
