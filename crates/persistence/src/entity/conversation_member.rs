use blegram_domain::{ConversationId, UserId, conversation::Membership};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "conversation_members";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "conversation_members")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    pub joined_at: i64,
    pub since_seq: i64,
    pub since_no: i64,
    pub read_no: i64,
    pub delivered_seq: i64,
    pub hidden_no: Option<i64>,
    pub is_muted: bool,
    pub left_at: Option<i64>,
    pub updated_at: i64,
    pub changed_no: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Membership {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let id = row.conversation_id;
        Ok(Self {
            conversation: ConversationId::from_uuid(row.conversation_id),
            user: UserId::from_uuid(row.user_id),
            joined_at: timestamp(TABLE, id, row.joined_at)?,
            since_seq: count(TABLE, id, row.since_seq)?,
            since_no: count(TABLE, id, row.since_no)?,
            read_no: count(TABLE, id, row.read_no)?,
            delivered_seq: count(TABLE, id, row.delivered_seq)?,
            hidden_no: row.hidden_no.map(|no| count(TABLE, id, no)).transpose()?,
            is_muted: row.is_muted,
        })
    }
}
