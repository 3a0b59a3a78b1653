use blegram_domain::{Hashtag, Post, PostId, UserId, Visibility};
use sea_orm::{
    ColumnTrait, FromJsonQueryResult, QueryFilter, QuerySelect, QueryTrait,
    entity::prelude::{
        ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
        PrimaryKeyTrait, Uuid,
    },
    sea_query::SelectStatement,
};
use serde::{Deserialize, Serialize};

use super::{count, media::MediaIds, timestamp};
use crate::{Error, Result};

const TABLE: &str = "posts";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "posts")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub author_id: Uuid,
    pub text: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub media: MediaIds,
    #[sea_orm(column_type = "JsonBinary")]
    pub hashtags: Hashtags,
    #[sea_orm(column_type = "JsonBinary")]
    pub mentions: Mentions,
    pub visibility: String,
    pub like_count: i64,
    pub comment_count: i64,
    pub created_at: i64,
    pub edited_at: Option<i64>,
    pub version: i64,
    pub deleted_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(crate) struct Hashtags(pub Vec<String>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(crate) struct Mentions(pub Vec<Uuid>);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Post {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: PostId::from_uuid(row.id),
            author: UserId::from_uuid(row.author_id),
            media: row.media.into(),
            hashtags: row.hashtags.0.into_iter().map(Hashtag::from_stored).collect(),
            mentions: row.mentions.0.iter().copied().map(UserId::from_uuid).collect(),
            visibility: row.visibility.parse::<Visibility>().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            like_count: count(TABLE, row.id, row.like_count)?,
            comment_count: count(TABLE, row.id, row.comment_count)?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            edited_at: row.edited_at.map(|at| timestamp(TABLE, row.id, at)).transpose()?,
            version: count(TABLE, row.id, row.version)?,
            text: row.text,
        })
    }
}

/// Posts that are being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// One post that is marked as deleted.
    One(PostId),
    /// All posts of a deleted account.
    Of(UserId),
}

impl Removed {
    pub(crate) fn ids(self) -> SelectStatement {
        let posts = Entity::find().select_only().column(Column::Id);
        match self {
            Self::One(post) => {
                posts.filter(Column::Id.eq(post.as_uuid())).filter(Column::DeletedAt.is_not_null())
            }
            Self::Of(author) => posts.filter(Column::AuthorId.eq(author.as_uuid())),
        }
        .into_query()
    }
}
