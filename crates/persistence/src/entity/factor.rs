use blegram_domain::{Factor, FactorId, Timestamp, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "factors";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "factors")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub kind: String,
    pub name: Option<String>,
    pub created_at: i64,
    pub confirmed_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub sealed_secret: Option<Vec<u8>>,
    pub last_step: Option<i64>,
    pub credential_id: Option<Vec<u8>>,
    pub credential: Option<Vec<u8>>,
    pub credential_state: Option<Vec<u8>>,
    pub transports: Option<i16>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// An authenticator app.
#[derive(Debug, Clone)]
pub struct Totp {
    /// The id.
    pub id: FactorId,
    /// The account.
    pub user: UserId,
    /// The encrypted secret.
    pub sealed_secret: Vec<u8>,
    /// When its setup started.
    pub created_at: Timestamp,
}

/// A passkey.
#[derive(Debug, Clone)]
pub struct Passkey {
    /// The id.
    pub id: FactorId,
    /// The account.
    pub user: UserId,
    /// The id of the credential.
    pub credential_id: Vec<u8>,
    /// Its public key and extensions, as the `WebAuthn` library encodes them.
    pub credential: Vec<u8>,
    /// Its signature counter and flags after the last use.
    pub state: Vec<u8>,
    /// How a browser reaches its authenticator.
    pub transports: i16,
}

impl TryFrom<Model> for Factor {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: FactorId::from_uuid(row.id),
            kind: row.kind.parse().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            name: row.name,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            last_used_at: row.last_used_at.map(|at| timestamp(TABLE, row.id, at)).transpose()?,
        })
    }
}

impl TryFrom<Model> for Totp {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let missing = || Error::corrupt(TABLE, row.id, "an authenticator app without a secret");
        Ok(Self {
            id: FactorId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            sealed_secret: row.sealed_secret.ok_or_else(missing)?,
        })
    }
}

impl TryFrom<Model> for Passkey {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let missing = || Error::corrupt(TABLE, row.id, "a passkey without a credential");
        Ok(Self {
            id: FactorId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            credential_id: row.credential_id.ok_or_else(missing)?,
            credential: row.credential.ok_or_else(missing)?,
            state: row.credential_state.ok_or_else(missing)?,
            transports: row.transports.unwrap_or_default(),
        })
    }
}
