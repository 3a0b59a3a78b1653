use blegram_domain::SessionId;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{page::PageSchema, schema::Time};

/// A login of yours.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Session {
    id: Uuid,
    /// `browser` or `native`. New kinds may come.
    kind: String,
    /// What you called the device.
    device_name: Option<String>,
    /// What the device called itself when it logged in.
    user_agent: Option<String>,
    /// When it logged in.
    created_at: Time,
    /// When it was last used, to the minute.
    last_seen_at: Time,
    /// Whether it is the one that asks.
    is_current: bool,
}

impl Session {
    pub(crate) fn new(session: blegram_domain::Session, current: SessionId) -> Self {
        Self {
            id: session.id.as_uuid(),
            kind: session.kind.as_str().to_owned(),
            device_name: session.device_name,
            user_agent: session.user_agent,
            created_at: session.created_at.into(),
            last_seen_at: session.last_seen_at.into(),
            is_current: session.id == current,
        }
    }
}

/// A page of logins.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SessionPage {
    items: Vec<Session>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
    prev_cursor: Option<String>,
}

impl PageSchema for SessionPage {
    type Item = Session;

    fn new(items: Vec<Session>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}
