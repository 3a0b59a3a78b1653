use blegram_domain::{FactorId, Timestamp, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{session::TokenHash, timestamp};
use crate::{Error, Result};

const TABLE: &str = "passkey_ceremonies";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "passkey_ceremonies")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub challenge: Vec<u8>,
    pub user_id: Option<Uuid>,
    pub factor_id: Option<Uuid>,
    pub login_challenge: Option<Vec<u8>>,
    pub name: Option<String>,
    pub state: Vec<u8>,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a passkey ceremony is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A login or a confirmation in which the passkey names the account.
    LogIn,
    /// The second step of a login of the account, whose challenge has this hash.
    CompleteLogin(UserId, TokenHash),
    /// A new passkey of the account, with the owner's name for it.
    Register(UserId, FactorId, Option<String>),
}

/// A passkey ceremony that has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// What it is for.
    pub purpose: Purpose,
    /// What the `WebAuthn` library needs to finish it.
    pub state: Vec<u8>,
    /// The expiry.
    pub expires_at: Timestamp,
}

impl TryFrom<Model> for Ceremony {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let id = || row.user_id.map_or_else(String::new, |id| id.to_string());
        let hash = row.login_challenge.map(|hash| {
            TokenHash::try_from(hash).map_err(|_| Error::corrupt(TABLE, id(), "no hash of a challenge"))
        });
        let purpose = match (row.user_id.map(UserId::from_uuid), row.factor_id, hash.transpose()?) {
            (None, None, None) => Purpose::LogIn,
            (Some(user), None, Some(hash)) => Purpose::CompleteLogin(user, hash),
            (Some(user), Some(factor), None) => {
                Purpose::Register(user, FactorId::from_uuid(factor), row.name)
            }
            _ => return Err(Error::corrupt(TABLE, id(), "no known purpose")),
        };
        let expires_at = timestamp(TABLE, id(), row.expires_at)?;
        Ok(Self { purpose, state: row.state, expires_at })
    }
}
