//! Images. A row is first marked as deleted; a job then removes its files and deletes the row.

use std::collections::{HashMap, HashSet};

use blegram_domain::{Job, Media, MediaId, MediaKey, PostId, Timestamp, UserId, media::MediaUse};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
    Value,
    prelude::Uuid,
    sea_query::{Expr, SimpleExpr},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        job,
        media::{Column, Entity, Model},
        user,
    },
    images::media_usage,
    jobs, rows, sql,
};

/// Inserts an image, and locks the usage of its owner until the transaction ends.
pub async fn insert(tx: &Tx, media: &Media) -> Result<()> {
    Entity::insert(Model::from(media).into_active_model()).exec_without_returning(tx.inner()).await?;
    media_usage::add(tx, media.owner, media.amount()).await
}

/// Finds an image by id.
pub async fn find(conn: &impl Conn, id: MediaId) -> Result<Option<Media>> {
    by_id(id).one(conn.inner()).await?.map(Media::try_from).transpose()
}

/// Locks the image row (`FOR UPDATE`) until the transaction ends, and returns the image.
pub async fn lock(tx: &Tx, id: MediaId) -> Result<Option<Media>> {
    by_id(id).lock_exclusive().one(tx.inner()).await?.map(Media::try_from).transpose()
}

/// Locks the rows of the images of `ids` (`FOR UPDATE`) until the transaction ends. Skips ids that do not exist.
pub async fn lock_all(tx: &Tx, ids: &[MediaId]) -> Result<HashMap<MediaId, Media>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // In a fixed order, to avoid deadlocks.
    collect(by_ids(ids).order_by_asc(Column::Id).lock_exclusive().all(tx.inner()).await?)
}

/// The outcome of [`lock_unused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnusedMedia {
    /// All images, in order.
    All(Vec<Media>),
    /// The indexes at which the owner has no such image.
    Missing(Vec<usize>),
    /// An image is in use already.
    InUse,
}

/// Locks the images of `ids` until the transaction ends, if all belong to `owner` and are unused.
pub async fn lock_unused(tx: &Tx, owner: UserId, ids: &[MediaId]) -> Result<UnusedMedia> {
    let mut found = lock_all(tx, ids).await?;
    found.retain(|_, media| media.owner == owner);
    let missing: Vec<usize> = (0..ids.len()).filter(|at| !found.contains_key(&ids[*at])).collect();
    Ok(if !missing.is_empty() {
        UnusedMedia::Missing(missing)
    } else if found.values().any(|media| media.used.is_some()) {
        UnusedMedia::InUse
    } else {
        UnusedMedia::All(ids.iter().filter_map(|id| found.remove(id)).collect())
    })
}

/// Removes images from use: marks them as deleted, and inserts jobs that remove their files and rows.
pub async fn remove(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    update_deleted(tx, ids, now).await?;
    for id in ids {
        jobs::insert(tx, Job::PurgeMedia(*id), now, now).await?;
    }
    Ok(())
}

/// Returns the images of `ids`, in one statement. Skips ids that do not exist.
pub async fn list_by_ids(conn: &impl Conn, ids: &[MediaId]) -> Result<HashMap<MediaId, Media>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    collect(by_ids(ids).all(conn.inner()).await?)
}

/// Locks the avatar of `owner` until the transaction ends, and returns it.
pub async fn lock_avatar(tx: &Tx, owner: UserId) -> Result<Option<Media>> {
    let avatar = Entity::find()
        .filter(Column::OwnerId.eq(owner.as_uuid()))
        .filter(Expr::cust("media.is_avatar"))
        .lock_exclusive();
    avatar.one(tx.inner()).await?.map(Media::try_from).transpose()
}

/// Sets the use of locked images.
pub async fn update_used(tx: &Tx, ids: &[MediaId], used: MediaUse) -> Result<()> {
    let (post, message, is_avatar) = match used {
        MediaUse::Post(post) => (Some(post.as_uuid()), None, false),
        MediaUse::Message(message) => (None, Some(message.as_uuid()), false),
        MediaUse::Avatar => (None, None, true),
    };
    let values = [
        (Column::PostId, Expr::value(post)),
        (Column::MessageId, Expr::value(message)),
        (Column::IsAvatar, is_avatar.into()),
    ];
    update_all(tx, ids, values).await
}

