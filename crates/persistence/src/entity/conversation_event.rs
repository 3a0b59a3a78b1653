use blegram_domain::{
    ConversationEvent, ConversationId, MessageId, UserId, conversation::ConversationEventKind,
};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result, sql};

const TABLE: &str = "conversation_events";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "conversation_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub kind: String,
    pub message_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub by_id: Option<Uuid>,
    pub title: Option<String>,
    pub created_at: i64,
    pub changed_no: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&ConversationEvent> for Model {
    fn from(event: &ConversationEvent) -> Self {
        let bare = Self {
            conversation_id: event.conversation.as_uuid(),
            seq: sql::signed(event.seq),
            kind: event.kind.as_str().to_owned(),
            message_id: None,
            user_id: None,
            by_id: None,
            title: None,
            created_at: event.at.as_micros(),
            changed_no: 0,
        };
        match &event.kind {
            ConversationEventKind::MessageCreated(id)
            | ConversationEventKind::MessageEdited(id)
            | ConversationEventKind::MessageDeleted(id) => Self { message_id: Some(id.as_uuid()), ..bare },
            ConversationEventKind::MemberJoined { user, by }
            | ConversationEventKind::MemberLeft { user, by } => {
                Self { user_id: user.map(UserId::as_uuid), by_id: by.map(UserId::as_uuid), ..bare }
            }
            ConversationEventKind::Updated { title, owner } => {
                Self { title: title.clone(), user_id: owner.map(UserId::as_uuid), ..bare }
            }
        }
    }
}

impl TryFrom<Model> for ConversationEvent {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt =
            || Error::corrupt(TABLE, row.conversation_id, format!("{} without its subject", row.kind));
        let message = || row.message_id.map(MessageId::from_uuid).ok_or_else(corrupt);
        let user = row.user_id.map(UserId::from_uuid);
        let by = row.by_id.map(UserId::from_uuid);
        Ok(Self {
            conversation: ConversationId::from_uuid(row.conversation_id),
            seq: count(TABLE, row.conversation_id, row.seq)?,
            kind: match row.kind.as_str() {
                "message.created" => ConversationEventKind::MessageCreated(message()?),
                "message.edited" => ConversationEventKind::MessageEdited(message()?),
                "message.deleted" => ConversationEventKind::MessageDeleted(message()?),
                "member.joined" => ConversationEventKind::MemberJoined { user, by },
                "member.left" => ConversationEventKind::MemberLeft { user, by },
                "conversation.updated" => ConversationEventKind::Updated {
                    title: row.title.clone(),
                    owner: row.user_id.map(UserId::from_uuid),
                },
                other => {
                    let reason = format!("{other} is not a kind of event");
                    return Err(Error::corrupt(TABLE, row.conversation_id, reason));
                }
            },
            at: timestamp(TABLE, row.conversation_id, row.created_at)?,
        })
    }
}
