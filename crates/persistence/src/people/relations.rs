//! Relationships between accounts (follows, follow requests, blocks, mutes), read in one statement, and the advisory
//! locks on them.

use std::collections::HashMap;

use blegram_domain::{PostId, Relation, UserId, UserSummary};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    prelude::Uuid,
    sea_query::{Expr, ExprTrait, SelectStatement, UnionType},
};

use crate::{
    Conn, Result, Tx,
    entity::{
        pair::{block, follow, follow_request, mute},
        user,
    },
    sql,
};

/// Returns the relationship of `viewer` to each of `others`, in one statement. Skips accounts without one.
pub async fn find(
    conn: &impl Conn,
    viewer: UserId,
    others: impl IntoIterator<Item = UserId>,
) -> Result<HashMap<UserId, Relation>> {
    let others: Vec<Uuid> =
        others.into_iter().filter(|other| *other != viewer).map(UserId::as_uuid).collect();
    if others.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query =
        pairs::<follow::Entity>(1, viewer, follow::Column::FollowerId, follow::Column::FolloweeId, &others);
    for other_kind in [
        pairs::<follow::Entity>(2, viewer, follow::Column::FolloweeId, follow::Column::FollowerId, &others),
        pairs::<follow_request::Entity>(
            3,
            viewer,
            follow_request::Column::RequesterId,
            follow_request::Column::TargetId,
            &others,
        ),
        pairs::<block::Entity>(4, viewer, block::Column::BlockerId, block::Column::BlockedId, &others),
        pairs::<block::Entity>(5, viewer, block::Column::BlockedId, block::Column::BlockerId, &others),
        pairs::<mute::Entity>(6, viewer, mute::Column::MuterId, mute::Column::MutedId, &others),
    ] {
        query.union(UnionType::All, other_kind);
    }
    let mut relations = HashMap::new();
    for (kind, other) in sql::list_built::<(i32, Uuid)>(conn, &query).await? {
        let relation: &mut Relation = relations.entry(UserId::from_uuid(other)).or_default();
        match kind {
            1 => relation.following = true,
            2 => relation.followed_by = true,
            3 => relation.requested = true,
            4 => relation.blocking = true,
            5 => relation.blocked_by = true,
            _ => relation.muting = true,
        }
    }
    Ok(relations)
}

#[derive(FromQueryResult)]
struct KnownRelations {
    #[sea_orm(nested)]
    summary: user::Summary,
    following: bool,
    followed_by: bool,
    requested: bool,
    blocking: bool,
    blocked_by: bool,
    muting: bool,
}

/// Returns the summaries of `ids` and the relationship of `viewer` to each, in one statement. Skips ids without an
/// account.
pub async fn list_people(
    conn: &impl Conn,
    viewer: UserId,
    ids: &[UserId],
) -> Result<HashMap<UserId, (UserSummary, Relation)>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut people = user::Entity::find()
        .select_only()
        .columns(user::Summary::COLUMNS)
        .filter(user::Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let viewer_id = viewer.as_uuid();
    for (name, exists) in [
        (
            "following",
            exists::<follow::Entity>(viewer_id, follow::Column::FollowerId, follow::Column::FolloweeId),
        ),
        (
            "followed_by",
            exists::<follow::Entity>(viewer_id, follow::Column::FolloweeId, follow::Column::FollowerId),
        ),
        (
            "requested",
            exists::<follow_request::Entity>(
                viewer_id,
                follow_request::Column::RequesterId,
                follow_request::Column::TargetId,
            ),
        ),
        ("blocking", exists::<block::Entity>(viewer_id, block::Column::BlockerId, block::Column::BlockedId)),
        (
            "blocked_by",
            exists::<block::Entity>(viewer_id, block::Column::BlockedId, block::Column::BlockerId),
        ),
        ("muting", exists::<mute::Entity>(viewer_id, mute::Column::MuterId, mute::Column::MutedId)),
    ] {
        people = people.column_as(exists, name);
    }
    let known = people.into_model::<KnownRelations>().all(conn.inner()).await?;
    let person = |known: KnownRelations| {
        let KnownRelations { summary, following, followed_by, requested, blocking, blocked_by, muting } =
            known;
        let relation = Relation { following, followed_by, requested, blocking, blocked_by, muting };
        UserSummary::try_from(summary).map(|summary| (summary.id, (summary, relation)))
    };
    known.into_iter().map(person).collect()
}

/// An `EXISTS` condition: a pair of `viewer` and the row of `users` is in the table.
fn exists<E: EntityTrait>(viewer: Uuid, from: E::Column, to: E::Column) -> Expr {
    let pair = E::find().select_only().column(to).filter(from.eq(viewer));
    let pair = pair.filter(to.into_expr().equals((user::Entity, user::Column::Id)));
    Expr::exists(pair.into_query())
}

