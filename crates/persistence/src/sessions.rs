//! Logins. A session is found by the hash of its token; the token itself is never stored.

use blegram_domain::{
    Session, SessionId, Timestamp, UserId,
    user::{Role, Status},
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait, prelude::Uuid,
};

use crate::{
    Conn, Error, Result, Tx,
    db::sealed::Sealed,
    entity::{
        session::{Column, Entity, Model, Relation},
        timestamp, user,
    },
};

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A login to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// What its token is recognised by.
    pub token_hash: TokenHash,
    /// What the user calls the device.
    pub device_name: Option<String>,
    /// What the device calls itself.
    pub user_agent: Option<String>,
    /// When the login happened.
    pub created_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
}

/// A session with what decides whether it still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// Whether its user takes part.
    pub status: Status,
    /// What its user may do.
    pub role: Role,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    last_seen_at: i64,
    expires_at: i64,
    status: String,
    role: String,
}

impl TryFrom<Row> for Found {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            session: Session {
                id: SessionId::from_uuid(row.id),
                user: UserId::from_uuid(row.user_id),
                last_seen_at: timestamp("sessions", row.id, row.last_seen_at)?,
                expires_at: timestamp("sessions", row.id, row.expires_at)?,
            },
            status: row.status.parse().map_err(|e| Error::corrupt("users", row.user_id, e))?,
            role: row.role.parse().map_err(|e| Error::corrupt("users", row.user_id, e))?,
        })
    }
}

/// Adds a login.
///
/// # Errors
/// Storage failures only.
pub async fn insert(tx: &Tx, session: NewSession) -> Result<()> {
    let row = Model {
        id: session.id.as_uuid(),
        user_id: session.user.as_uuid(),
        token_hash: session.token_hash.to_vec(),
        device_name: session.device_name,
        user_agent: session.user_agent,
        created_at: session.created_at.as_micros(),
        last_seen_at: session.created_at.as_micros(),
        expires_at: session.expires_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// The login that a token with this hash stands for, expired or not, in one statement.
///
/// # Errors
/// Storage failures only.
pub async fn find_by_token_hash(conn: &impl Conn, hash: &TokenHash) -> Result<Option<Found>> {
    let row = Entity::find()
        .select_only()
        .columns([Column::Id, Column::UserId, Column::LastSeenAt, Column::ExpiresAt])
        .columns([user::Column::Status, user::Column::Role])
        .join(JoinType::InnerJoin, Relation::User.def())
        .filter(Column::TokenHash.eq(hash.to_vec()))
        .into_model::<Row>()
        .one(conn.inner())
        .await?;
    row.map(Found::try_from).transpose()
}

/// Writes down a use.
///
/// # Errors
/// Storage failures only.
pub async fn update_last_seen(tx: &Tx, id: SessionId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastSeenAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::LastSeenAt.lt(at.as_micros()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Ends a login; ending it again changes nothing.
///
/// # Errors
/// Storage failures only.
pub async fn delete(tx: &Tx, id: SessionId) -> Result<()> {
    Entity::delete_by_id(id.as_uuid()).exec(tx.inner()).await?;
    Ok(())
}

/// Ends those logins of `user` that are over, by age or by not being used since `idle_since`, and all
/// but the newest `keep` of the others.
///
/// # Errors
/// Storage failures only.
pub async fn prune(tx: &Tx, user: UserId, keep: u64, now: Timestamp, idle_since: Timestamp) -> Result<()> {
    let of_user = Column::UserId.eq(user.as_uuid());
    let over = Condition::any()
        .add(Column::ExpiresAt.lte(now.as_micros()))
        .add(Column::LastSeenAt.lte(idle_since.as_micros()));
    Entity::delete_many().filter(of_user.clone()).filter(over).exec(tx.inner()).await?;
    let surplus: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(of_user)
        .order_by_desc(Column::Id)
        .offset(keep)
        // A user has few sessions more than `keep`: each login takes away what it adds.
        .limit(100)
        .into_tuple()
        .all(tx.inner())
        .await?;
    if !surplus.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(surplus)).exec(tx.inner()).await?;
    }
    Ok(())
}
