use blegram_domain::{Revision, RevisionId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{media::MediaIds, timestamp};
use crate::{Error, Result};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "revisions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub post_id: Option<Uuid>,
    pub comment_id: Option<Uuid>,
    pub text: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub media: MediaIds,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Revision {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: RevisionId::from_uuid(row.id),
            text: row.text,
            media: row.media.into(),
            created_at: timestamp("revisions", row.id, row.created_at)?,
        })
    }
}
