//! Suggestions of accounts to follow.

use std::collections::HashMap;

use blegram_domain::{RelationId, UserId};
use sea_orm::{ColumnTrait, Condition, prelude::Uuid};

use crate::{
    Conn, Inserted, Result, Tx,
    entity::pair::dismissed_suggestion::{Column, Entity, Model},
    rows,
    sql::{self, Values},
};

/// A suggested account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// The account.
    pub user: UserId,
    /// How many of the accounts that the user follows follow it.
    pub mutual_count: u64,
    /// The number of its followers.
    pub follower_count: u64,
}

/// How many followed accounts are considered, the latest follows first.
const MAX_FRIENDS: usize = 200;

/// Suggests at most `max` accounts to `user`: first those followed by the most accounts that `user` follows, then those
/// with the most followers. Excludes accounts that `user` follows, requested to follow, blocks, mutes or dismissed,
/// that block `user`, or that are not discoverable.
pub async fn list(conn: &impl Conn, user: UserId, max: usize) -> Result<Vec<Suggestion>> {
    let is_eligible = "users.status = 'active' AND users.discoverable AND users.id <> $1 \
         AND NOT EXISTS (SELECT 1 FROM follows WHERE follower_id = $1 AND followee_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM follow_requests WHERE requester_id = $1 AND target_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = $1 AND blocked_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = users.id AND blocked_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM mutes WHERE muter_id = $1 AND muted_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM dismissed_suggestions WHERE user_id = $1 AND dismissed_id = users.id)";
    let of_friends = format!(
        "SELECT users.id AS id, mutuals.mutual_count AS mutual_count, users.follower_count AS follower_count FROM \
         (SELECT theirs.followee_id AS id, count(*) AS mutual_count FROM \
           (SELECT followee_id FROM follows WHERE follower_id = $1 ORDER BY id DESC LIMIT {MAX_FRIENDS}) AS friends \
           JOIN follows AS theirs ON theirs.follower_id = friends.followee_id GROUP BY theirs.followee_id) AS mutuals \
         JOIN users ON users.id = mutuals.id WHERE {is_eligible} \
         ORDER BY mutuals.mutual_count DESC, users.follower_count DESC, users.id LIMIT {max}"
    );
    let mut suggestions = query(conn, of_friends, user).await?;
    if suggestions.len() < max {
        let popular = format!(
            "SELECT users.id AS id, CAST(0 AS BIGINT) AS mutual_count, users.follower_count AS follower_count FROM users WHERE {is_eligible} \
             ORDER BY users.follower_count DESC, users.id LIMIT {max}"
        );
        for other in query(conn, popular, user).await? {
            if suggestions.len() < max && suggestions.iter().all(|suggestion| suggestion.user != other.user) {
                suggestions.push(other);
            }
        }
    }
    Ok(suggestions)
}

async fn query(conn: &impl Conn, sql: String, user: UserId) -> Result<Vec<Suggestion>> {
    let rows: Vec<(Uuid, i64, i64)> = sql::list(conn, sql, [user.as_uuid().into()]).await?;
    let suggestion = |(id, mutual_count, follower_count): (Uuid, i64, i64)| Suggestion {
        user: UserId::from_uuid(id),
        mutual_count: mutual_count.unsigned_abs(),
        follower_count: follower_count.unsigned_abs(),
    };
    Ok(rows.into_iter().map(suggestion).collect())
}

/// Returns up to three followers of each of `others` whom `user` follows, in one statement.
pub async fn list_mutuals(
    conn: &impl Conn,
    user: UserId,
    others: &[UserId],
) -> Result<HashMap<UserId, Vec<UserId>>> {
    if others.is_empty() {
        return Ok(HashMap::new());
    }
    let mut values = Values::from([user.as_uuid().into()]);
    // Not as one array: PostgreSQL would then read all followers of each account.
    let others: Vec<String> = others.iter().map(|id| values.bind(id.as_uuid())).collect();
    let sql = format!(
        "SELECT ranked.of AS of, ranked.friend AS friend FROM (SELECT theirs.followee_id AS of, theirs.follower_id AS friend, \
           row_number() OVER (PARTITION BY theirs.followee_id ORDER BY theirs.id DESC) AS place FROM \
           (SELECT followee_id FROM follows WHERE follower_id = $1 ORDER BY id DESC LIMIT {MAX_FRIENDS}) AS friends \
           JOIN follows AS theirs ON theirs.follower_id = friends.followee_id \
           WHERE theirs.followee_id IN ({})) AS ranked WHERE ranked.place <= 3",
        others.join(", ")
    );
    let mut mutuals: HashMap<UserId, Vec<UserId>> = HashMap::new();
    for (of, friend) in sql::list::<(Uuid, Uuid)>(conn, sql, values).await? {
        mutuals.entry(UserId::from_uuid(of)).or_default().push(UserId::from_uuid(friend));
    }
    Ok(mutuals)
}

/// Records that `dismissed` is never suggested to `user` again.
pub async fn insert_dismissal(tx: &Tx, id: RelationId, user: UserId, dismissed: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), user_id: user.as_uuid(), dismissed_id: dismissed.as_uuid() };
    rows::insert(tx, row).await
}

/// Deletes up to `max` dismissals by and of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let of_user = Condition::any().add(Column::UserId.eq(id)).add(Column::DismissedId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, of_user, max).await
}
