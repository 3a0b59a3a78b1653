//! The addresses of accounts. An address finds its account once it is verified; until then it is only text.

use blegram_domain::{Account, EmailAddress, EmailKey, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Select, SqlErr, sea_query::Expr};

use super::users::{Credentials, edit};
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::user::{Column, Entity},
};

/// Finds the account with this verified address, whatever its status.
pub async fn find_account(conn: &impl Conn, key: &EmailKey) -> Result<Option<Account>> {
    by_key(key).one(conn.inner()).await?.map(Account::try_from).transpose()
}

/// Finds the credentials of the account with this verified address.
pub async fn find_credentials(conn: &impl Conn, key: &EmailKey) -> Result<Option<Credentials>> {
    by_key(key).one(conn.inner()).await?.map(Credentials::try_from).transpose()
}

/// Replaces the address of a locked account by one that is not verified.
pub async fn update_unverified(tx: &Tx, id: UserId, address: &EmailAddress) -> Result<()> {
    edit(id)
        .col_expr(Column::Email, address.as_str().into())
        .col_expr(Column::EmailVerifiedAt, Expr::value(Option::<i64>::None))
        .col_expr(Column::EmailKey, Expr::value(Option::<String>::None))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Replaces the address of a locked account by one that its owner has verified. Relies on the unique index on the key: of
/// any number of accounts that verify addresses of one mailbox, one returns `true`; the others must roll their
/// transactions back.
pub async fn update_verified(tx: &Tx, id: UserId, address: &EmailAddress, at: Timestamp) -> Result<bool> {
    let update = edit(id)
        .col_expr(Column::Email, address.as_str().into())
        .col_expr(Column::EmailVerifiedAt, at.as_micros().into())
        .col_expr(Column::EmailKey, address.key().as_str().into());
    match update.exec(tx.inner()).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Records that the logins to an account are limited at `now`, unless that was recorded after `since`. Returns whether it
/// was recorded: of any number of concurrent calls, once.
pub async fn update_logins_limited(tx: &Tx, id: UserId, now: Timestamp, since: Timestamp) -> Result<bool> {
    let is_older = Column::LoginsLimitedAt.is_null().or(Column::LoginsLimitedAt.lte(since.as_micros()));
    let update = Entity::update_many()
        .col_expr(Column::LoginsLimitedAt, now.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(is_older);
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

fn by_key(key: &EmailKey) -> Select<Entity> {
    Entity::find().filter(Column::EmailKey.eq(key.as_str()))
}
