//! What the database has at the end.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use uuid::Uuid;

use crate::services::Postgres;

/// A stored message.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) conversation_id: Uuid,
    pub(crate) client_id: Uuid,
    pub(crate) sender_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) message_no: u64,
    /// `None` if it was deleted.
    pub(crate) text: Option<String>,
}

/// Who is a member of what, and has read how much.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Member {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) is_member: bool,
    pub(crate) read_no: u64,
}

/// A member left or joined.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MemberEvent {
    pub(crate) conversation_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) joined: bool,
}

/// The numbers of a conversation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Numbers {
    pub(crate) id: Uuid,
    pub(crate) last_seq: u64,
    pub(crate) last_message_no: u64,
    pub(crate) events: u64,
    pub(crate) messages: u64,
}

/// Everything that the checks compare with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Database {
    pub(crate) messages: Vec<Row>,
    pub(crate) members: Vec<Member>,
    pub(crate) member_events: Vec<MemberEvent>,
    pub(crate) conversations: BTreeMap<Uuid, Numbers>,
    /// Unread messages of each member, as the API answers a new client.
    pub(crate) unread: BTreeMap<(Uuid, Uuid), u64>,
}

const MESSAGES: &str = "SELECT conversation_id, client_id, sender_id, seq, message_no, \
     CASE WHEN deleted_at IS NULL THEN text END AS text FROM messages";
/// A direct conversation is hidden from a user who has left it, or got no message in it yet.
const MEMBERS: &str = "SELECT conversation_id, user_id, read_no, \
     left_at IS NULL AND (hidden_no IS NULL OR c.last_message_no > hidden_no) AS is_member \
     FROM conversation_members JOIN conversations c ON c.id = conversation_id";
const MEMBER_EVENTS: &str = "SELECT conversation_id, user_id, seq, kind = 'member.joined' AS joined \
     FROM conversation_events WHERE kind IN ('member.joined', 'member.left') ORDER BY conversation_id, seq";
const CONVERSATIONS: &str = "SELECT id, last_seq, last_message_no, \
     (SELECT count(*) FROM conversation_events e WHERE e.conversation_id = c.id) AS events, \
     (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id) AS messages FROM conversations c";

impl Database {
    pub(crate) async fn read(postgres: &Postgres) -> Result<Self> {
        let numbers: Vec<Numbers> = postgres.query(&list(CONVERSATIONS)).await?;
        Ok(Self {
            messages: postgres.query(&list(MESSAGES)).await?,
            members: postgres.query(&list(MEMBERS)).await?,
            member_events: postgres.query(&list(MEMBER_EVENTS)).await?,
            conversations: numbers.into_iter().map(|numbers| (numbers.id, numbers)).collect(),
            unread: BTreeMap::new(),
        })
    }

    pub(crate) fn is_member(&self, conversation: Uuid, user: Uuid) -> bool {
        self.members.iter().any(|member| {
            member.conversation_id == conversation && member.user_id == user && member.is_member
        })
    }
}

/// All rows of a query as one JSON array.
fn list(query: &str) -> String {
    format!("SELECT coalesce(json_agg(r), '[]') FROM ({query}) r")
}
