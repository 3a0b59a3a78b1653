//! Accounts, their profiles and their credentials.

use std::collections::HashMap;

use blegram_domain::{
    Account, DisplayName, EmailAddress, Timestamp, User, UserId, UserSummary, Username,
    conversation::MessagesFrom,
    user::{Role, Status},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, SqlErr, UpdateMany,
    prelude::Uuid,
    sea_query::{Expr, LockBehavior, LockType},
};

use crate::{
    Conn, Error, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::user::{Column, Entity, Model, Summary},
    rows, search,
};

/// An account to be.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its name, not taken by a look-alike.
    pub username: Username,
    /// The name it shows.
    pub display_name: DisplayName,
    /// Where it says to receive mail.
    pub email: Option<EmailAddress>,
    /// The PHC string of its password.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
    /// When it signed up.
    pub created_at: Timestamp,
}

/// What a login is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose they are.
    pub user: UserId,
    /// The PHC string; `None` for an account without a password.
    pub password_hash: Option<String>,
    /// Whether the account may log in.
    pub status: Status,
}

/// Adds an account. Relies on the unique indexes of the name and its skeleton: of any number of
/// simultaneous sign-ups under names that look alike, one is [`Inserted::New`].
pub async fn insert(tx: &Tx, user: NewUser) -> Result<Inserted> {
    let row = Model {
        id: user.id.as_uuid(),
        username_skeleton: user.username.skeleton().as_str().to_owned(),
        username: user.username.into(),
        display_name: user.display_name.into(),
        bio: String::new(),
        email: user.email.map(String::from),
        email_verified_at: None,
        password_hash: Some(user.password_hash),
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
    };
    let id = user.id;
    let inserted = rows::insert(tx, row).await?;
    if inserted == Inserted::New {
        index(tx, id).await?;
    }
    Ok(inserted)
}

/// Lets an account be found by the names that it has now.
async fn index(tx: &Tx, id: UserId) -> Result<()> {
    match find(tx, id).await? {
        Some(user) => search::index_user(tx, &user).await,
        None => Ok(()),
    }
}

/// The profile with this id, whatever its standing.
pub async fn find(conn: &impl Conn, id: UserId) -> Result<Option<User>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(User::try_from).transpose()
}

/// The profile with this name, whatever its standing.
pub async fn find_by_username(conn: &impl Conn, username: &Username) -> Result<Option<User>> {
    by_username(username).one(conn.inner()).await?.map(User::try_from).transpose()
}

/// Whether there is any account.
pub async fn is_any(conn: &impl Conn) -> Result<bool> {
    let any = Entity::find().select_only().column(Column::Status).into_tuple::<String>();
    Ok(any.one(conn.inner()).await?.is_some())
}

/// The account with this id, whatever its standing.
pub async fn find_account(conn: &impl Conn, id: UserId) -> Result<Option<Account>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(Account::try_from).transpose()
}

/// What a login under this name is checked against.
pub async fn find_credentials(conn: &impl Conn, username: &Username) -> Result<Option<Credentials>> {
    let Some(row) = by_username(username).one(conn.inner()).await? else { return Ok(None) };
    let status = row.status.parse().map_err(|e| Error::corrupt("users", row.id, e))?;
    Ok(Some(Credentials { user: UserId::from_uuid(row.id), password_hash: row.password_hash, status }))
}

/// Who wrote things: the summaries of `ids`, in one statement. Ids of nobody are left out.
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

/// Who may write to each of `ids` first.
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

/// The active accounts among `names`, in no order.
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

/// Replaces the password's hash by another of the same password.
pub async fn update_password_hash(tx: &Tx, id: UserId, from: &str, to: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, to.into())
        .filter(Column::Id.eq(id.as_uuid()))
        // A password changed meanwhile stays changed.
        .filter(Column::PasswordHash.eq(from))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// What the password of `id` is checked against; `None` for an account without one, or none at all.
pub async fn find_password_hash(conn: &impl Conn, id: UserId) -> Result<Option<String>> {
    let row = Entity::find_by_id(id.as_uuid()).select_only().column(Column::PasswordHash);
    Ok(row.into_tuple::<Option<String>>().one(conn.inner()).await?.flatten())
}

/// Replaces the password, if it is still the one with the hash `from` (`None`: if there is still none); says whether
/// it was.
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

/// The account with this id, kept as it is until the transaction ends: whoever wants to [`hold`] it waits. Counts change
/// all the same.
pub async fn keep(tx: &Tx, id: UserId) -> Result<Option<User>> {
    let row = Entity::find_by_id(id.as_uuid()).lock(LockType::KeyShare).one(tx.inner()).await?;
    row.map(User::try_from).transpose()
}

/// As [`keep`], of several accounts in one statement. Ids of nobody are left out.
pub async fn keep_all(tx: &Tx, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
    // In one order everywhere, so that no two wait for each other.
    let rows = Entity::find()
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
        .order_by_asc(Column::Id)
        .lock(LockType::KeyShare);
    let rows = rows.all(tx.inner()).await?;
    rows.into_iter().map(|row| User::try_from(row).map(|user| (user.summary.id, user))).collect()
}

