use blegram_domain::{
    RecentSearchId,
    search::{Kind, RecentSearch},
};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "recent_searches";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "recent_searches")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub kind: String,
    pub query: String,
    pub searched_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for RecentSearch {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: RecentSearchId::from_uuid(row.id),
            kind: row.kind.parse::<Kind>().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            searched_at: timestamp(TABLE, row.id, row.searched_at)?,
            query: row.query,
        })
    }
}
