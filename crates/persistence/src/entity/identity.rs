use blegram_domain::{Identity, IdentityKey, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "identities";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub user_id: Uuid,
    pub alternate_subject: Option<String>,
    pub display_name: Option<String>,
    pub linked_at: i64,
    pub last_login_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Identity {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let provider = row.provider.parse().map_err(|e| Error::corrupt(TABLE, row.user_id, e))?;
        Ok(Self {
            key: IdentityKey { provider, subject: row.subject },
            user: UserId::from_uuid(row.user_id),
            alternate_subject: row.alternate_subject,
            display_name: row.display_name,
            linked_at: timestamp(TABLE, row.user_id, row.linked_at)?,
            last_login_at: row.last_login_at.map(|at| timestamp(TABLE, row.user_id, at)).transpose()?,
        })
    }
}
