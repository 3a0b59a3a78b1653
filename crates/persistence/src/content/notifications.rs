//! Notifications, and the read marks of users.
//!
//! A notification is unique by its subject, actor, recipient and kind, so an action that is repeated notifies once.
//! Functions that insert or delete notifications return the recipients and ids, so that the recipients' clients can be
//! updated.

use std::collections::{HashMap, HashSet};

use blegram_domain::{
    CommentId, Notice, NoticeKind, Notification, NotificationId, PageRequest, PostId, Timestamp, UserId,
    notification::ReadMark, page::PageKeys,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select, Value,
    prelude::Uuid,
    sea_query::{Expr, ExprTrait, IntoCondition, Query},
};

use crate::{
    Conn, Result, Tx, comments,
    db::sealed::Sealed,
    entity::{
        notification::{Column, Entity},
        post::Removed,
        user,
    },
    keyset,
    order::{self, List},
    rows,
    sql::{self, Values},
};

/// Inserts notifications about actions of one actor. Skips recipients who were notified of the same before, who mute
/// the actor, or who are the actor. Returns the recipients and ids of the new notifications.
pub async fn insert(tx: &Tx, notices: &[Notice], now: Timestamp) -> Result<Vec<(UserId, NotificationId)>> {
    // The last lock of a transaction, except that on the list of posts.
    lock(tx, of_others(notices).map(|notice| notice.recipient)).await?;
    insert_locked(tx, notices, now).await
}

/// Like [`insert`], if the notifications of the recipients are locked ([`lock`]).
pub async fn insert_locked(
    tx: &Tx,
    notices: &[Notice],
    now: Timestamp,
) -> Result<Vec<(UserId, NotificationId)>> {
    let notices: Vec<&Notice> = of_others(notices).collect();
    if notices.is_empty() {
        return Ok(Vec::new());
    }
    let mut inserted = Vec::new();
    if sql::is_postgres(tx) {
        // As in `order::insert`. The condition is per row: some may be inserted.
        let is_newest = "coalesce((SELECT id FROM notifications WHERE user_id = notices.column2 \
                         ORDER BY id DESC LIMIT 1) < notices.column1, true)";
        inserted = insert_if(tx, &notices, now, is_newest).await?;
        if inserted.len() == notices.len() {
            return Ok(inserted);
        }
    }
    let lists = lists(notices.iter().map(|notice| notice.recipient));
    order::follow_newest(tx, &lists, now).await?;
    // Those that were inserted above conflict with themselves.
    inserted.extend(insert_if(tx, &notices, now, "true").await?);
    Ok(inserted)
}

/// An actor is not notified of an action of their own.
fn of_others(notices: &[Notice]) -> impl Iterator<Item = &Notice> {
    notices.iter().filter(|notice| notice.recipient != notice.actor)
}

/// Inserts those of `notices` that meet the SQL `condition`, with new ids.
async fn insert_if(
    tx: &Tx,
    notices: &[&Notice],
    now: Timestamp,
    condition: &str,
) -> Result<Vec<(UserId, NotificationId)>> {
    let mut values = Values::default();
    let rows: Vec<String> = notices.iter().map(|notice| bind(notice, now, &mut values)).collect();
    let sql = format!(
        "INSERT INTO notifications (id, user_id, kind, actor_id, post_id, comment_id, object_id, created_at) \
         SELECT * FROM (VALUES {}) AS notices \
         WHERE NOT EXISTS (SELECT 1 FROM mutes WHERE muter_id = notices.column2 AND muted_id = notices.column4) \
         AND {condition} \
         ON CONFLICT DO NOTHING RETURNING id, user_id",
        rows.join(", ")
    );
    Ok(ids_of(sql::list(tx, sql, values).await?))
}

/// Locks the notifications of `recipients` until the transaction ends, for [`insert_locked`].
pub async fn lock(tx: &Tx, recipients: impl IntoIterator<Item = UserId>) -> Result<()> {
    order::lock_only(tx, &lists(recipients)).await
}

/// The lists of notifications that an action of `actor` may insert into.
pub(crate) fn lists_of_others(actor: UserId, recipients: impl IntoIterator<Item = UserId>) -> Vec<List> {
    lists(recipients.into_iter().filter(|recipient| *recipient != actor))
}

fn lists(recipients: impl IntoIterator<Item = UserId>) -> Vec<List> {
    let mut recipients: Vec<UserId> = recipients.into_iter().collect();
    recipients.sort_unstable();
    recipients.dedup();
    recipients.into_iter().map(|user| List::by_user("notifications", "user_id", user)).collect()
}

/// Binds the values of a row.
fn bind(notice: &Notice, now: Timestamp, values: &mut Values) -> String {
    let row: [Value; 8] = [
        NotificationId::generate(now).as_uuid().into(),
        notice.recipient.as_uuid().into(),
        notice.kind.as_str().into(),
        notice.actor.as_uuid().into(),
        notice.post.map(PostId::as_uuid).into(),
        notice.comment.map(CommentId::as_uuid).into(),
        object(notice).into(),
        now.as_micros().into(),
    ];
    format!("({})", values.bind_all(row))
}

