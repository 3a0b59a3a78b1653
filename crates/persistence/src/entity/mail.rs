use blegram_domain::{EmailAddress, Language, MailId, Timestamp, UserId, mail::MailKind};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "mails";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "mails")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub kind: String,
    pub address: String,
    pub language: Option<String>,
    pub details: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The id, which is also the subject of its job.
    pub id: MailId,
    /// The account that it is about; `None` until it is known whether an account has the address.
    pub user: Option<UserId>,
    /// What it is about.
    pub kind: MailKind,
    /// The recipient.
    pub address: EmailAddress,
    /// The recipient's language, if it is known.
    pub language: Option<Language>,
    /// What the text needs beyond that.
    pub details: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
}

impl TryFrom<Model> for Mail {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        let language = row.language.as_deref().map(str::parse::<Language>).transpose();
        Ok(Self {
            id: MailId::from_uuid(row.id),
            user: row.user_id.map(UserId::from_uuid),
            kind: row.kind.parse().map_err(|e| corrupt(&e))?,
            address: EmailAddress::parse(&row.address).map_err(|e| corrupt(&e))?,
            language: language.map_err(|e| corrupt(&e))?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            details: row.details,
        })
    }
}
