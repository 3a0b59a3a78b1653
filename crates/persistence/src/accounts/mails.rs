//! Mails that wait to be sent. Each has a job; a mail whose row is deleted is not sent.

use blegram_domain::{MailId, Timestamp, UserId, mail::MailKind};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};

pub use crate::entity::mail::Mail;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::mail::{Column, Entity, Model},
    rows,
};

/// Inserts a mail. Insert its job in the same transaction.
pub async fn insert(tx: &Tx, mail: Mail) -> Result<()> {
    let row = Model {
        id: mail.id.as_uuid(),
        user_id: mail.user.map(UserId::as_uuid),
        kind: mail.kind.as_str().to_owned(),
        address: mail.address.into(),
        language: mail.language.map(|language| language.as_str().to_owned()),
        details: mail.details,
        created_at: mail.created_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds a mail.
pub async fn find(conn: &impl Conn, id: MailId) -> Result<Option<Mail>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(Mail::try_from).transpose()
}

/// Sets the account of a mail, and returns whether the mail still exists.
pub async fn update_user(tx: &Tx, id: MailId, user: UserId) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::UserId, user.as_uuid().into())
        .filter(Column::Id.eq(id.as_uuid()));
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// Deletes a mail.
pub async fn delete(tx: &Tx, id: MailId) -> Result<()> {
    Entity::delete_by_id(id.as_uuid()).exec(tx.inner()).await?;
    Ok(())
}

/// Deletes the waiting mails of `user` of some kinds.
pub async fn delete_kinds(tx: &Tx, user: UserId, kinds: &[MailKind]) -> Result<()> {
    let kinds = kinds.iter().map(|kind| kind.as_str());
    let which = Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::Kind.is_in(kinds));
    rows::delete::<Entity>(tx, which).await.map(drop)
}

/// Deletes up to `max` waiting mails of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::UserId.eq(user.as_uuid()), max).await
}

/// Deletes up to `max` mails that were queued before `before`, and returns how many.
pub async fn delete_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::CreatedAt.lt(before.as_micros()), max).await
}
