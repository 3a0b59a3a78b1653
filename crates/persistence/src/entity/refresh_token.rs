use blegram_domain::{SessionId, Timestamp, TokenId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{session::TokenHash, timestamp};
use crate::{Error, Result};

const TABLE: &str = "refresh_tokens";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub session_id: Uuid,
    pub token_hash: Vec<u8>,
    pub issued_at: i64,
    pub expires_at: i64,
    pub consumed_at: Option<i64>,
    pub next_id: Option<Uuid>,
    pub access_used_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::session::Entity",
        from = "Column::SessionId",
        to = "super::session::Column::Id"
    )]
    Session,
}

impl ActiveModelBehavior for ActiveModel {}

/// A stored refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Also the `jti` of the access token issued with it.
    pub id: TokenId,
    /// The session that it extends.
    pub session: SessionId,
    /// The hash of the token.
    pub token_hash: TokenHash,
    /// The expiry.
    pub expires_at: Timestamp,
    /// The token issued when this one was used; `None` if it is unused.
    pub next: Option<TokenId>,
    /// Whether the access token issued with it was used, so that the client must have received it.
    pub is_access_used: bool,
}

impl TryFrom<Model> for RefreshToken {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: TokenId::from_uuid(row.id),
            session: SessionId::from_uuid(row.session_id),
            token_hash: row
                .token_hash
                .try_into()
                .map_err(|_| Error::corrupt(TABLE, row.id, "the hash does not have 32 bytes"))?,
            expires_at: timestamp(TABLE, row.id, row.expires_at)?,
            next: row.next_id.map(TokenId::from_uuid),
            is_access_used: row.access_used_at.is_some(),
        })
    }
}
