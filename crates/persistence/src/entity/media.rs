use blegram_domain::{
    Media, MediaId, MediaKey, MessageId, PostId, UserId,
    media::{MediaUse, ParseMediaKeyError, Variant, VariantName},
};
use sea_orm::{
    FromJsonQueryResult,
    entity::prelude::{
        ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
        PrimaryKeyTrait, Uuid,
    },
};
use serde::{Deserialize, Serialize};

use super::{count, flag, timestamp};
use crate::{Error, Result, sql};

const TABLE: &str = "media";

/// A post's images are also read from JSON arrays, in the order of the fields, without those that follow from the post.
#[derive(Clone, Debug, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "media")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub key: String,
    #[serde(deserialize_with = "flag")]
    pub is_public: bool,
    /// Read by nodes of the previous version; always equal to `is_public`.
    #[serde(skip)]
    pub is_linked: bool,
    pub previous_key: Option<String>,
    pub blurhash: String,
    pub alt: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub variants: Variants,
    #[serde(skip)]
    pub post_id: Option<Uuid>,
    #[serde(skip)]
    pub message_id: Option<Uuid>,
    #[serde(skip)]
    pub is_avatar: bool,
    pub created_at: i64,
    pub version: i64,
    #[serde(skip)]
    pub deleted_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(crate) struct Variants(pub Vec<StoredVariant>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredVariant {
    name: String,
    width: u32,
    height: u32,
    byte_size: u64,
}

/// An ordered list of image ids, stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(crate) struct MediaIds(pub Vec<Uuid>);

impl From<&[MediaId]> for MediaIds {
    fn from(ids: &[MediaId]) -> Self {
        Self(ids.iter().map(|id| id.as_uuid()).collect())
    }
}

impl From<MediaIds> for Vec<MediaId> {
    fn from(MediaIds(ids): MediaIds) -> Self {
        ids.into_iter().map(MediaId::from_uuid).collect()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Media> for Model {
    fn from(media: &Media) -> Self {
        let stored = |variant: &Variant| StoredVariant {
            name: variant.name.as_str().to_owned(),
            width: variant.width,
            height: variant.height,
            byte_size: variant.byte_size,
        };
        Self {
            id: media.id.as_uuid(),
            owner_id: media.owner.as_uuid(),
            key: media.key.to_string(),
            is_public: media.key.is_public(),
            is_linked: media.key.is_public(),
            previous_key: media.previous_key.map(|key| key.to_string()),
            blurhash: media.blurhash.clone(),
            alt: media.alt.clone(),
            variants: Variants(media.variants.iter().map(stored).collect()),
            post_id: match media.used {
                Some(MediaUse::Post(post)) => Some(post.as_uuid()),
                Some(MediaUse::Message(_) | MediaUse::Avatar) | None => None,
            },
            message_id: match media.used {
                Some(MediaUse::Message(message)) => Some(message.as_uuid()),
                Some(MediaUse::Post(_) | MediaUse::Avatar) | None => None,
            },
            is_avatar: media.used == Some(MediaUse::Avatar),
            created_at: media.created_at.as_micros(),
            version: sql::signed(media.version),
            deleted_at: None,
        }
    }
}

impl TryFrom<Model> for Media {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        let variant = |stored: &StoredVariant| {
            Ok(Variant {
                name: stored.name.parse::<VariantName>().map_err(|e| corrupt(&e))?,
                width: stored.width,
                height: stored.height,
                byte_size: stored.byte_size,
            })
        };
        Ok(Self {
            id: MediaId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner_id),
            key: row.key.parse::<MediaKey>().map_err(|e| corrupt(&e))?,
            variants: row.variants.0.iter().map(variant).collect::<Result<_>>()?,
            used: match (row.post_id, row.message_id) {
                (Some(post), _) => Some(MediaUse::Post(PostId::from_uuid(post))),
                (None, Some(message)) => Some(MediaUse::Message(MessageId::from_uuid(message))),
                (None, None) => row.is_avatar.then_some(MediaUse::Avatar),
            },
            previous_key: row
                .previous_key
                .map(|key| key.parse().map_err(|e: ParseMediaKeyError| corrupt(&e)))
                .transpose()?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            version: count(TABLE, row.id, row.version)?,
            blurhash: row.blurhash,
            alt: row.alt,
        })
    }
}
