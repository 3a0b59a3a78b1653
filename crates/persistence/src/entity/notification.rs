use blegram_domain::{CommentId, Notice, NoticeKind, Notification, NotificationId, PostId, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "notifications";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub kind: String,
    pub actor_id: Uuid,
    pub post_id: Option<Uuid>,
    pub comment_id: Option<Uuid>,
    pub object_id: Uuid,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Notification {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: NotificationId::from_uuid(row.id),
            notice: Notice {
                recipient: UserId::from_uuid(row.user_id),
                kind: row.kind.parse::<NoticeKind>().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
                actor: UserId::from_uuid(row.actor_id),
                post: row.post_id.map(PostId::from_uuid),
                comment: row.comment_id.map(CommentId::from_uuid),
            },
            created_at: timestamp(TABLE, row.id, row.created_at)?,
        })
    }
}
