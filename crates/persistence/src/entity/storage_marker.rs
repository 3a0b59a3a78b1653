use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "storage_marker")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub marker: String,
    pub is_written: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The marker of the image storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageMarker {
    /// The content that the marker file in the storage must have.
    pub marker: String,
    /// Whether the storage was seen with this marker. Until then, every node may write it.
    pub is_written: bool,
}

impl From<Model> for StorageMarker {
    fn from(row: Model) -> Self {
        Self { marker: row.marker, is_written: row.is_written }
    }
}
