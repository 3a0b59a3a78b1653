use blegram_domain::{Conversation, ConversationId, MessageId, UserId, conversation::ConversationKind};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "conversations";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "conversations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub title: Option<String>,
    pub owner_id: Option<Uuid>,
    pub pair_low: Option<Uuid>,
    pub pair_high: Option<Uuid>,
    pub last_seq: i64,
    pub last_message_no: i64,
    pub last_message_id: Option<Uuid>,
    pub activity_id: Uuid,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
    pub changed_no: i64,
    pub begun_no: i64,
    pub activity_no: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Conversation {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: ConversationId::from_uuid(row.id),
            kind: row.kind.parse::<ConversationKind>().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            owner: row.owner_id.map(UserId::from_uuid),
            last_seq: count(TABLE, row.id, row.last_seq)?,
            last_message_no: count(TABLE, row.id, row.last_message_no)?,
            last_message: row.last_message_id.map(MessageId::from_uuid),
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            version: count(TABLE, row.id, row.version)?,
            title: row.title,
        })
    }
}
