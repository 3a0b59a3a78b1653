//! Accounts, profiles and credentials.
//!
//! Row locks on accounts come in three strengths: [`lock_shared`] (`FOR KEY SHARE`) before inserting rows that reference the
//! account, [`lock_to_count`] and [`lock_counts`] (`FOR NO KEY UPDATE`) before updating its counts, [`lock`]
//! (`FOR UPDATE`) before changing the account itself. Accounts are locked before everything else, those whose counts
//! change first, in the order of their ids.

use std::collections::HashMap;

use blegram_domain::{
    Account, DisplayName, EmailAddress, Timestamp, User, UserId, UserSummary, Username,
    conversation::MessagesFrom,
    user::{Role, Status},
};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select, SqlErr, UpdateMany,
    prelude::Uuid,
    sea_query::{Expr, LockBehavior, LockType},
};

use crate::{
    Conn, Error, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::user::{Column, Entity, Model, Summary},
    rows, search_index, sql,
};

/// An account to insert.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id.
    pub id: UserId,
    /// The username, which must not be confusable with another one.
    pub username: Username,
    /// The display name.
    pub display_name: DisplayName,
    /// The unverified e-mail address.
    pub email: Option<EmailAddress>,
    /// The password hash, as a PHC string; `None` for an account that logs in with other providers only.
    pub password_hash: Option<String>,
    /// The role.
    pub role: Role,
    /// The time of the sign-up.
    pub created_at: Timestamp,
}

/// The credentials of an account, to verify a login.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: UserId,
    /// The PHC string; `None` for an account without a password.
    pub password_hash: Option<String>,
    /// The status of the account, which decides whether it may log in.
    pub status: Status,
}

impl TryFrom<Model> for Credentials {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let status = row.status.parse().map_err(|e| Error::corrupt("users", row.id, e))?;
        Ok(Self { user: UserId::from_uuid(row.id), password_hash: row.password_hash, status })
    }
}

/// Inserts an account. Relies on the unique indexes on the username and its skeleton: of any number of concurrent
/// sign-ups with confusable usernames, one is [`Inserted::New`].
pub async fn insert(tx: &Tx, user: NewUser) -> Result<Inserted> {
    let row = Model {
        id: user.id.as_uuid(),
        username_skeleton: user.username.skeleton().as_str().to_owned(),
        username: user.username.into(),
        display_name: user.display_name.into(),
        bio: String::new(),
        email: user.email.map(String::from),
        email_verified_at: None,
        password_hash: user.password_hash,
        role: user.role.as_str().to_owned(),
        status: Status::Active.as_str().to_owned(),
        is_private: false,
        discoverable: true,
        post_count: 0,
        follower_count: 0,
        following_count: 0,
        created_at: user.created_at.as_micros(),
        version: 0,
        notifications_read: None,
        avatar_key: None,
        messages_from: MessagesFrom::Everyone.as_str().to_owned(),
        email_key: None,
        login_notices: true,
        logins_limited_at: None,
    };
    let id = user.id;
    let inserted = rows::insert(tx, row).await?;
    if inserted == Inserted::New {
        index(tx, id).await?;
    }
    Ok(inserted)
}

/// Updates the search index with the current names of an account.
async fn index(tx: &Tx, id: UserId) -> Result<()> {
    match find(tx, id).await? {
        Some(user) => search_index::index_user(tx, &user).await,
        None => Ok(()),
    }
}

/// Finds a profile by id, whatever its status.
pub async fn find(conn: &impl Conn, id: UserId) -> Result<Option<User>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(User::try_from).transpose()
}

/// Finds a profile by username, whatever its status.
pub async fn find_by_username(conn: &impl Conn, username: &Username) -> Result<Option<User>> {
    by_username(username).one(conn.inner()).await?.map(User::try_from).transpose()
}

/// Whether any account exists.
pub async fn is_any(conn: &impl Conn) -> Result<bool> {
    let any = Entity::find().select_only().column(Column::Status).into_tuple::<String>();
    Ok(any.one(conn.inner()).await?.is_some())
}

