//! Identities: accounts of users at other providers. The primary key decides that an identity belongs to one account,
//! and a unique index that an account has one identity per provider.

use blegram_domain::{Identity, IdentityKey, ProviderId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr,
};

use crate::{
    Conn, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::identity::{Column, Entity, Model},
    rows,
};

/// Inserts an identity, unless it is linked already or the account has another one of the provider.
pub async fn insert(tx: &Tx, identity: &Identity) -> Result<Inserted> {
    let row = Model {
        provider: identity.key.provider.as_str().to_owned(),
        subject: identity.key.subject.clone(),
        user_id: identity.user.as_uuid(),
        alternate_subject: identity.alternate_subject.clone(),
        display_name: identity.display_name.clone(),
        linked_at: identity.linked_at.as_micros(),
        last_login_at: identity.last_login_at.map(Timestamp::as_micros),
    };
    rows::insert(tx, row).await
}

/// Finds an identity.
pub async fn find(conn: &impl Conn, key: &IdentityKey) -> Result<Option<Identity>> {
    Entity::find().filter(by_key(key)).one(conn.inner()).await?.map(Identity::try_from).transpose()
}

/// Lists the identities of an account, by provider. There are as many as configured providers at most.
pub async fn list_of_user(conn: &impl Conn, user: UserId) -> Result<Vec<Identity>> {
    let rows = Entity::find().filter(Column::UserId.eq(user.as_uuid())).order_by_asc(Column::Provider);
    rows.all(conn.inner()).await?.into_iter().map(Identity::try_from).collect()
}

/// Counts the identities of an account.
pub async fn count_of_user(conn: &impl Conn, user: UserId) -> Result<u64> {
    Ok(Entity::find().filter(Column::UserId.eq(user.as_uuid())).count(conn.inner()).await?)
}

/// Stores a login with an identity, and the other id of the user if the provider reported one.
pub async fn update_login(
    tx: &Tx,
    key: &IdentityKey,
    alternate_subject: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let mut update = Entity::update_many().col_expr(Column::LastLoginAt, at.as_micros().into());
    if let Some(subject) = alternate_subject {
        update = update.col_expr(Column::AlternateSubject, Expr::value(subject));
    }
    update.filter(by_key(key)).exec(tx.inner()).await?;
    Ok(())
}

/// Deletes the identity of an account at a provider, and returns whether there was one.
pub async fn delete(tx: &Tx, user: UserId, provider: &ProviderId) -> Result<bool> {
    let which =
        Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::Provider.eq(provider.as_str()));
    Ok(rows::delete::<Entity>(tx, which).await? > 0)
}

/// Deletes the identity with this subject or alternate subject, and returns the accounts that had it.
pub async fn delete_by_subject(tx: &Tx, provider: &ProviderId, subject: &str) -> Result<Vec<UserId>> {
    let deleted =
        Entity::delete_many().filter(Condition::all().add(Column::Provider.eq(provider.as_str())).add(
            Condition::any().add(Column::Subject.eq(subject)).add(Column::AlternateSubject.eq(subject)),
        ));
    let rows = deleted.exec_with_returning(tx.inner()).await?;
    Ok(rows.into_iter().map(|row| UserId::from_uuid(row.user_id)).collect())
}

/// Deletes all identities of an account.
pub async fn delete_of_user(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}

fn by_key(key: &IdentityKey) -> Condition {
    Condition::all()
        .add(Column::Provider.eq(key.provider.as_str()))
        .add(Column::Subject.eq(key.subject.as_str()))
}
