//! Sessions. A browser's session is found by the hash of its token, a native app's by the id in its access token. No
//! token is stored.

use std::collections::HashMap;

use blegram_domain::{
    PageRequest, ProviderId, Session, SessionId, Timestamp, TokenId, UserId,
    page::PageKeys,
    session::Kind,
    user::{Role, Status},
};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, RelationTrait, Select,
    prelude::Uuid,
    sea_query::{Expr, IntoCondition, SimpleExpr},
};

pub use crate::entity::session::TokenHash;
use crate::{
    Conn, Error, Result, Tx,
    db::sealed::Sealed,
    entity::{
        refresh_token,
        session::{Column, Entity, Model, Relation},
        timestamp, user,
    },
    keyset, sql,
};

/// A session with everything that decides whether it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSession {
    /// The session.
    pub session: Session,
    /// The status of its user.
    pub status: Status,
    /// The role of its user.
    pub role: Role,
    /// Whether the access token that found it is used for the first time.
    pub is_first_use: bool,
    /// When its user last proved who they are, with everything that a login requires.
    pub authenticated_at: Timestamp,
}

/// The idle timeouts, as instants: a session last seen at or before them has expired.
#[derive(Debug, Clone, Copy)]
pub struct IdleSince {
    /// For browser sessions.
    pub browser: Timestamp,
    /// For sessions of native apps.
    pub native: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    device_name: Option<String>,
    user_agent: Option<String>,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    authenticated_at: i64,
    status: String,
    role: String,
    /// Only selected by `find_by_token_id`.
    refresh_token_id: Option<Uuid>,
    access_used_at: Option<i64>,
}

impl TryFrom<Row> for FoundSession {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt("users", row.user_id, reason.to_string());
        Ok(Self {
            status: row.status.parse().map_err(|e| corrupt(&e))?,
            role: row.role.parse().map_err(|e| corrupt(&e))?,
            is_first_use: row.refresh_token_id.is_some() && row.access_used_at.is_none(),
            authenticated_at: timestamp("sessions", row.id, row.authenticated_at)?,
            session: Session::try_from(Model {
                id: row.id,
                user_id: row.user_id,
                kind: row.kind,
                token_hash: None,
                device_name: row.device_name,
                user_agent: row.user_agent,
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                network: None,
                address: None,
                authenticated_at: row.authenticated_at,
                provider: None,
                login_code: None,
            })?,
        })
    }
}

/// The tag of a network. Only the site can compute which network it is.
pub type NetworkTag = [u8; 16];

