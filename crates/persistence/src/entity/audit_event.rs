use blegram_domain::{AuditEvent, AuditEventId, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "audit_events";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub actor_id: Option<Uuid>,
    pub target_id: Option<Uuid>,
    pub address: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for AuditEvent {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let address = row.address.map(|address| address.parse()).transpose();
        Ok(Self {
            id: AuditEventId::from_uuid(row.id),
            kind: row.kind.parse().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            actor: row.actor_id.map(UserId::from_uuid),
            target: row.target_id.map(UserId::from_uuid),
            address: address.map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            at: timestamp(TABLE, row.id, row.created_at)?,
        })
    }
}
