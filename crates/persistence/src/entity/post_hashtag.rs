use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "post_hashtags")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hashtag: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub post_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
