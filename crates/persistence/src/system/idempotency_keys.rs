//! Idempotency keys: retried requests, and the responses stored for them.
//!
//! The first request claims its key with a lease, runs, and stores its response, which later requests with the same key
//! get. If the lease expires without a response, another request with the key takes the claim over.

use blegram_domain::{RequestId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::OnConflict,
};

pub use crate::entity::idempotency_key::{Answer, StoredRequest};
use crate::{
    Error, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::idempotency_key::{Column, Entity, Model},
};

/// A request that claims an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the user, the operation and the key.
    pub scope: [u8; 32],
    /// The user who sent it.
    pub user: UserId,
    /// SHA-256 of the request body.
    pub fingerprint: [u8; 32],
    /// The id of this request, among those with the same key.
    pub by: RequestId,
    /// The time of the request.
    pub at: Timestamp,
    /// The end of the lease: until then, no other request may run.
    pub lease_until: Timestamp,
}

/// Claims a key that no request has claimed. Relies on the primary key: of any number of concurrent claims, one is
/// [`Inserted::New`].
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

/// Finds the key with this scope.
pub async fn find(tx: &Tx, scope: [u8; 32]) -> Result<Option<StoredRequest>> {
    Entity::find_by_id(scope.to_vec()).one(tx.inner()).await?.map(StoredRequest::try_from).transpose()
}

/// Takes over the claim of request `from`, whose lease has expired. Returns `false` if another request took it over
/// first.
pub async fn update_claim(tx: &Tx, from: RequestId, claim: &Claim) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::ClaimedBy, claim.by.as_uuid().into())
        .col_expr(Column::LeaseUntil, claim.lease_until.as_micros().into())
        .filter(Column::Scope.eq(claim.scope.to_vec()))
        .filter(Column::ClaimedBy.eq(from.as_uuid()))
        .filter(Column::Status.is_null());
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// Stores the response to `claim`, unless another request has taken it over meanwhile.
pub async fn update_answer(tx: &Tx, claim: &Claim, answer: &Answer) -> Result<()> {
    let headers =
        serde_json::to_string(&answer.headers).map_err(|e| Error::Rejected(DbErr::Json(e.to_string())))?;
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

/// Deletes the key, if request `by` still holds the claim.
pub async fn delete(tx: &Tx, scope: [u8; 32], by: RequestId) -> Result<()> {
    Entity::delete_by_id(scope.to_vec()).filter(Column::ClaimedBy.eq(by.as_uuid())).exec(tx.inner()).await?;
    Ok(())
}

/// Deletes up to `max` keys that were first used before `before`, and returns how many.
pub async fn delete_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    let old = Entity::find().select_only().column(Column::Scope);
    let old = old.filter(Column::CreatedAt.lt(before.as_micros())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Scope.in_subquery(old)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}

/// Deletes up to `max` keys of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Scope);
    let some = some.filter(Column::UserId.eq(user.as_uuid())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Scope.in_subquery(some)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
