use blegram_domain::{ProviderId, Timestamp, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "avatar_imports";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "avatar_imports")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    pub provider: String,
    pub url: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A profile picture at a provider, to become the avatar of a new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarImport {
    /// The account.
    pub user: UserId,
    /// The provider.
    pub provider: ProviderId,
    /// The address of the picture.
    pub url: String,
    /// When the account was created.
    pub created_at: Timestamp,
}

impl TryFrom<Model> for AvatarImport {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            user: UserId::from_uuid(row.user_id),
            provider: row.provider.parse().map_err(|e| Error::corrupt(TABLE, row.user_id, e))?,
            created_at: timestamp(TABLE, row.user_id, row.created_at)?,
            url: row.url,
        })
    }
}
