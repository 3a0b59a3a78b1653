use blegram_domain::{SessionId, Timestamp};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "gateway_tickets";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_tickets")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub session_id: Uuid,
    pub origin: Option<String>,
    pub credential_expires_at: i64,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The session that it authenticates.
    pub session: SessionId,
    /// The web origin that requested it; `None` for an app.
    pub origin: Option<String>,
    /// The expiry of the credential that it was requested with.
    pub credential_expires_at: Timestamp,
    /// The expiry of the ticket.
    pub expires_at: Timestamp,
}

impl TryFrom<Model> for Ticket {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let id = row.session_id;
        Ok(Self {
            session: SessionId::from_uuid(id),
            credential_expires_at: timestamp(TABLE, id, row.credential_expires_at)?,
            expires_at: timestamp(TABLE, id, row.expires_at)?,
            origin: row.origin,
        })
    }
}
