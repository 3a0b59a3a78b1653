use blegram_domain::{ProviderId, Timestamp, UserId};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{session::TokenHash, timestamp};
use crate::{Error, Result};

const TABLE: &str = "login_codes";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "login_codes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_hash: Vec<u8>,
    pub user_id: Option<Uuid>,
    pub pending_hash: Option<Vec<u8>>,
    pub provider: String,
    pub challenge: String,
    pub redirect_uri: String,
    pub expires_at: i64,
    pub is_used: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What the code of a native app is exchanged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A session of this account.
    LogIn(UserId),
    /// The sign-up with the token of this hash, which waits for a username.
    SignUp(TokenHash),
}

/// A code that a native app exchanges once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginCode {
    /// What it is exchanged for.
    pub outcome: Outcome,
    /// The provider that authenticated the user.
    pub provider: ProviderId,
    /// The PKCE challenge of the app.
    pub challenge: String,
    /// The redirect URI that received it.
    pub redirect_uri: String,
    /// The expiry; of a used code, when its row is deleted.
    pub expires_at: Timestamp,
    /// Whether it was used.
    pub is_used: bool,
}

impl TryFrom<Model> for LoginCode {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: String| Error::corrupt(TABLE, &row.provider, reason);
        let pending = row.pending_hash.map(TokenHash::try_from).transpose();
        let pending = pending.map_err(|_| corrupt("a hash of a wrong length".to_owned()))?;
        let outcome = match (row.user_id, pending) {
            (Some(user), None) => Outcome::LogIn(UserId::from_uuid(user)),
            (None, Some(pending)) => Outcome::SignUp(pending),
            _ => return Err(corrupt("not exactly one outcome".to_owned())),
        };
        Ok(Self {
            outcome,
            provider: row.provider.parse().map_err(|e: blegram_domain::Violation| corrupt(e.to_string()))?,
            expires_at: timestamp(TABLE, &row.provider, row.expires_at)?,
            challenge: row.challenge,
            is_used: row.is_used,
            redirect_uri: row.redirect_uri,
        })
    }
}
