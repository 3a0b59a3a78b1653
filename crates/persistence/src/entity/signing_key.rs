use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use super::timestamp;
use crate::{Error, Result, signing_keys::SigningKey};

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