/// Inserts a session that begins with a login; a browser's with the hash of its token, one that a code opened with the hash
/// of that.
pub async fn insert(
    tx: &Tx,
    session: &Session,
    token_hash: Option<TokenHash>,
    network: Option<NetworkTag>,
    login_code: Option<TokenHash>,
) -> Result<()> {
    let row = Model {
        id: session.id.as_uuid(),
        user_id: session.user.as_uuid(),
        kind: session.kind.as_str().to_owned(),
        token_hash: token_hash.map(|hash| hash.to_vec()),
        device_name: session.device_name.clone(),
        user_agent: session.user_agent.clone(),
        created_at: session.created_at.as_micros(),
        last_seen_at: session.last_seen_at.as_micros(),
        expires_at: session.expires_at.as_micros(),
        network: network.map(|network| network.to_vec()),
        address: session.address.clone(),
        authenticated_at: session.created_at.as_micros(),
        provider: session.provider.as_ref().map(|provider| provider.as_str().to_owned()),
        login_code: login_code.map(|hash| hash.to_vec()),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds the session of a token by its hash, expired or not, in one statement.
pub async fn find_by_token_hash(conn: &impl Conn, hash: &TokenHash) -> Result<Option<FoundSession>> {
    let query = with_user(Entity::find().filter(Column::TokenHash.eq(hash.to_vec())));
    query.into_model::<Row>().one(conn.inner()).await?.map(FoundSession::try_from).transpose()
}

/// Finds the session of an access token by its `jti`, expired or not, in one statement.
pub async fn find_by_token_id(
    conn: &impl Conn,
    id: SessionId,
    token: TokenId,
) -> Result<Option<FoundSession>> {
    let query = Entity::find_by_id(id.as_uuid())
        .join(JoinType::InnerJoin, refresh_token::Relation::Session.def().rev())
        .filter(refresh_token::Column::Id.eq(token.as_uuid()));
    let query = with_user(query)
        .column_as(refresh_token::Column::Id, "refresh_token_id")
        .column(refresh_token::Column::AccessUsedAt);
    query.into_model::<Row>().one(conn.inner()).await?.map(FoundSession::try_from).transpose()
}

/// Finds a session by id, expired or not.
pub async fn find(conn: &impl Conn, id: SessionId) -> Result<Option<FoundSession>> {
    let query = with_user(Entity::find_by_id(id.as_uuid()));
    query.into_model::<Row>().one(conn.inner()).await?.map(FoundSession::try_from).transpose()
}

/// Lists the sessions of `ids`, expired or not, in one statement for any number. Skips ids that do not exist.
pub async fn list(conn: &impl Conn, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let backend = sql::backend(conn);
    let sql = format!(
        "SELECT sessions.id, user_id, kind, device_name, user_agent, sessions.created_at, last_seen_at, expires_at, \
         authenticated_at, status, role FROM sessions JOIN users ON users.id = user_id WHERE sessions.id {}",
        sql::is_one_of(backend, "$1")
    );
    let values = [sql::ids(backend, ids.iter().map(|id| id.as_uuid()))];
    let found: Vec<Row> = sql::list_named(conn, sql, values).await?;
    found.into_iter().map(FoundSession::try_from).collect()
}

/// Returns when each of `users` was last seen, in one statement for any number. Skips users without a session.
pub async fn list_last_seen(conn: &impl Conn, users: &[UserId]) -> Result<HashMap<UserId, Timestamp>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = sql::backend(conn);
    let sql = format!(
        "SELECT user_id, max(last_seen_at) AS at FROM sessions WHERE user_id {} GROUP BY user_id",
        sql::is_one_of(backend, "$1")
    );
    let values = [sql::ids(backend, users.iter().map(|id| id.as_uuid()))];
    let seen: Vec<(Uuid, i64)> = sql::list(conn, sql, values).await?;
    seen.into_iter()
        .map(|(user, at)| Ok((UserId::from_uuid(user), timestamp("sessions", user, at)?)))
        .collect()
}

/// Locks the session row (`FOR UPDATE`) until the transaction ends, and returns whether it exists.
pub async fn lock(tx: &Tx, id: SessionId) -> Result<bool> {
    Ok(Entity::find_by_id(id.as_uuid()).lock_exclusive().one(tx.inner()).await?.is_some())
}

/// Lists the ids of the active sessions of `user`, the newest first.
pub async fn list_active_ids(
    conn: &impl Conn,
    user: UserId,
    now: Timestamp,
    idle: IdleSince,
    page: &PageRequest,
) -> Result<PageKeys> {
    let active = Entity::find().filter(Column::UserId.eq(user.as_uuid())).filter(expired(now, idle).not());
    keyset::ids(conn, active, Column::Id, page).await
}

/// Whether `user` has an active session in the network.
pub async fn is_any_in_network(
    conn: &impl Conn,
    user: UserId,
    network: &NetworkTag,
    now: Timestamp,
    idle: IdleSince,
) -> Result<bool> {
    let found: Option<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::Network.eq(network.to_vec()))
        .filter(expired(now, idle).not())
        .limit(1)
        .into_tuple()
        .one(conn.inner())
        .await?;
    Ok(found.is_some())
}

/// Sets the network of a session: its tag, and the shortened address.
pub async fn update_network(tx: &Tx, id: SessionId, network: &NetworkTag, address: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Network, Expr::value(network.to_vec()))
        .col_expr(Column::Address, Expr::value(address))
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Lists the sessions of `ids`, in that order, in one statement. Skips ids that do not exist.
pub async fn list_by_ids(conn: &impl Conn, ids: &PageKeys) -> Result<Vec<Session>> {
    if ids.keys().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.keys().iter().copied())).all(conn.inner()).await?;
    let mut sessions: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.keys().iter().filter_map(|id| sessions.remove(id)).map(Session::try_from).collect()
}

/// Deletes the sessions of `user` that come from a provider, and returns their ids.
pub async fn delete_of_provider(tx: &Tx, user: UserId, provider: &ProviderId) -> Result<Vec<SessionId>> {
    let deleted = Entity::delete_many()
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::Provider.eq(provider.as_str()));
    let rows = deleted.exec_with_returning(tx.inner()).await?;
    Ok(rows.into_iter().map(|row| SessionId::from_uuid(row.id)).collect())
}

/// Deletes the sessions that a code opened, and returns their ids and users.
pub async fn delete_of_login_code(tx: &Tx, hash: &TokenHash) -> Result<Vec<(SessionId, UserId)>> {
    let deleted = Entity::delete_many().filter(Column::LoginCode.eq(hash.to_vec()));
    let rows = deleted.exec_with_returning(tx.inner()).await?;
    Ok(rows.into_iter().map(|row| (SessionId::from_uuid(row.id), UserId::from_uuid(row.user_id))).collect())
}

