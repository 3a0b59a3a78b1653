//! Second factors: authenticator apps and passkeys. Lock the account before changing its factors.

use blegram_domain::{Factor, FactorId, Timestamp, UserId, factor::FactorKind};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, IntoCondition},
};

pub use crate::entity::factor::{Passkey, Totp};
use crate::{
    Conn, Error, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::factor::{Column, Entity, Model},
    rows,
};

/// Inserts an authenticator app whose setup is not complete. Replaces another such app of the account.
pub async fn insert_totp(tx: &Tx, totp: Totp, name: Option<String>) -> Result<()> {
    let pending = of_kind(totp.user, FactorKind::Totp).add(Column::ConfirmedAt.is_null());
    rows::delete::<Entity>(tx, pending).await?;
    let row = Model {
        id: totp.id.as_uuid(),
        user_id: totp.user.as_uuid(),
        kind: FactorKind::Totp.as_str().to_owned(),
        name,
        created_at: totp.created_at.as_micros(),
        confirmed_at: None,
        last_used_at: None,
        sealed_secret: Some(totp.sealed_secret),
        last_step: None,
        credential_id: None,
        credential: None,
        credential_state: None,
        transports: None,
    };
    rows::insert(tx, row).await.map(drop)
}

/// Finds an authenticator app of `user` whose setup is not complete.
pub async fn find_pending_totp(conn: &impl Conn, user: UserId, id: FactorId) -> Result<Option<Totp>> {
    let pending = of_kind(user, FactorKind::Totp).add(Column::ConfirmedAt.is_null());
    let row = Entity::find_by_id(id.as_uuid()).filter(pending).one(conn.inner()).await?;
    row.map(Totp::try_from).transpose()
}

/// Finds the authenticator app of `user`.
pub async fn find_totp(conn: &impl Conn, user: UserId) -> Result<Option<Totp>> {
    let row = confirmed(user).filter(Column::Kind.eq(FactorKind::Totp.as_str())).one(conn.inner()).await?;
    row.map(Totp::try_from).transpose()
}

/// Completes the setup of an authenticator app with the code of `step`, and deletes the previous app of the account.
/// Returns whether the setup was pending.
pub async fn confirm_totp(tx: &Tx, user: UserId, id: FactorId, step: i64, at: Timestamp) -> Result<bool> {
    let previous = of_kind(user, FactorKind::Totp).add(Column::ConfirmedAt.is_not_null());
    rows::delete::<Entity>(tx, previous).await?;
    let confirm = Entity::update_many()
        .col_expr(Column::ConfirmedAt, at.as_micros().into())
        .col_expr(Column::LastStep, step.into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::ConfirmedAt.is_null());
    Ok(confirm.exec(tx.inner()).await?.rows_affected == 1)
}

/// Accepts the code of `step`, unless it or a later one was accepted before: of any number of concurrent calls, one
/// returns `true`.
pub async fn accept_totp_step(tx: &Tx, id: FactorId, step: i64, at: Timestamp) -> Result<bool> {
    let is_new = Condition::any().add(Column::LastStep.is_null()).add(Column::LastStep.lt(step));
    let accept = Entity::update_many()
        .col_expr(Column::LastStep, step.into())
        .col_expr(Column::LastUsedAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::ConfirmedAt.is_not_null())
        .filter(is_new);
    Ok(accept.exec(tx.inner()).await?.rows_affected == 1)
}

/// Inserts a passkey. Relies on the unique index on the id of the credential.
pub async fn insert_passkey(
    tx: &Tx,
    passkey: Passkey,
    name: Option<String>,
    at: Timestamp,
) -> Result<Inserted> {
    let row = Model {
        id: passkey.id.as_uuid(),
        user_id: passkey.user.as_uuid(),
        kind: FactorKind::Passkey.as_str().to_owned(),
        name,
        created_at: at.as_micros(),
        confirmed_at: Some(at.as_micros()),
        last_used_at: None,
        sealed_secret: None,
        last_step: None,
        credential_id: Some(passkey.credential_id),
        credential: Some(passkey.credential),
        credential_state: Some(passkey.state),
        transports: Some(passkey.transports),
    };
    rows::insert(tx, row).await
}

