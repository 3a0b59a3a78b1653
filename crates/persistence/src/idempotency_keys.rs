//! Requests that clients may send again, and what was answered to them.

use blegram_domain::{RequestId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::OnConflict,
};

use crate::{
    Error, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::idempotency_key::{Column, Entity, Model},
};

/// A request that wants to be the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of whose request it is, what it does, and its key.
    pub scope: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of its body.
    pub fingerprint: [u8; 32],
    /// Which of those that were sent it is.
    pub by: RequestId,
    /// When it was sent.
    pub at: Timestamp,
    /// Until when nobody else may run it.
    pub lease_until: Timestamp,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the body that it came with first.
    pub fingerprint: Vec<u8>,
    /// Which request runs, or ran.
    pub claimed_by: RequestId,
    /// Until when nobody else may run it.
    pub lease_until: Timestamp,
    /// When it came first.
    pub created_at: Timestamp,
    /// What was answered; `None` while it runs.
    pub answer: Option<Answer>,
}

/// An answer to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of those headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Claims a key that nobody has claimed. Relies on the primary key: of any number, one is [`Inserted::New`].
pub async fn insert(tx: &Tx, claim: &Claim) -> Result<Inserted> {
    let row = Model {
        scope: claim.scope.to_vec(),
        user_id: claim.user.as_uuid(),
        fingerprint: claim.fingerprint.to_vec(),
        claimed_by: claim.by.as_uuid(),
        lease_until: claim.lease_until.as_micros(),
        created_at: claim.at.as_micros(),
        status: None,
        headers: None,
        body: None,
    };
    let insert =
        Entity::insert(row.into_active_model()).on_conflict(OnConflict::new().do_nothing().to_owned());
    match insert.exec_without_returning(tx.inner()).await {
        Ok(1) => Ok(Inserted::New),
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(Inserted::Existing),
        Err(error) => Err(error.into()),
    }
}

/// What is known of the key with this scope.
pub async fn find(tx: &Tx, scope: [u8; 32]) -> Result<Option<Kept>> {
    Entity::find_by_id(scope.to_vec()).one(tx.inner()).await?.map(Kept::try_from).transpose()
}

/// Takes the place of the request `from`, whose lease is over; says whether nobody else was faster.
pub async fn update_claim(tx: &Tx, from: RequestId, claim: &Claim) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::ClaimedBy, claim.by.as_uuid().into())
        .col_expr(Column::LeaseUntil, claim.lease_until.as_micros().into())
        .filter(Column::Scope.eq(claim.scope.to_vec()))
        .filter(Column::ClaimedBy.eq(from.as_uuid()))
        .filter(Column::Status.is_null());
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// Keeps what was answered to `claim`, unless another request has taken its place meanwhile.
pub async fn update_answer(tx: &Tx, claim: &Claim, answer: &Answer) -> Result<()> {
    let headers =
        serde_json::to_string(&answer.headers).map_err(|e| Error::Refused(DbErr::Json(e.to_string())))?;
    Entity::update_many()
        .col_expr(Column::Status, i32::from(answer.status).into())
        .col_expr(Column::Headers, headers.into())
        .col_expr(Column::Body, answer.body.clone().into())
        .filter(Column::Scope.eq(claim.scope.to_vec()))
        .filter(Column::ClaimedBy.eq(claim.by.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Forgets the key of request `by`.
pub async fn delete(tx: &Tx, scope: [u8; 32], by: RequestId) -> Result<()> {
    Entity::delete_by_id(scope.to_vec()).filter(Column::ClaimedBy.eq(by.as_uuid())).exec(tx.inner()).await?;
    Ok(())
}

/// Forgets up to `max` keys that came first before `before`; says how many.
pub async fn delete_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    let old = Entity::find().select_only().column(Column::Scope);
    let old = old.filter(Column::CreatedAt.lt(before.as_micros())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Scope.in_subquery(old)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}

/// Forgets up to `max` keys of `user`; says how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Scope);
    let some = some.filter(Column::UserId.eq(user.as_uuid())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Scope.in_subquery(some)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