/// Finds an account by id, whatever its status.
pub async fn find_account(conn: &impl Conn, id: UserId) -> Result<Option<Account>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(Account::try_from).transpose()
}

/// Finds the credentials of the account with this username.
pub async fn find_credentials(conn: &impl Conn, username: &Username) -> Result<Option<Credentials>> {
    by_username(username).one(conn.inner()).await?.map(Credentials::try_from).transpose()
}

/// Returns the summaries of `ids`, in one statement. Skips ids without an account.
pub async fn list_summaries(conn: &impl Conn, ids: &[UserId]) -> Result<HashMap<UserId, UserSummary>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find()
        .select_only()
        .columns(Summary::COLUMNS)
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
        .into_model::<Summary>()
        .all(conn.inner())
        .await?;
    rows.into_iter().map(|row| UserSummary::try_from(row).map(|user| (user.id, user))).collect()
}

/// Returns who may start a conversation with each of `ids`.
pub async fn list_messages_from(conn: &impl Conn, ids: &[UserId]) -> Result<HashMap<UserId, MessagesFrom>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find()
        .select_only()
        .columns([Column::Id, Column::MessagesFrom])
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let rows: Vec<(Uuid, String)> = rows.into_tuple().all(conn.inner()).await?;
    let policy = |(id, policy): (Uuid, String)| {
        let policy = policy.parse::<MessagesFrom>().map_err(|e| Error::corrupt("users", id, e))?;
        Ok((UserId::from_uuid(id), policy))
    };
    rows.into_iter().map(policy).collect()
}

/// Lists the active accounts with these usernames, in no particular order.
pub async fn list_by_usernames(conn: &impl Conn, names: &[Username]) -> Result<Vec<UserSummary>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .select_only()
        .columns(Summary::COLUMNS)
        .filter(Column::Username.is_in(names.iter().map(Username::as_str)))
        .filter(Column::Status.eq(Status::Active.as_str()))
        .into_model::<Summary>()
        .all(conn.inner())
        .await?;
    rows.into_iter().map(UserSummary::try_from).collect()
}

/// Replaces the password hash `from` with `to`, a new hash of the same password.
pub async fn update_password_hash(tx: &Tx, id: UserId, from: &str, to: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, to.into())
        .filter(Column::Id.eq(id.as_uuid()))
        // Keeps a password that was changed meanwhile.
        .filter(Column::PasswordHash.eq(from))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Finds the password hash of `id`; `None` if the account does not exist or has no password.
pub async fn find_password_hash(conn: &impl Conn, id: UserId) -> Result<Option<String>> {
    let row = Entity::find_by_id(id.as_uuid()).select_only().column(Column::PasswordHash);
    Ok(row.into_tuple::<Option<String>>().one(conn.inner()).await?.flatten())
}

/// Replaces the password hash if it is still `from` (`None`: no password), and returns whether it was.
pub async fn replace_password_hash(tx: &Tx, id: UserId, from: Option<&str>, to: &str) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::PasswordHash, to.into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(match from {
            Some(from) => Column::PasswordHash.eq(from),
            None => Column::PasswordHash.is_null(),
        });
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// Locks the account row (`FOR KEY SHARE`) until the transaction ends, and returns the profile. A transaction that
/// wants to [`lock`] it waits; updates of its counts do not.
pub async fn lock_shared(tx: &Tx, id: UserId) -> Result<Option<User>> {
    let row = Entity::find_by_id(id.as_uuid()).lock(LockType::KeyShare).one(tx.inner()).await?;
    row.map(User::try_from).transpose()
}

/// Like [`lock_shared`], for several accounts in one statement. Skips ids without an account.
pub async fn lock_all_shared(tx: &Tx, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
    // In a fixed order, to avoid deadlocks.
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
        .order_by_asc(Column::Id)
        .lock(LockType::KeyShare);
    let rows = rows.all(tx.inner()).await?;
    rows.into_iter().map(|row| User::try_from(row).map(|user| (user.summary.id, user))).collect()
}

