//! Images: their rows. A row is marked as deleted first, and goes when its files are gone.

use std::collections::{HashMap, HashSet};

use blegram_domain::{Job, Media, MediaId, MediaKey, PostId, Timestamp, UserId, media::MediaUse};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement, Value,
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
    jobs, rows,
};

/// Adds an image.
pub async fn insert(tx: &Tx, media: &Media) -> Result<()> {
    Entity::insert(Model::from(media).into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// The image with this id.
pub async fn find(conn: &impl Conn, id: MediaId) -> Result<Option<Media>> {
    by_id(id).one(conn.inner()).await?.map(Media::try_from).transpose()
}

/// The image with this id, held until the transaction ends: whoever else wants to change or use it waits.
pub async fn hold(tx: &Tx, id: MediaId) -> Result<Option<Media>> {
    by_id(id).lock_exclusive().one(tx.inner()).await?.map(Media::try_from).transpose()
}

/// The images of `ids`, held until the transaction ends. Those that are gone are left out.
pub async fn hold_all(tx: &Tx, ids: &[MediaId]) -> Result<HashMap<MediaId, Media>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // In one order everywhere, so that no two wait for each other.
    collect(these(ids).order_by_asc(Column::Id).lock_exclusive().all(tx.inner()).await?)
}

/// What came of looking for images to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// They, in order.
    All(Vec<Media>),
    /// At these places, none of the owner's.
    Missing(Vec<usize>),
    /// One of them has a use.
    InUse,
}

/// The images of `ids`, if all are `owner`'s and used for nothing yet, held until the transaction ends.
pub async fn hold_unused(tx: &Tx, owner: UserId, ids: &[MediaId]) -> Result<Held> {
    let mut found = hold_all(tx, ids).await?;
    found.retain(|_, media| media.owner == owner);
    let missing: Vec<usize> = (0..ids.len()).filter(|at| !found.contains_key(&ids[*at])).collect();
    Ok(if !missing.is_empty() {
        Held::Missing(missing)
    } else if found.values().any(|media| media.used.is_some()) {
        Held::InUse
    } else {
        Held::All(ids.iter().filter_map(|id| found.remove(id)).collect())
    })
}

/// Removes images whose use ends: they are marked, and jobs follow for their files and rows.
pub async fn remove(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    update_deleted(tx, ids, now).await?;
    for id in ids {
        jobs::insert(tx, Job::EraseMedia(*id), now, now).await?;
    }
    Ok(())
}

/// The images of `ids`, in one statement. Those that are gone are left out.
pub async fn list_by_ids(conn: &impl Conn, ids: &[MediaId]) -> Result<HashMap<MediaId, Media>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    collect(these(ids).all(conn.inner()).await?)
}

/// The picture of `owner`, held until the transaction ends.
pub async fn hold_avatar(tx: &Tx, owner: UserId) -> Result<Option<Media>> {
    let avatar = Entity::find()
        .filter(Column::OwnerId.eq(owner.as_uuid()))
        .filter(Expr::cust("media.is_avatar"))
        .lock_exclusive();
    avatar.one(tx.inner()).await?.map(Media::try_from).transpose()
}

/// Gives images that are held their use.
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

