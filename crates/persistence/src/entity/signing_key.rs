use blegram_domain::Timestamp;
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use super::timestamp;
use crate::{Error, Result};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub public_key: Vec<u8>,
    pub sealed_key: Vec<u8>,
    pub created_at: i64,
    pub signs_from: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The key id (`kid`).
    pub id: String,
    /// The uncompressed point on the curve (SEC 1).
    pub public_key: Vec<u8>,
    /// The private key, encrypted with a key that is not in the database.
    pub sealed_key: Vec<u8>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// When it starts to sign: later than its creation, so that verifiers have fetched it by then.
    pub signs_from: Timestamp,
}

impl TryFrom<Model> for SigningKey {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            created_at: timestamp("signing_keys", &row.id, row.created_at)?,
            signs_from: timestamp("signing_keys", &row.id, row.signs_from)?,
            id: row.id,
            public_key: row.public_key,
            sealed_key: row.sealed_key,
        })
    }
}
