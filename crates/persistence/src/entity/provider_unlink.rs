use blegram_domain::{IdentityKey, Timestamp, UnlinkId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "provider_unlinks";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "provider_unlinks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub provider: String,
    pub subject: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The link of a deleted account to an identity, to be ended at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUnlink {
    /// The id, which is also the subject of its job.
    pub id: UnlinkId,
    /// The identity.
    pub key: IdentityKey,
    /// When the account was deleted.
    pub created_at: Timestamp,
}

impl TryFrom<Model> for ProviderUnlink {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let provider = row.provider.parse().map_err(|e| Error::corrupt(TABLE, row.id, e))?;
        Ok(Self {
            id: UnlinkId::from_uuid(row.id),
            key: IdentityKey { provider, subject: row.subject },
            created_at: timestamp(TABLE, row.id, row.created_at)?,
        })
    }
}
