//! Follows between accounts. The follow counts of both accounts change in the same transaction.

use blegram_domain::{PageRequest, RelationId, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect, prelude::Uuid};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    db::sealed::Sealed,
    entity::pair::follow::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows, users,
};

/// Generates the id of a follow between accounts whose counts are locked. Locks the followers of the one and the
/// accounts that the other follows until the transaction ends, so that both lists are in the order in which follows
/// become visible.
pub async fn next_id(tx: &Tx, follower: UserId, followee: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &lists(&[follower], followee), now).await?;
    Ok(RelationId::generate(now))
}

/// Takes the locks of [`next_id`] at once, for many followers of one account. The counts of all accounts are locked,
/// and nothing has been written yet.
pub async fn lock(tx: &Tx, followers: &[UserId], followee: UserId) -> Result<()> {
    if followers.is_empty() {
        return Ok(());
    }
    order::lock_only(tx, &lists(followers, followee)).await
}

fn lists(followers: &[UserId], followee: UserId) -> Vec<List> {
    let of_followers = followers.iter().map(|follower| List::by_user("follows", "follower_id", *follower));
    of_followers.chain([List::by_user("follows", "followee_id", followee)]).collect()
}

/// Inserts a follow and counts it for both accounts. Changes nothing if it exists.
pub async fn insert(tx: &Tx, id: RelationId, follower: UserId, followee: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), follower_id: follower.as_uuid(), followee_id: followee.as_uuid() };
    let inserted = rows::insert(tx, row).await?;
    if inserted == Inserted::New {
        users::update_follow_counts(tx, follower, followee, 1).await?;
    }
    Ok(inserted)
}

/// Deletes a follow, updates the counts, and returns whether it existed.
pub async fn delete(tx: &Tx, follower: UserId, followee: UserId) -> Result<bool> {
    let pair = Column::FollowerId.eq(follower.as_uuid()).and(Column::FolloweeId.eq(followee.as_uuid()));
    let existed = rows::delete::<Entity>(tx, pair).await? == 1;
    if existed {
        users::update_follow_counts(tx, follower, followee, -1).await?;
    }
    Ok(existed)
}

/// Deletes up to `max` follows of and by `user`, updates the counts, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let of_user = Condition::any().add(Column::FollowerId.eq(id)).add(Column::FolloweeId.eq(id));
    let pairs = Entity::find().select_only().columns([Column::FollowerId, Column::FolloweeId]);
    let pairs: Vec<(Uuid, Uuid)> = pairs.filter(of_user).limit(max).into_tuple().all(tx.inner()).await?;
    let mut pairs: Vec<_> = pairs
        .into_iter()
        .map(|(follower, followee)| (UserId::from_uuid(follower), UserId::from_uuid(followee)))
        .collect();
    // The order in which every transaction updates the counts of many accounts.
    pairs.sort_unstable_by_key(|(follower, followee)| (*follower).max(*followee));
    let accounts: Vec<UserId> =
        pairs.iter().flat_map(|(follower, followee)| [*follower, *followee]).collect();
    users::lock_counts(tx, &accounts).await?;
    for (follower, followee) in &pairs {
        delete(tx, *follower, *followee).await?;
    }
    Ok(pairs.len() as u64)
}

/// Lists the followers of `user`, the latest first.
pub async fn list_followers(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::FolloweeId.eq(user.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::FollowerId, UserId::from_uuid, page).await
}

/// Lists the accounts that `user` follows, the latest first.
pub async fn list_following(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::FollowerId.eq(user.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::FolloweeId, UserId::from_uuid, page).await
}