fn object(notice: &Notice) -> Uuid {
    let id = notice.comment.map(CommentId::as_uuid).or(notice.post.map(PostId::as_uuid));
    id.unwrap_or(notice.actor.as_uuid())
}

/// Deletes the notification of an action that was undone. Returns the recipient and id of the deleted notification.
pub async fn delete(tx: &Tx, notice: &Notice) -> Result<Vec<(UserId, NotificationId)>> {
    let by_notice = Condition::all()
        .add(Column::ObjectId.eq(object(notice)))
        .add(Column::ActorId.eq(notice.actor.as_uuid()))
        .add(Column::UserId.eq(notice.recipient.as_uuid()))
        .add(Column::Kind.eq(notice.kind.as_str()));
    delete_returning(tx, by_notice).await
}

/// Deletes the rows that match `which`, and returns their recipients and ids.
async fn delete_returning(tx: &Tx, which: Condition) -> Result<Vec<(UserId, NotificationId)>> {
    let mut delete = Query::delete();
    delete.from_table(Entity).cond_where(which);
    delete.returning(Query::returning().columns([Column::Id, Column::UserId]));
    Ok(ids_of(sql::list_built(tx, &delete).await?))
}

fn ids_of(rows: Vec<(Uuid, Uuid)>) -> Vec<(UserId, NotificationId)> {
    let ids = |(id, user)| (UserId::from_uuid(user), NotificationId::from_uuid(id));
    rows.into_iter().map(ids).collect()
}

/// Lists up to `max` notifications about a post and its comments, with their recipients.
pub async fn list_about_post(tx: &Tx, post: PostId, max: u64) -> Result<Vec<(UserId, NotificationId)>> {
    list_about(tx, Column::PostId.eq(post.as_uuid()), max).await
}

/// Lists up to `max` notifications about a comment, with their recipients.
pub async fn list_about_comment(
    tx: &Tx,
    comment: CommentId,
    max: u64,
) -> Result<Vec<(UserId, NotificationId)>> {
    list_about(tx, Column::CommentId.eq(comment.as_uuid()), max).await
}

async fn list_about(tx: &Tx, which: Expr, max: u64) -> Result<Vec<(UserId, NotificationId)>> {
    let rows = Entity::find().select_only().columns([Column::UserId, Column::Id]).filter(which).limit(max);
    let rows: Vec<(Uuid, Uuid)> = rows.into_tuple().all(tx.inner()).await?;
    let ids = |(user, id)| (UserId::from_uuid(user), NotificationId::from_uuid(id));
    Ok(rows.into_iter().map(ids).collect())
}

/// Returns the recipients of notifications from `actor` about the post or comment `object`.
pub async fn list_notified(conn: &impl Conn, actor: UserId, object: Uuid) -> Result<HashSet<UserId>> {
    let notified = Entity::find().select_only().column(Column::UserId).filter(Column::ObjectId.eq(object));
    let notified: Vec<Uuid> =
        notified.filter(Column::ActorId.eq(actor.as_uuid())).into_tuple().all(conn.inner()).await?;
    Ok(notified.into_iter().map(UserId::from_uuid).collect())
}

/// Deletes the notifications of mentions by `actor` in the post or comment `object`, except those to `mentioned`, who
/// are still mentioned. Returns the recipients and ids.
pub async fn delete_mentions_except(
    tx: &Tx,
    actor: UserId,
    object: Uuid,
    mentioned: &[UserId],
) -> Result<Vec<(UserId, NotificationId)>> {
    let mentions = Condition::all()
        .add(Column::ObjectId.eq(object))
        .add(Column::ActorId.eq(actor.as_uuid()))
        .add(Column::Kind.eq(NoticeKind::Mention.as_str()))
        .add(Column::UserId.is_not_in(mentioned.iter().map(|user| user.as_uuid())));
    delete_returning(tx, mentions).await
}

/// Deletes the notifications that two users have of each other. Returns the recipients and ids.
pub async fn delete_between(tx: &Tx, one: UserId, other: UserId) -> Result<Vec<(UserId, NotificationId)>> {
    let between = |recipient: UserId, actor: UserId| {
        Column::UserId.eq(recipient.as_uuid()).and(Column::ActorId.eq(actor.as_uuid()))
    };
    delete_returning(tx, Condition::any().add(between(one, other)).add(between(other, one))).await
}

/// Deletes up to `max` notifications to and from `user`. Returns the recipients and ids.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<Vec<(UserId, NotificationId)>> {
    let id = user.as_uuid();
    delete_some(tx, Condition::any().add(Column::UserId.eq(id)).add(Column::ActorId.eq(id)), max).await
}

/// Deletes up to `max` notifications about posts that are being deleted, and about their comments. Returns the
/// recipients and ids.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<Vec<(UserId, NotificationId)>> {
    let mut deleted = delete_some(tx, Column::PostId.in_subquery(posts.ids()), max).await?;
    let rest = max - deleted.len() as u64;
    deleted.extend(delete_some(tx, Column::CommentId.in_subquery(comments::ids_below(posts)), rest).await?);
    Ok(deleted)
}

