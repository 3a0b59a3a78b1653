use blegram_domain::{ProviderId, SessionId, Timestamp};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{session::TokenHash, timestamp};
use crate::{Error, Result};

const TABLE: &str = "login_transactions";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "login_transactions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub state_hash: Vec<u8>,
    pub provider: String,
    pub browser_hash: Vec<u8>,
    pub session_id: Option<Uuid>,
    pub redirect_to: Option<String>,
    pub redirect_uri: Option<String>,
    pub challenge: Option<String>,
    pub state: Option<String>,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A login with a provider that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTransaction {
    /// The provider.
    pub provider: ProviderId,
    /// The hash of the secret in the browser's cookie.
    pub browser_hash: TokenHash,
    /// The session that links an identity; `None` for a login.
    pub session: Option<SessionId>,
    /// The path on the site where the browser goes afterwards.
    pub redirect_to: Option<String>,
    /// The native app that logs in; `None` for a browser.
    pub app: Option<AppRequest>,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// The request of a native app (RFC 8252).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRequest {
    /// Where the app receives the code.
    pub redirect_uri: String,
    /// The PKCE challenge of the app (RFC 7636, S256).
    pub challenge: String,
    /// The app's own state, which is returned to it.
    pub state: Option<String>,
}

impl TryFrom<Model> for LoginTransaction {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: String| Error::corrupt(TABLE, &row.provider, reason);
        let app = row.redirect_uri.zip(row.challenge);
        Ok(Self {
            provider: row.provider.parse().map_err(|e: blegram_domain::Violation| corrupt(e.to_string()))?,
            browser_hash: row
                .browser_hash
                .try_into()
                .map_err(|_| corrupt("a hash of a wrong length".to_owned()))?,
            session: row.session_id.map(SessionId::from_uuid),
            redirect_to: row.redirect_to,
            app: app.map(|(redirect_uri, challenge)| AppRequest {
                redirect_uri,
                challenge,
                state: row.state,
            }),
            expires_at: timestamp(TABLE, &row.provider, row.expires_at)?,
        })
    }
}