/// The account with this id, held until the transaction ends: whoever else wants to change it waits.
pub async fn hold(tx: &Tx, id: UserId) -> Result<Option<Account>> {
    let row = Entity::find_by_id(id.as_uuid()).lock_exclusive().one(tx.inner()).await?;
    row.map(Account::try_from).transpose()
}

/// As [`keep`], and nobody else changes its counts: for whoever is going to. Before it is kept by anything else: between
/// the two somebody may begin to wait who wants to [`hold`] it, and of the two each would wait for the other.
pub async fn keep_to_count(tx: &Tx, id: UserId) -> Result<Option<User>> {
    let row = Entity::find_by_id(id.as_uuid()).lock(LockType::NoKeyUpdate).one(tx.inner()).await?;
    row.map(User::try_from).transpose()
}

/// As [`keep_to_count`], of several accounts, which are to be read after that. Before other accounts are kept, and before
/// relations are held.
pub async fn hold_counts(tx: &Tx, ids: &[UserId]) -> Result<()> {
    lock_counts(tx, ids, None).await.map(drop)
}

/// As [`hold_counts`], of those that nobody else has locked: says which. Whoever [`hold`]s an account waits for no other
/// one.
pub async fn hold_free_counts(tx: &Tx, ids: &[UserId]) -> Result<Vec<UserId>> {
    lock_counts(tx, ids, Some(LockBehavior::SkipLocked)).await
}

async fn lock_counts(tx: &Tx, ids: &[UserId], behavior: Option<LockBehavior>) -> Result<Vec<UserId>> {
    // SQLite's only writer waits for nobody.
    if tx.inner().get_database_backend() != DbBackend::Postgres || ids.is_empty() {
        return Ok(ids.to_vec());
    }
    let rows = Entity::find().select_only().column(Column::Id);
    let rows = rows.filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).order_by_asc(Column::Id);
    let rows = match behavior {
        Some(behavior) => rows.lock_with_behavior(LockType::NoKeyUpdate, behavior),
        None => rows.lock(LockType::NoKeyUpdate),
    };
    let held: Vec<Uuid> = rows.into_tuple().all(tx.inner()).await?;
    Ok(held.into_iter().map(UserId::from_uuid).collect())
}

/// Gives an account that is held another name. Relies on the unique indexes of the name and its skeleton: of any number
/// who want one name at the same time, one gets `true`; the transactions of the others are good for nothing any more.
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

/// Writes down what the owner of an account that is held made of its profile.
pub async fn update_profile(tx: &Tx, account: &Account) -> Result<()> {
    let User { summary, bio, .. } = &account.user;
    edit(summary.id)
        .col_expr(Column::DisplayName, summary.display_name.as_str().into())
        .col_expr(Column::Bio, bio.as_str().into())
        .col_expr(Column::AvatarKey, Expr::value(summary.avatar.map(|key| key.to_string())))
        .col_expr(Column::IsPrivate, summary.is_private.into())
        .col_expr(Column::Discoverable, account.discoverable.into())
        .col_expr(Column::MessagesFrom, account.messages_from.as_str().into())
        .exec(tx.inner())
        .await?;
    search::index_user(tx, &account.user).await
}

/// Changes what an account may do.
pub async fn update_role(tx: &Tx, id: UserId, role: Role) -> Result<()> {
    edit(id).col_expr(Column::Role, role.as_str().into()).exec(tx.inner()).await?;
    Ok(())
}

/// Changes whether an account takes part.
pub async fn update_status(tx: &Tx, id: UserId, status: Status) -> Result<()> {
    edit(id).col_expr(Column::Status, status.as_str().into()).exec(tx.inner()).await?;
    Ok(())
}

/// Makes an account one that nobody sees and nothing opens.
pub async fn update_deleted(tx: &Tx, id: UserId) -> Result<()> {
    edit(id)
        .col_expr(Column::Status, Status::Deleted.as_str().into())
        .col_expr(Column::Email, Expr::value(Option::<String>::None))
        .col_expr(Column::EmailVerifiedAt, Expr::value(Option::<i64>::None))
        .col_expr(Column::PasswordHash, Expr::value(Option::<String>::None))
        .exec(tx.inner())
        .await?;
    search::unindex_user(tx, id).await
}

/// Removes an account that its owner deleted, and what still refers to it.
pub async fn delete(tx: &Tx, id: UserId) -> Result<()> {
    let deleted = Entity::delete_by_id(id.as_uuid()).filter(Column::Status.eq(Status::Deleted.as_str()));
    deleted.exec(tx.inner()).await?;
    Ok(())
}

/// Every change of what an owner or an operator may change makes another version.
fn edit(id: UserId) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id.as_uuid()))
}

/// Counts posts of `author` that were added (or, negative, removed) in the same transaction.
pub async fn update_post_count(tx: &Tx, author: UserId, by: i64) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PostCount, Expr::col(Column::PostCount).add(by))
        .filter(Column::Id.eq(author.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Counts a follow that was added (or, with -1, removed) in the same transaction, for both.
pub(crate) async fn update_follow_counts(tx: &Tx, follower: UserId, followee: UserId, by: i64) -> Result<()> {
    let mut counts = [(follower, Column::FollowingCount), (followee, Column::FollowerCount)];
    // In one order everywhere, so that two who follow each other at the same time do not wait for each other.
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

/// The profiles of `ids`, in that order, in one statement. Ids of nobody are left out.
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