/// Like [`lock_all_shared`], without returning the accounts.
pub async fn lock_rows_shared(tx: &Tx, ids: &[UserId]) -> Result<()> {
    // SQLite has a single writer, so there is nothing to lock.
    if !sql::is_postgres(tx) || ids.is_empty() {
        return Ok(());
    }
    let rows = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
        .order_by_asc(Column::Id)
        .lock(LockType::KeyShare);
    rows.into_tuple::<Uuid>().all(tx.inner()).await?;
    Ok(())
}

/// Locks the account row (`FOR UPDATE`) until the transaction ends, and returns the account.
pub async fn lock(tx: &Tx, id: UserId) -> Result<Option<Account>> {
    // In two steps. PostgreSQL lets requests for shared locks queue behind a transaction that waits for `FOR UPDATE`. If
    // `lock_counts` of another transaction takes the row in between, they stay in that queue, although they could have
    // their lock; and it may wait, through another account, for one of them. Nothing queues behind the first step, and
    // after it no other transaction can take the row for its counts.
    lock_count_rows(tx, &[id], None).await?;
    let row = Entity::find_by_id(id.as_uuid()).lock_exclusive().one(tx.inner()).await?;
    row.map(Account::try_from).transpose()
}

/// Locks the account row (`FOR NO KEY UPDATE`) until the transaction ends, and returns the profile: for a transaction
/// that will update its counts. Call it before taking any weaker lock on the same row: between the two locks, another
/// transaction could start to wait for [`lock`], and the two transactions would deadlock.
pub async fn lock_to_count(tx: &Tx, id: UserId) -> Result<Option<User>> {
    let row = Entity::find_by_id(id.as_uuid()).lock(LockType::NoKeyUpdate).one(tx.inner()).await?;
    row.map(User::try_from).transpose()
}

/// Like [`lock_to_count`], for several accounts, without returning them: read them afterwards. Call it before locking
/// other accounts with [`lock_shared`], and before locking relations.
pub async fn lock_counts(tx: &Tx, ids: &[UserId]) -> Result<()> {
    lock_count_rows(tx, ids, None).await.map(drop)
}

/// Like [`lock_counts`], but skips accounts that another transaction has locked (`SKIP LOCKED`), and returns those that
/// it locked. For a transaction that [`lock`]s an account, which must not wait for another one.
pub async fn lock_free_counts(tx: &Tx, ids: &[UserId]) -> Result<Vec<UserId>> {
    lock_count_rows(tx, ids, Some(LockBehavior::SkipLocked)).await
}

async fn lock_count_rows(tx: &Tx, ids: &[UserId], behavior: Option<LockBehavior>) -> Result<Vec<UserId>> {
    // SQLite has a single writer, so there is nothing to lock.
    if !sql::is_postgres(tx) || ids.is_empty() {
        return Ok(ids.to_vec());
    }
    let rows = Entity::find().select_only().column(Column::Id);
    let rows = rows.filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).order_by_asc(Column::Id);
    let rows = match behavior {
        Some(behavior) => rows.lock_with_behavior(LockType::NoKeyUpdate, behavior),
        None => rows.lock(LockType::NoKeyUpdate),
    };
    let locked: Vec<Uuid> = rows.into_tuple().all(tx.inner()).await?;
    Ok(locked.into_iter().map(UserId::from_uuid).collect())
}