/// Finds a passkey by the id of its credential.
pub async fn find_passkey(conn: &impl Conn, credential_id: &[u8]) -> Result<Option<Passkey>> {
    let row =
        Entity::find().filter(Column::CredentialId.eq(credential_id.to_vec())).one(conn.inner()).await?;
    row.map(Passkey::try_from).transpose()
}

/// Lists the passkeys of `user`; at most [`Factor::MAX_PASSKEYS`].
pub async fn list_passkeys(conn: &impl Conn, user: UserId) -> Result<Vec<Passkey>> {
    let passkeys = confirmed(user).filter(Column::Kind.eq(FactorKind::Passkey.as_str()));
    passkeys.all(conn.inner()).await?.into_iter().map(Passkey::try_from).collect()
}

/// Stores the state of a passkey after a use. Returns `false` if it changed since it was read.
pub async fn update_passkey_state(
    tx: &Tx,
    id: FactorId,
    from: &[u8],
    to: &[u8],
    at: Timestamp,
) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::CredentialState, Expr::value(to.to_vec()))
        .col_expr(Column::LastUsedAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::CredentialState.eq(from.to_vec()));
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// Lists the confirmed factors of `user`, the newest first; a few at most.
pub async fn list(conn: &impl Conn, user: UserId) -> Result<Vec<Factor>> {
    let rows = confirmed(user).order_by_desc(Column::Id).all(conn.inner()).await?;
    rows.into_iter().map(Factor::try_from).collect()
}

/// Finds a confirmed factor of `user`.
pub async fn find(conn: &impl Conn, user: UserId, id: FactorId) -> Result<Option<Factor>> {
    let row = confirmed(user).filter(Column::Id.eq(id.as_uuid())).one(conn.inner()).await?;
    row.map(Factor::try_from).transpose()
}

/// Lists the kinds of the confirmed factors of `user`.
pub async fn list_kinds(conn: &impl Conn, user: UserId) -> Result<Vec<FactorKind>> {
    let kinds = confirmed(user).select_only().column(Column::Kind).into_tuple::<String>();
    let parse = |kind: String| kind.parse().map_err(|e| Error::corrupt("factors", user, e));
    kinds.all(conn.inner()).await?.into_iter().map(parse).collect()
}

/// Deletes a confirmed factor of `user`, and returns whether it existed.
pub async fn delete(tx: &Tx, user: UserId, id: FactorId) -> Result<bool> {
    let factor = of_user(user).add(Column::Id.eq(id.as_uuid())).add(Column::ConfirmedAt.is_not_null());
    Ok(rows::delete::<Entity>(tx, factor).await? == 1)
}

/// Deletes all factors of `user`, and returns how many.
pub async fn delete_all(tx: &Tx, user: UserId) -> Result<u64> {
    rows::delete::<Entity>(tx, of_user(user)).await
}

/// Deletes up to `max` authenticator apps whose setup started before `before` and is not complete.
pub async fn delete_pending(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    let pending = Column::ConfirmedAt.is_null().and(Column::CreatedAt.lte(before.as_micros()));
    rows::delete_some::<Entity>(tx, Column::Id, pending.into_condition(), max).await
}

fn of_user(user: UserId) -> Condition {
    Condition::all().add(Column::UserId.eq(user.as_uuid()))
}

fn of_kind(user: UserId, kind: FactorKind) -> Condition {
    of_user(user).add(Column::Kind.eq(kind.as_str()))
}

fn confirmed(user: UserId) -> Select<Entity> {
    Entity::find().filter(of_user(user)).filter(Column::ConfirmedAt.is_not_null())
}