/// Marks images that are held as deleted. Their files are a job's to remove, and their rows after them.
pub async fn update_deleted(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    let none = Expr::value(Option::<Uuid>::None);
    let values = [
        (Column::DeletedAt, now.as_micros().into()),
        (Column::PostId, none.clone()),
        (Column::MessageId, none),
        (Column::IsAvatar, false.into()),
    ];
    update_all(tx, ids, values).await
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

/// Writes down what the owner of an image that is held made of it.
pub async fn update(tx: &Tx, media: &Media) -> Result<()> {
    let version = i64::try_from(media.version).unwrap_or(i64::MAX);
    let values = [(Column::Alt, Expr::value(media.alt.clone())), (Column::Version, Expr::value(version))];
    update_all(tx, &[media.id], values).await
}

/// Says that the files of an image that is locked are under `key` now, and files that have not been removed yet under
/// `previous`.
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

/// Says where the picture of an account is.
pub(crate) async fn update_avatar_key(tx: &Tx, owner: UserId, key: Option<MediaKey>) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::AvatarKey, Expr::value(key.map(|key| key.to_string())))
        .filter(user::Column::Id.eq(owner.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Up to `max` ids of images that are used for nothing since before `before`.
pub async fn list_unused(conn: &impl Conn, before: Timestamp, max: u64) -> Result<Vec<MediaId>> {
    // Spelt out, because a planner takes a partial index only for a condition that it can read.
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

/// Whose images are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All of an account.
    Owner(UserId),
    /// All of a post.
    Post(PostId),
    /// One, if it is marked as deleted.
    One(MediaId),
}

impl Of {
    fn filter(self) -> SimpleExpr {
        match self {
            Self::Owner(owner) => Column::OwnerId.eq(owner.as_uuid()),
            Self::Post(post) => Column::PostId.eq(post.as_uuid()),
            Self::One(media) => Column::Id.eq(media.as_uuid()).and(Column::DeletedAt.is_not_null()),
        }
    }
}

/// Up to `max` images of `of`, those among them that are marked as deleted included.
pub async fn list_of(conn: &impl Conn, of: Of, max: u64) -> Result<Vec<Media>> {
    let rows = Entity::find().filter(of.filter()).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Up to `max` images of `owner` whose files are not in the area where their use wants them.
pub async fn list_misplaced(conn: &impl Conn, owner: UserId, max: u64) -> Result<Vec<Media>> {
    misplaced(conn, owner, "LIMIT $2", i64::try_from(max).unwrap_or(i64::MAX).into()).await
}

async fn misplaced(conn: &impl Conn, owner: UserId, which: &str, value: Value) -> Result<Vec<Media>> {
    // In the public area is what everybody may see, and nothing else: neither what shows nothing yet, nor what belongs to a
    // suspended account. What is deleted is not moved but removed.
    const SQL: &str = "SELECT media.* FROM media JOIN users ON users.id = media.owner_id \
        LEFT JOIN posts ON posts.id = media.post_id \
        WHERE media.owner_id = $1 AND media.deleted_at IS NULL AND users.status <> 'deleted' \
        AND (media.post_id IS NULL OR posts.deleted_at IS NULL) \
        AND media.is_public <> (users.status = 'active' AND \
            (media.is_avatar OR coalesce(posts.visibility = 'public' AND NOT users.is_private, false)))";
    let values = [owner.as_uuid().into(), value];
    let sql = format!("{SQL} {which}");
    let statement = Statement::from_sql_and_values(conn.inner().get_database_backend(), sql, values);
    let rows = Entity::find().from_raw_sql(statement).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Whether the files of an image are not in the area where its use wants them.
pub async fn is_misplaced(conn: &impl Conn, media: &Media) -> Result<bool> {
    Ok(!misplaced(conn, media.owner, "AND media.id = $2", media.id.as_uuid().into()).await?.is_empty())
}

/// Up to `max` images after `after`, by id, those that are marked as deleted left out.
pub async fn list_after(conn: &impl Conn, after: Option<MediaId>, max: u64) -> Result<Vec<Media>> {
    let mut rows = Entity::find().filter(Column::DeletedAt.is_null());
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after.as_uuid()));
    }
    let rows = rows.order_by_asc(Column::Id).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// The `max` newest images, those that are marked as deleted included.
pub async fn list_newest(conn: &impl Conn, max: u64) -> Result<Vec<Media>> {
    let rows = Entity::find().order_by_desc(Column::Id).limit(max).all(conn.inner()).await?;
    rows.into_iter().map(Media::try_from).collect()
}

/// Which of `keys` an image has, or a job is to remove.
pub async fn list_known(conn: &impl Conn, keys: &[MediaKey]) -> Result<HashSet<MediaKey>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let of_rows = Entity::find().select_only().column(Column::Key).filter(Column::Key.is_in(&texts));
    let mut known: HashSet<String> = of_rows.into_tuple().all(conn.inner()).await?.into_iter().collect();
    let kinds = keys.iter().map(|key| Job::EraseFiles(*key).kind());
    let of_jobs = job::Entity::find()
        .select_only()
        .column(job::Column::Subject)
        .filter(job::Column::Kind.is_in(kinds.take(1)))
        .filter(job::Column::Subject.is_in(&texts));
    known.extend(of_jobs.into_tuple::<String>().all(conn.inner()).await?);
    Ok(keys.iter().filter(|key| known.contains(&key.to_string())).copied().collect())
}

/// Removes the rows of images whose files are gone.
pub async fn delete(tx: &Tx, ids: &[MediaId]) -> Result<u64> {
    rows::delete::<Entity>(tx, Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).await
}

fn undeleted() -> Select<Entity> {
    Entity::find().filter(Column::DeletedAt.is_null())
}

fn by_id(id: MediaId) -> Select<Entity> {
    undeleted().filter(Column::Id.eq(id.as_uuid()))
}

fn these(ids: &[MediaId]) -> Select<Entity> {
    undeleted().filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
}

fn collect(rows: Vec<Model>) -> Result<HashMap<MediaId, Media>> {
    rows.into_iter().map(|row| Media::try_from(row).map(|media| (media.id, media))).collect()
}
