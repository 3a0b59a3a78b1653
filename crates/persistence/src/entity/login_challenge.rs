use blegram_domain::{ProviderId, Timestamp, UserId, session::Kind};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{session::TokenHash, timestamp};
use crate::{Error, Result};

const TABLE: &str = "login_challenges";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "login_challenges")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub user_id: Uuid,
    pub kind: String,
    pub device_name: Option<String>,
    pub provider: Option<String>,
    pub attempts: i32,
    pub expires_at: i64,
    pub login_code: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A login whose second step is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginChallenge {
    /// The account.
    pub user: UserId,
    /// The type of client that took the first step.
    pub kind: Kind,
    /// The owner's name for the device.
    pub device_name: Option<String>,
    /// The provider of the first step, if it was not the password.
    pub provider: Option<ProviderId>,
    /// The number of attempts to complete it.
    pub attempts: i32,
    /// The expiry.
    pub expires_at: Timestamp,
    /// The hash of the code of an app that was the first step.
    pub login_code: Option<TokenHash>,
}

impl TryFrom<Model> for LoginChallenge {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let id = row.user_id;
        let provider = row.provider.as_deref().map(ProviderId::parse).transpose();
        Ok(Self {
            user: UserId::from_uuid(id),
            kind: row.kind.parse().map_err(|e| Error::corrupt(TABLE, id, e))?,
            device_name: row.device_name,
            provider: provider.map_err(|e| Error::corrupt(TABLE, id, e))?,
            attempts: row.attempts,
            login_code: row
                .login_code
                .map(TokenHash::try_from)
                .transpose()
                .map_err(|_| Error::corrupt(TABLE, id, "a hash of a wrong length"))?,
            expires_at: timestamp(TABLE, id, row.expires_at)?,
        })
    }
}
