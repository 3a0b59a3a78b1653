use blegram_domain::{Comment, CommentId, PostId, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, post::Mentions, timestamp};
use crate::{Error, Result};

const TABLE: &str = "comments";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "comments")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub post_id: Uuid,
    pub parent_id: Option<Uuid>,
    pub author_id: Option<Uuid>,
    pub text: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub mentions: Mentions,
    pub like_count: i64,
    pub reply_count: i64,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Comment {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: CommentId::from_uuid(row.id),
            post: PostId::from_uuid(row.post_id),
            parent: row.parent_id.map(CommentId::from_uuid),
            author: row.author_id.map(UserId::from_uuid),
            mentions: row.mentions.0.iter().copied().map(UserId::from_uuid).collect(),
            like_count: count(TABLE, row.id, row.like_count)?,
            reply_count: count(TABLE, row.id, row.reply_count)?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            edited_at: row.edited_at.map(|at| timestamp(TABLE, row.id, at)).transpose()?,
            deleted_at: row.deleted_at.map(|at| timestamp(TABLE, row.id, at)).transpose()?,
            version: count(TABLE, row.id, row.version)?,
            text: row.text,
        })
    }
}
