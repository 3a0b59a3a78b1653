//! Single-use tokens that were sent in mails. An account has at most one for each purpose, the newest.

use blegram_domain::{MailId, Timestamp, UserId, mail::TokenPurpose};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, prelude::Uuid,
};

pub use crate::entity::email_token::EmailToken;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        email_token::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Stores a token instead of the account's previous one for the same purpose. Lock the account first.
pub async fn replace(tx: &Tx, token: EmailToken, hash: &TokenHash) -> Result<()> {
    delete_of_purpose(tx, token.user, token.purpose).await?;
    let row = Model {
        id: token.id.as_uuid(),
        user_id: token.user.as_uuid(),
        purpose: token.purpose.as_str().to_owned(),
        address: token.address.into(),
        token_hash: hash.to_vec(),
        expires_at: token.expires_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds the mail with the account's token for `purpose`.
pub async fn find_mail(conn: &impl Conn, user: UserId, purpose: TokenPurpose) -> Result<Option<MailId>> {
    let row = Entity::find().select_only().column(Column::Id).filter(of_purpose(user, purpose));
    let id = row.into_tuple::<Uuid>().one(conn.inner()).await?;
    Ok(id.map(MailId::from_uuid))
}

/// Finds a token by its hash, expired or not.
pub async fn find_by_hash(conn: &impl Conn, hash: &TokenHash) -> Result<Option<EmailToken>> {
    let row = Entity::find().filter(Column::TokenHash.eq(hash.to_vec())).one(conn.inner()).await?;
    row.map(EmailToken::try_from).transpose()
}

/// Consumes a token: of any number of concurrent calls, one returns `true`.
pub async fn delete(tx: &Tx, id: MailId) -> Result<bool> {
    Ok(rows::delete::<Entity>(tx, Column::Id.eq(id.as_uuid())).await? == 1)
}

/// Deletes the token of an account for `purpose`.
pub async fn delete_of_purpose(tx: &Tx, user: UserId, purpose: TokenPurpose) -> Result<()> {
    rows::delete::<Entity>(tx, of_purpose(user, purpose)).await.map(drop)
}

/// Deletes the tokens of an account.
pub async fn delete_of_user(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}

/// Deletes up to `max` expired tokens, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::ExpiresAt.lte(now.as_micros()), max).await
}

fn of_purpose(user: UserId, purpose: TokenPurpose) -> Condition {
    Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::Purpose.eq(purpose.as_str()))
}
