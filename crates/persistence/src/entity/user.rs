use blegram_domain::{
    Account, MediaKey, User, UserId, UserSummary, Username,
    conversation::MessagesFrom,
    user::{Role, Status},
};
use sea_orm::FromQueryResult;
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "users";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub username: String,
    pub username_skeleton: String,
    pub display_name: String,
    pub bio: String,
    pub email: Option<String>,
    pub email_verified_at: Option<i64>,
    pub password_hash: Option<String>,
    pub role: String,
    pub status: String,
    pub is_private: bool,
    pub discoverable: bool,
    pub post_count: i64,
    pub follower_count: i64,
    pub following_count: i64,
    pub created_at: i64,
    pub version: i64,
    pub notifications_read: Option<Uuid>,
    pub avatar_key: Option<String>,
    pub messages_from: String,
    pub email_key: Option<String>,
    pub login_notices: bool,
    pub logins_limited_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The columns of a [`UserSummary`].
#[derive(Debug, FromQueryResult)]
pub(crate) struct Summary {
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub avatar_key: Option<String>,
    pub is_private: bool,
    pub status: String,
}

impl Summary {
    pub(crate) const COLUMNS: [Column; 6] = [
        Column::Id,
        Column::Username,
        Column::DisplayName,
        Column::AvatarKey,
        Column::IsPrivate,
        Column::Status,
    ];
}

impl TryFrom<Summary> for UserSummary {
    type Error = Error;

    fn try_from(row: Summary) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        Ok(Self {
            id: UserId::from_uuid(row.id),
            username: Username::parse(&row.username).map_err(|e| corrupt(&e))?,
            status: row.status.parse::<Status>().map_err(|e| corrupt(&e))?,
            avatar: row
                .avatar_key
                .as_deref()
                .map(str::parse::<MediaKey>)
                .transpose()
                .map_err(|e| corrupt(&e))?,
            display_name: row.display_name,
            is_private: row.is_private,
        })
    }
}

impl TryFrom<Model> for User {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            post_count: count(TABLE, row.id, row.post_count)?,
            follower_count: count(TABLE, row.id, row.follower_count)?,
            following_count: count(TABLE, row.id, row.following_count)?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            version: count(TABLE, row.id, row.version)?,
            bio: row.bio,
            summary: UserSummary::try_from(Summary {
                id: row.id,
                username: row.username,
                display_name: row.display_name,
                avatar_key: row.avatar_key,
                is_private: row.is_private,
                status: row.status,
            })?,
        })
    }
}

impl TryFrom<Model> for Account {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            email: row.email.clone(),
            email_verified: row.email_verified_at.is_some(),
            has_password: row.password_hash.is_some(),
            role: row.role.parse::<Role>().map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            discoverable: row.discoverable,
            login_notices: row.login_notices,
            messages_from: row
                .messages_from
                .parse::<MessagesFrom>()
                .map_err(|e| Error::corrupt(TABLE, row.id, e))?,
            user: User::try_from(row)?,
        })
    }
}