/// Changes the username of a locked account. Relies on the unique indexes on the username and its skeleton: of any
/// number of concurrent changes to the same name, one returns `true`; the others must roll their transactions back.
pub async fn update_username(tx: &Tx, id: UserId, username: &Username) -> Result<bool> {
    let update = edit(id)
        .col_expr(Column::Username, username.as_str().into())
        .col_expr(Column::UsernameSkeleton, username.skeleton().as_str().into());
    match update.exec(tx.inner()).await {
        Ok(_) => index(tx, id).await.map(|()| true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Stores the owner's changes of the profile of a locked account.
pub async fn update_profile(tx: &Tx, account: &Account) -> Result<()> {
    let User { summary, bio, .. } = &account.user;
    edit(summary.id)
        .col_expr(Column::DisplayName, summary.display_name.as_str().into())
        .col_expr(Column::Bio, bio.as_str().into())
        .col_expr(Column::AvatarKey, Expr::value(summary.avatar.map(|key| key.to_string())))
        .col_expr(Column::IsPrivate, summary.is_private.into())
        .col_expr(Column::Discoverable, account.discoverable.into())
        .col_expr(Column::MessagesFrom, account.messages_from.as_str().into())
        .col_expr(Column::LoginNotices, account.login_notices.into())
        .exec(tx.inner())
        .await?;
    search_index::index_user(tx, &account.user).await
}

/// Changes the role of an account.
pub async fn update_role(tx: &Tx, id: UserId, role: Role) -> Result<()> {
    edit(id).col_expr(Column::Role, role.as_str().into()).exec(tx.inner()).await?;
    Ok(())
}

/// Changes the status of an account.
pub async fn update_status(tx: &Tx, id: UserId, status: Status) -> Result<()> {
    edit(id).col_expr(Column::Status, status.as_str().into()).exec(tx.inner()).await?;
    Ok(())
}

/// Marks an account as deleted: removes its e-mail address, its password and its entry in the search index.
pub async fn update_deleted(tx: &Tx, id: UserId) -> Result<()> {
    edit(id)
        .col_expr(Column::Status, Status::Deleted.as_str().into())
        .col_expr(Column::Email, Expr::value(Option::<String>::None))
        .col_expr(Column::EmailVerifiedAt, Expr::value(Option::<i64>::None))
        .col_expr(Column::EmailKey, Expr::value(Option::<String>::None))
        .col_expr(Column::PasswordHash, Expr::value(Option::<String>::None))
        .exec(tx.inner())
        .await?;
    search_index::unindex_user(tx, id).await
}

/// Deletes the row of an account that its owner deleted, and rows that still reference it.
pub async fn delete(tx: &Tx, id: UserId) -> Result<()> {
    let deleted = Entity::delete_by_id(id.as_uuid()).filter(Column::Status.eq(Status::Deleted.as_str()));
    deleted.exec(tx.inner()).await?;
    Ok(())
}

/// An update that increments the version, as every change by an owner or an operator does.
pub(super) fn edit(id: UserId) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id.as_uuid()))
}

/// Adds `by` to the post count of `author`, for posts inserted (or, if negative, deleted) in the same transaction.
/// Locks the account like [`lock_to_count`], and returns the profile with its new count.
pub async fn update_post_count(tx: &Tx, author: UserId, by: i64) -> Result<Option<User>> {
    let update = Entity::update_many()
        .col_expr(Column::PostCount, Expr::col(Column::PostCount).add(by))
        .filter(Column::Id.eq(author.as_uuid()));
    update.exec_with_returning(tx.inner()).await?.pop().map(User::try_from).transpose()
}

/// Adds `by` to the follow counts of both accounts, for a follow inserted (1) or deleted (-1) in the same transaction.
pub(crate) async fn update_follow_counts(tx: &Tx, follower: UserId, followee: UserId, by: i64) -> Result<()> {
    let mut counts = [(follower, Column::FollowingCount), (followee, Column::FollowerCount)];
    // In a fixed order, so that two accounts that follow each other at the same time do not deadlock.
    counts.sort_unstable_by_key(|(user, _)| *user);
    for (user, count) in counts {
        Entity::update_many()
            .col_expr(count, Expr::col(count).add(by))
            .filter(Column::Id.eq(user.as_uuid()))
            .exec(tx.inner())
            .await?;
    }
    Ok(())
}

/// Lists the profiles of `ids`, in that order, in one statement. Skips ids without an account.
pub async fn list_by_ids(conn: &impl Conn, ids: &[UserId]) -> Result<Vec<User>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let rows = rows.all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.iter().filter_map(|id| rows.remove(&id.as_uuid())).map(User::try_from).collect()
}

fn by_username(username: &Username) -> Select<Entity> {
    Entity::find().filter(Column::Username.eq(username.as_str()))
}
