use blegram_domain::{Session, SessionId, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "sessions";

/// The SHA-256 hash of a token.
pub type TokenHash = [u8; 32];

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub kind: String,
    pub token_hash: Option<Vec<u8>>,
    pub device_name: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: i64,
    pub last_seen_at: i64,
    pub expires_at: i64,
    pub network: Option<Vec<u8>>,
    pub address: Option<String>,
    pub authenticated_at: i64,
    pub provider: Option<String>,
    pub login_code: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::UserId", to = "super::user::Column::Id")]
    User,
}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Session {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            kind: row.kind.parse().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            device_name: row.device_name,
            user_agent: row.user_agent,
            address: row.address,
            provider: row
                .provider
                .map(|id| id.parse())
                .transpose()
                .map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            last_seen_at: timestamp(TABLE, row.id, row.last_seen_at)?,
            expires_at: timestamp(TABLE, row.id, row.expires_at)?,
        })
    }
}