/// Marks locked images as deleted. A job removes their files, and then their rows.
pub async fn update_deleted(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    media_usage::subtract(tx, ids).await?;
    let none = Expr::value(Option::<Uuid>::None);
    let values = [
        (Column::DeletedAt, now.as_micros().into()),
        (Column::PostId, none.clone()),
        (Column::MessageId, none),
        (Column::IsAvatar, false.into()),
    ];
    update_all(tx, ids, values).await
}

/// Marks the images of a deleted post as deleted, and locks them until the transaction ends. They stay attached to it: the
/// job that purges the post removes them.
pub async fn update_deleted_with_post(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    if lock_all(tx, ids).await?.is_empty() {
        return Ok(());
    }
    media_usage::subtract(tx, ids).await?;
    update_all(tx, ids, [(Column::DeletedAt, now.as_micros().into())]).await
}

async fn update_all<const N: usize>(
    tx: &Tx,
    ids: &[MediaId],
    values: [(Column, SimpleExpr); N],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let update = Entity::update_many().filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let update = values.into_iter().fold(update, |update, (column, value)| update.col_expr(column, value));
    update.exec(tx.inner()).await?;
    Ok(())
}

/// Stores the owner's changes of a locked image.
pub async fn update(tx: &Tx, media: &Media) -> Result<()> {
    let version = sql::signed(media.version);
    let values = [(Column::Alt, Expr::value(media.alt.clone())), (Column::Version, Expr::value(version))];
    update_all(tx, &[media.id], values).await
}

/// Sets the key of a locked image, under which its files are now, and the previous key, if files under it still have to
/// be removed.
pub async fn update_key(tx: &Tx, media: &Media, key: MediaKey, previous: Option<MediaKey>) -> Result<()> {
    let is_public = key.is_public();
    let values = [
        (Column::Key, key.to_string().into()),
        (Column::PreviousKey, Expr::value(previous.map(|key| key.to_string()))),
        (Column::IsPublic, is_public.into()),
        (Column::IsLinked, is_public.into()),
    ];
    update_all(tx, &[media.id], values).await?;
    if media.used == Some(MediaUse::Avatar) {
        update_avatar_key(tx, media.owner, Some(key)).await?;
    }
    Ok(())
}

/// Sets the key of an account's avatar.
pub(crate) async fn update_avatar_key(tx: &Tx, owner: UserId, key: Option<MediaKey>) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::AvatarKey, Expr::value(key.map(|key| key.to_string())))
        .filter(user::Column::Id.eq(owner.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Lists up to `max` ids of unused images that were uploaded before `before`.
pub async fn list_unused(conn: &impl Conn, before: Timestamp, max: u64) -> Result<Vec<MediaId>> {
    // Spelt out, because the planner uses a partial index only if it can match the condition.
    let unused = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Expr::cust("post_id IS NULL AND message_id IS NULL AND NOT is_avatar AND deleted_at IS NULL"))
        .filter(Column::CreatedAt.lt(before.as_micros()))
        .order_by_asc(Column::CreatedAt)
        .limit(max);
    let ids: Vec<Uuid> = unused.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(MediaId::from_uuid).collect())
}

/// A filter for images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFilter {
    /// All images of an account.
    Owner(UserId),
    /// All images of a post.
    Post(PostId),
    /// One image, if it is marked as deleted.
    One(MediaId),
}

impl MediaFilter {
    fn condition(self) -> SimpleExpr {
        match self {
            Self::Owner(owner) => Column::OwnerId.eq(owner.as_uuid()),
            Self::Post(post) => Column::PostId.eq(post.as_uuid()),
            Self::One(media) => Column::Id.eq(media.as_uuid()).and(Column::DeletedAt.is_not_null()),
        }
    }
}

