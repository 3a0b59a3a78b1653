use blegram_domain::{EmailAddress, MailId, Timestamp, UserId, mail::TokenPurpose};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "email_tokens";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "email_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub purpose: String,
    pub address: String,
    pub token_hash: Vec<u8>,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A single-use token that was sent in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailToken {
    /// The mail that contains it.
    pub id: MailId,
    /// The account that it is for.
    pub user: UserId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// The address that the mail was sent to.
    pub address: EmailAddress,
    /// The expiry.
    pub expires_at: Timestamp,
}

impl TryFrom<Model> for EmailToken {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        Ok(Self {
            id: MailId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            purpose: row.purpose.parse().map_err(|e| corrupt(&e))?,
            address: EmailAddress::parse(&row.address).map_err(|e| corrupt(&e))?,
            expires_at: timestamp(TABLE, row.id, row.expires_at)?,
        })
    }
}