/// Sets the last use of a session. Never moves it back.
pub async fn update_last_seen(tx: &Tx, id: SessionId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastSeenAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::LastSeenAt.lt(at.as_micros()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Sets the last use of each of `ids`. Skips sessions that another transaction has locked: it uses or ends them.
pub async fn update_all_last_seen(tx: &Tx, ids: &[SessionId], at: Timestamp) -> Result<()> {
    let backend = sql::backend(tx);
    let is_one = sql::is_one_of(backend, "$2");
    let due = format!("SELECT id FROM sessions WHERE id {is_one} AND last_seen_at < $1");
    // `SKIP LOCKED`, so that nodes that update the same sessions at the same time do not deadlock.
    let lock = if backend == DbBackend::Postgres { "FOR NO KEY UPDATE SKIP LOCKED" } else { "" };
    let sql = format!("UPDATE sessions SET last_seen_at = $1 WHERE id IN ({due} {lock})");
    let ids = sql::ids(backend, ids.iter().map(|id| id.as_uuid()));
    let values = [at.as_micros().into(), ids];
    sql::execute(tx, sql, values).await.map(drop)
}

/// Records that the user of a session has proved again who they are.
pub async fn update_authenticated(tx: &Tx, id: SessionId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::AuthenticatedAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Replaces the token of a browser session. The previous token becomes invalid.
pub async fn update_token_hash(tx: &Tx, id: SessionId, hash: TokenHash) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::TokenHash, hash.to_vec().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::Kind.eq(Kind::Browser.as_str()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Deletes a session. Idempotent.
pub async fn delete(tx: &Tx, id: SessionId) -> Result<()> {
    Entity::delete_by_id(id.as_uuid()).exec(tx.inner()).await?;
    Ok(())
}

/// Deletes a session of `user`, and returns whether it existed.
pub async fn delete_of_user(tx: &Tx, user: UserId, id: SessionId) -> Result<bool> {
    let of_user = Entity::delete_by_id(id.as_uuid()).filter(Column::UserId.eq(user.as_uuid()));
    Ok(of_user.exec(tx.inner()).await?.rows_affected == 1)
}

/// Deletes all sessions of `user` but `except`, and returns how many.
pub async fn delete_others(tx: &Tx, user: UserId, except: Option<SessionId>) -> Result<u64> {
    let mut of_user = Entity::delete_many().filter(Column::UserId.eq(user.as_uuid()));
    if let Some(except) = except {
        of_user = of_user.filter(Column::Id.ne(except.as_uuid()));
    }
    Ok(of_user.exec(tx.inner()).await?.rows_affected)
}

/// Deletes up to `max` sessions of `user`, and returns how many.
pub async fn delete_some(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    delete_up_to(tx, Column::UserId.eq(user.as_uuid()).into_condition(), max).await
}

/// Deletes up to `max` expired sessions, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, idle: IdleSince, max: u64) -> Result<u64> {
    delete_up_to(tx, expired(now, idle), max).await
}

async fn delete_up_to(tx: &Tx, which: Condition, max: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Id).filter(which).limit(max).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(tx.inner()).await?.rows_affected)
}

/// Deletes all but `max` sessions of `user`, expired ones first, then the oldest, and returns their ids. Expired
/// sessions within that limit stay until [`delete_expired`], which does not run while the clock is not trusted.
pub async fn prune(
    tx: &Tx,
    user: UserId,
    max: u64,
    now: Timestamp,
    idle: IdleSince,
) -> Result<Vec<SessionId>> {
    let is_expired: SimpleExpr = Expr::case(expired(now, idle), 1).finally(0).into();
    let surplus: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::UserId.eq(user.as_uuid()))
        .order_by_asc(is_expired)
        .order_by_desc(Column::Id)
        .offset(max)
        // A user has only a few sessions more than `max`, because each login deletes as many as it adds.
        .limit(100)
        .into_tuple()
        .all(tx.inner())
        .await?;
    if !surplus.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(surplus.iter().copied())).exec(tx.inner()).await?;
    }
    Ok(surplus.into_iter().map(SessionId::from_uuid).collect())
}

/// Expired: by age, or because it was idle for too long.
fn expired(now: Timestamp, idle: IdleSince) -> Condition {
    let idle = [(Kind::Browser, idle.browser), (Kind::Native, idle.native)].map(|(kind, since)| {
        Condition::all().add(Column::Kind.eq(kind.as_str())).add(Column::LastSeenAt.lte(since.as_micros()))
    });
    let [browser, native] = idle;
    Condition::any().add(Column::ExpiresAt.lte(now.as_micros())).add(browser).add(native)
}

fn with_user(query: Select<Entity>) -> Select<Entity> {
    query.join(JoinType::InnerJoin, Relation::User.def()).columns([user::Column::Status, user::Column::Role])
}