async fn delete_some(tx: &Tx, which: impl IntoCondition, max: u64) -> Result<Vec<(UserId, NotificationId)>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    let some = Entity::find().select_only().column(Column::Id).filter(which.into_condition()).limit(max);
    delete_returning(tx, Condition::all().add(Column::Id.in_subquery(some.into_query()))).await
}

/// Deletes up to `max` notifications about a comment, and returns how many.
pub async fn delete_of_comment(tx: &Tx, comment: CommentId, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::CommentId.eq(comment.as_uuid()), max).await
}

/// Deletes up to `max` notifications from before `until`, and returns how many.
pub async fn delete_older_than(tx: &Tx, until: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::Id.lt(NotificationId::first_of(until).as_uuid()), max)
        .await
}

/// Lists the ids of the notifications that `user` may see, the newest first.
pub async fn list_ids(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<PageKeys> {
    keyset::ids(conn, readable(user), Column::Id, page).await
}

/// Lists the notifications of `ids`, in that order, in one statement. Skips ids that do not exist.
pub async fn list_by_ids(conn: &impl Conn, ids: &PageKeys) -> Result<Vec<Notification>> {
    if ids.keys().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.keys().iter().copied())).all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.keys().iter().filter_map(|id| rows.remove(id)).map(Notification::try_from).collect()
}

/// Finds a notification of `user` by id, if they may see it.
pub async fn find(conn: &impl Conn, user: UserId, id: NotificationId) -> Result<Option<Notification>> {
    let row = readable(user).filter(Column::Id.eq(id.as_uuid())).one(conn.inner()).await?;
    row.map(Notification::try_from).transpose()
}

/// Finds the read mark of `user`: the newest notification that they have read.
pub async fn find_read_up_to(conn: &impl Conn, user: UserId) -> Result<Option<NotificationId>> {
    let up_to =
        user::Entity::find_by_id(user.as_uuid()).select_only().column(user::Column::NotificationsRead);
    let up_to = up_to.into_tuple::<Option<Uuid>>().one(conn.inner()).await?.flatten();
    Ok(up_to.map(NotificationId::from_uuid))
}

/// Finds the read mark of `user`, and counts the newer notifications that they may see.
pub async fn find_read_mark(conn: &impl Conn, user: UserId) -> Result<ReadMark> {
    let up_to = find_read_up_to(conn, user).await?;
    let mut unread = readable(user);
    if let Some(up_to) = up_to {
        unread = unread.filter(Column::Id.gt(up_to.as_uuid()));
    }
    let unread_count = unread.count(conn.inner()).await?;
    Ok(ReadMark { unread_count, up_to })
}

/// Advances the read mark of `user` to their newest notification that is not newer than `up_to`. Never moves it back,
/// and never beyond the newest notification. Returns whether it moved.
pub async fn update_read_mark(tx: &Tx, user: UserId, up_to: NotificationId) -> Result<bool> {
    let newest = Entity::find().select_only().column(Column::Id).filter(Column::UserId.eq(user.as_uuid()));
    let newest = newest.filter(Column::Id.lte(up_to.as_uuid())).order_by_desc(Column::Id);
    let Some(newest) = newest.into_tuple::<Uuid>().one(tx.inner()).await? else { return Ok(false) };
    let is_behind = Condition::any()
        .add(user::Column::NotificationsRead.is_null())
        .add(user::Column::NotificationsRead.lt(newest));
    let update = user::Entity::update_many()
        .col_expr(user::Column::NotificationsRead, newest.into())
        .filter(user::Column::Id.eq(user.as_uuid()))
        .filter(is_behind);
    Ok(update.exec(tx.inner()).await?.rows_affected == 1)
}

/// The notifications that `user` may see. Repeats the visibility rules of `domain` in SQL, because hidden notifications
/// must not count as unread. Does not check blocks between recipient and actor: a block deletes the notifications that
/// the two have of each other.
fn readable(user: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(user.as_uuid())).filter(Expr::cust(
        "EXISTS (SELECT 1 FROM users AS actor WHERE actor.id = notifications.actor_id AND actor.status = 'active') \
         AND NOT EXISTS (SELECT 1 FROM mutes WHERE muter_id = notifications.user_id AND muted_id = notifications.actor_id) \
         AND (notifications.comment_id IS NULL OR EXISTS \
           (SELECT 1 FROM comments WHERE comments.id = notifications.comment_id AND comments.deleted_at IS NULL)) \
         AND (notifications.post_id IS NULL OR EXISTS \
           (SELECT 1 FROM posts JOIN users AS author ON author.id = posts.author_id \
            WHERE posts.id = notifications.post_id AND posts.deleted_at IS NULL AND (author.id = notifications.user_id OR \
              author.status = 'active' \
              AND ((posts.visibility = 'public' AND NOT author.is_private) OR EXISTS \
                (SELECT 1 FROM follows WHERE follower_id = notifications.user_id AND followee_id = author.id)) \
              AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = notifications.user_id AND blocked_id = author.id) \
              AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocker_id = author.id AND blocked_id = notifications.user_id))))",
    ))
}
