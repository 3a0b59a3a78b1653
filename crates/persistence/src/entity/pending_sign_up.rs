use blegram_domain::{EmailAddress, IdentityKey, Timestamp, Username, session::Kind};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "pending_sign_ups";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "pending_sign_ups")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub provider: String,
    pub subject: String,
    pub alternate_subject: Option<String>,
    pub display_name: Option<String>,
    pub email: Option<String>,
    pub is_email_verified: bool,
    pub picture_url: Option<String>,
    pub suggested_username: String,
    pub kind: String,
    pub redirect_to: Option<String>,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A first login whose account still needs a username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignUp {
    /// The identity that logged in.
    pub key: IdentityKey,
    /// Another id of the same user.
    pub alternate_subject: Option<String>,
    /// The user's name at the provider.
    pub display_name: Option<String>,
    /// The e-mail address that the provider reported.
    pub email: Option<EmailAddress>,
    /// Whether the provider is trusted to have verified it.
    pub is_email_verified: bool,
    /// The address of the profile picture at the provider.
    pub picture_url: Option<String>,
    /// A username that was free when the login ended.
    pub suggested_username: Username,
    /// The type of client that logs in.
    pub kind: Kind,
    /// The path on the site where the browser goes afterwards.
    pub redirect_to: Option<String>,
    /// The expiry.
    pub expires_at: Timestamp,
}

impl TryFrom<Model> for PendingSignUp {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, &row.provider, reason.to_string());
        let email = row.email.as_deref().map(EmailAddress::parse).transpose().map_err(|e| corrupt(&e))?;
        Ok(Self {
            key: IdentityKey {
                provider: row.provider.parse().map_err(|e: blegram_domain::Violation| corrupt(&e))?,
                subject: row.subject.clone(),
            },
            alternate_subject: row.alternate_subject.clone(),
            display_name: row.display_name.clone(),
            email,
            is_email_verified: row.is_email_verified,
            picture_url: row.picture_url.clone(),
            suggested_username: Username::parse(&row.suggested_username).map_err(|e| corrupt(&e))?,
            kind: row.kind.parse().map_err(|e| corrupt(&e))?,
            redirect_to: row.redirect_to.clone(),
            expires_at: timestamp(TABLE, &row.provider, row.expires_at)?,
        })
    }
}