#[derive(FromQueryResult)]
struct Toward {
    viewer: Uuid,
    following: bool,
    followed_by: bool,
    requested: bool,
    blocking: bool,
    blocked_by: bool,
    muting: bool,
}

/// Returns the relationship of each of `viewers` to `author`, in one statement for any number. Skips viewers without
/// one.
pub async fn list_toward(
    conn: &impl Conn,
    author: UserId,
    viewers: &[UserId],
) -> Result<HashMap<UserId, Relation>> {
    if viewers.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = sql::backend(conn);
    let ids = sql::select_ids(backend, "$2");
    let sql = format!(
        "SELECT viewer.id AS viewer, \
         EXISTS (SELECT 1 FROM follows WHERE follower_id = viewer.id AND followee_id = $1) AS following, \
         EXISTS (SELECT 1 FROM follows WHERE follower_id = $1 AND followee_id = viewer.id) AS followed_by, \
         EXISTS (SELECT 1 FROM follow_requests WHERE requester_id = viewer.id AND target_id = $1) AS requested, \
         EXISTS (SELECT 1 FROM blocks WHERE blocker_id = viewer.id AND blocked_id = $1) AS blocking, \
         EXISTS (SELECT 1 FROM blocks WHERE blocker_id = $1 AND blocked_id = viewer.id) AS blocked_by, \
         EXISTS (SELECT 1 FROM mutes WHERE muter_id = viewer.id AND muted_id = $1) AS muting \
         FROM ({ids}) AS viewer"
    );
    let viewers = sql::ids(backend, viewers.iter().map(|viewer| viewer.as_uuid()));
    let values = [author.as_uuid().into(), viewers];
    let rows: Vec<Toward> = sql::list_named(conn, sql, values).await?;
    let relation = |row: Toward| {
        let Toward { viewer, following, followed_by, requested, blocking, blocked_by, muting } = row;
        (
            UserId::from_uuid(viewer),
            Relation { following, followed_by, requested, blocking, blocked_by, muting },
        )
    };
    Ok(rows.into_iter().map(relation).filter(|(_, relation)| *relation != Relation::default()).collect())
}

/// Returns the relationship of `viewer` to `other`.
pub async fn find_one(conn: &impl Conn, viewer: UserId, other: UserId) -> Result<Relation> {
    Ok(find(conn, viewer, [other]).await?.remove(&other).unwrap_or_default())
}

fn pairs<E: EntityTrait>(
    kind: i32,
    viewer: UserId,
    from: E::Column,
    to: E::Column,
    others: &[Uuid],
) -> SelectStatement {
    E::find()
        .select_only()
        .column_as(Expr::cust(kind.to_string()), "kind")
        .column_as(to, "other")
        .filter(from.eq(viewer.as_uuid()))
        .filter(to.is_in(others.iter().copied()))
        .into_query()
}

/// Takes shared advisory locks on the relationships between `actor` and each of `others` until the transaction ends; a
/// block waits for it. Call it before reading a relationship, when acting on something that belongs to one of `others`.
pub async fn lock_shared(tx: &Tx, actor: UserId, others: impl IntoIterator<Item = UserId>) -> Result<()> {
    advisory_lock(tx, "pg_advisory_xact_lock_shared", actor, others).await
}

/// Like [`lock_shared`], for the relationship to the author of `post`, whom it finds in the same statement. Locks nothing
/// if the post does not exist.
pub async fn lock_shared_with_author(tx: &Tx, actor: UserId, post: PostId) -> Result<()> {
    const SQL: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended(\
         concat_ws(' ', least(author_id, $2), greatest(author_id, $2)), 0)) \
         FROM posts WHERE id = $1 AND author_id <> $2";
    if !sql::is_postgres(tx) {
        return Ok(());
    }
    sql::execute(tx, SQL, [post.as_uuid().into(), actor.as_uuid().into()]).await.map(drop)
}

/// Like [`lock_shared`], but exclusive, to change the relationship: waits for all other holders.
pub async fn lock_exclusive(tx: &Tx, actor: UserId, other: UserId) -> Result<()> {
    advisory_lock(tx, "pg_advisory_xact_lock", actor, [other]).await
}

// SQLite has a single writer, so there is nothing to lock.
async fn advisory_lock(
    tx: &Tx,
    function: &str,
    actor: UserId,
    others: impl IntoIterator<Item = UserId>,
) -> Result<()> {
    if !sql::is_postgres(tx) {
        return Ok(());
    }
    let mut pairs: Vec<String> = others
        .into_iter()
        .filter(|other| *other != actor)
        .map(|other| format!("{} {}", actor.min(other), actor.max(other)))
        .collect();
    // In a fixed order, to avoid deadlocks.
    pairs.sort_unstable();
    for pair in pairs {
        let sql = format!("SELECT {function}(hashtextextended($1, 0))");
        sql::execute(tx, sql, [pair.into()]).await?;
    }
    Ok(())
}
