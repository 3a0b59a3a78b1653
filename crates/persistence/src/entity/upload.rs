use blegram_domain::{
    MediaId, UploadId, UserId,
    media::{ImageType, Upload},
};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "uploads";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "uploads")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub content_type: String,
    pub byte_size: i64,
    pub sha256: Option<String>,
    pub created_at: i64,
    pub media_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Upload {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        let sha256 = row.sha256.as_deref().map(|hex| from_hex(hex).ok_or_else(|| corrupt(&"not a SHA-256")));
        Ok(Self {
            id: UploadId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner_id),
            content_type: row.content_type.parse::<ImageType>().map_err(|e| corrupt(&e))?,
            byte_size: count(TABLE, row.id, row.byte_size)?,
            sha256: sha256.transpose()?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            media: row.media_id.map(MediaId::from_uuid),
        })
    }
}

/// Encodes a hash as it is stored.
pub(crate) fn to_hex(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes a stored hash.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