/// Lists up to `max` images that match `filter`, including those marked as deleted.
pub async fn list_of(conn: &impl Conn, filter: MediaFilter, max: u64) -> Result<Vec<Media>> {
    let rows = Entity::find().filter(filter.condition()).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Lists up to `max` images of `owner` whose files are in the wrong storage area for their use.
pub async fn list_misplaced(conn: &impl Conn, owner: UserId, max: u64) -> Result<Vec<Media>> {
    misplaced(conn, owner, "LIMIT $2", sql::signed(max).into()).await
}

async fn misplaced(conn: &impl Conn, owner: UserId, which: &str, value: Value) -> Result<Vec<Media>> {
    // The public area holds exactly what everyone may see: no unused images, and none of suspended accounts. Deleted
    // images are removed instead of moved.
    const SQL: &str = "SELECT media.* FROM media JOIN users ON users.id = media.owner_id \
        LEFT JOIN posts ON posts.id = media.post_id \
        WHERE media.owner_id = $1 AND media.deleted_at IS NULL AND users.status <> 'deleted' \
        AND (media.post_id IS NULL OR posts.deleted_at IS NULL) \
        AND media.is_public <> (users.status = 'active' AND \
            (media.is_avatar OR coalesce(posts.visibility = 'public' AND NOT users.is_private, false)))";
    let values = [owner.as_uuid().into(), value];
    let sql = format!("{SQL} {which}");
    let rows: Vec<Model> = sql::list_named(conn, sql, values).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Whether the files of an image are in the wrong storage area for its use.
pub async fn is_misplaced(conn: &impl Conn, media: &Media) -> Result<bool> {
    Ok(!misplaced(conn, media.owner, "AND media.id = $2", media.id.as_uuid().into()).await?.is_empty())
}

/// Lists up to `max` images after `after`, ordered by id, without those marked as deleted.
pub async fn list_after(conn: &impl Conn, after: Option<MediaId>, max: u64) -> Result<Vec<Media>> {
    let mut rows = Entity::find().filter(Column::DeletedAt.is_null());
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after.as_uuid()));
    }
    let rows = rows.order_by_asc(Column::Id).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Lists the `max` newest images, including those marked as deleted.
pub async fn list_newest(conn: &impl Conn, max: u64) -> Result<Vec<Media>> {
    let rows = Entity::find().order_by_desc(Column::Id).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Returns those of `keys` that an image has, or whose files a job will remove.
pub async fn list_known(conn: &impl Conn, keys: &[MediaKey]) -> Result<HashSet<MediaKey>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let of_rows = Entity::find().select_only().column(Column::Key).filter(Column::Key.is_in(&texts));
    let mut known: HashSet<String> = of_rows.into_tuple().all(conn.inner()).await?.into_iter().collect();
    let kinds = keys.iter().map(|key| Job::DeleteFiles(*key).kind());
    let of_jobs = job::Entity::find()
        .select_only()
        .column(job::Column::Subject)
        .filter(job::Column::Kind.is_in(kinds.take(1)))
        .filter(job::Column::Subject.is_in(&texts));
    known.extend(of_jobs.into_tuple::<String>().all(conn.inner()).await?);
    Ok(keys.iter().filter(|key| known.contains(&key.to_string())).copied().collect())
}

/// Deletes the rows of images whose files have been removed, and returns how many.
pub async fn delete(tx: &Tx, ids: &[MediaId]) -> Result<u64> {
    // Images of a deleted account are not marked as deleted, so they still count.
    lock_all(tx, ids).await?;
    media_usage::subtract(tx, ids).await?;
    rows::delete::<Entity>(tx, Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).await
}

fn undeleted() -> Select<Entity> {
    Entity::find().filter(Column::DeletedAt.is_null())
}

fn by_id(id: MediaId) -> Select<Entity> {
    undeleted().filter(Column::Id.eq(id.as_uuid()))
}

fn by_ids(ids: &[MediaId]) -> Select<Entity> {
    undeleted().filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
}

fn collect(rows: Vec<Model>) -> Result<HashMap<MediaId, Media>> {
    rows.into_iter().map(|row| Media::try_from(row).map(|media| (media.id, media))).collect()
}
