use blegram_domain::{ClientId, ConversationId, Message, MessageId, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, media::MediaIds, timestamp, upload::from_hex};
use crate::{Error, Result};

const TABLE: &str = "messages";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub seq: i64,
    pub message_no: i64,
    pub sender_id: Option<Uuid>,
    pub client_id: Uuid,
    pub fingerprint: String,
    pub text: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub media: MediaIds,
    pub reply_to: Option<Uuid>,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Message {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let instant = |micros: Option<i64>| micros.map(|at| timestamp(TABLE, row.id, at)).transpose();
        Ok(Self {
            id: MessageId::from_uuid(row.id),
            conversation: ConversationId::from_uuid(row.conversation_id),
            seq: count(TABLE, row.id, row.seq)?,
            message_no: count(TABLE, row.id, row.message_no)?,
            sender: row.sender_id.map(UserId::from_uuid),
            client_id: ClientId::from_uuid(row.client_id),
            fingerprint: from_hex(&row.fingerprint)
                .ok_or_else(|| Error::corrupt(TABLE, row.id, "not a SHA-256"))?,
            reply_to: row.reply_to.map(MessageId::from_uuid),
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            edited_at: instant(row.edited_at)?,
            deleted_at: instant(row.deleted_at)?,
            version: count(TABLE, row.id, row.version)?,
            media: row.media.into(),
            text: row.text,
        })
    }
}
