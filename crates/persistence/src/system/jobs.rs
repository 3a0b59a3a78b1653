//! The durable job queue. A worker takes a job by moving its `run_at` into the future, as a lease: if it does not renew
//! the lease or finish by then, another worker takes the job. The commit of a transaction that changes when a job is due
//! wakes waiting workers: see [`Db::job_wakeup`](crate::Db::job_wakeup).

use blegram_domain::{Job, JobId, Timestamp};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    prelude::Uuid,
    sea_query::{Expr, LockBehavior, LockType},
};

pub use crate::entity::job::Failing;
use crate::{
    Conn, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::{
        self,
        job::{Column, Entity, Model},
    },
    rows, sql,
};

/// A job that this process has leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// The row.
    pub id: JobId,
    /// The kind of job.
    pub kind: String,
    /// The subject of the job.
    pub subject: String,
    /// How often the job was taken, or inserted again, since its last success, this time included. Distinguishes this
    /// lease from later ones, which is why inserting it again counts.
    pub attempts: u64,
}

/// The number of jobs in the queue, and the oldest failing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Jobs in the queue, due or not.
    pub waiting: u64,
    /// Those that failed at least once and have not succeeded since.
    pub failing: u64,
    /// The oldest of those.
    pub oldest_failing: Option<Failing>,
}

/// The jobs of one kind in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSummary {
    /// The kind, as it is stored: also one that this version does not know.
    pub kind: String,
    /// Jobs in the queue, due or not.
    pub waiting: u64,
    /// Those that are due and that no worker has taken.
    pub due: u64,
    /// Those that failed at least once and have not succeeded since.
    pub failing: u64,
    /// Since when the oldest of the due ones has been due.
    pub due_since: Option<Timestamp>,
}

/// Inserts a job that is due at `run_at`. Relies on the unique index on kind and subject: inserting it twice has the
/// effect of inserting it once.
pub async fn insert(tx: &Tx, job: Job, run_at: Timestamp, now: Timestamp) -> Result<Inserted> {
    let row = Model {
        id: JobId::generate(now).as_uuid(),
        kind: job.kind().to_owned(),
        subject: job.subject(),
        run_at: run_at.as_micros(),
        attempts: 0,
        last_error: None,
        created_at: now.as_micros(),
    };
    let inserted = rows::insert(tx, row).await?;
    if inserted == Inserted::New {
        tx.note_scheduled_job();
    }
    Ok(inserted)
}

/// Inserts a job that is due at `now`, or restarts it if it exists: also one that is running, because it may have read
/// the data before the change that this call belongs to.
pub async fn insert_again(tx: &Tx, job: Job, now: Timestamp) -> Result<()> {
    while insert(tx, job, now, now).await? == Inserted::Existing {
        let restart = Entity::update_many()
            // Invalidates the lease of a worker that is running it.
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .col_expr(Column::RunAt, now.as_micros().into())
            .filter(by_job(job));
        if restart.exec(tx.inner()).await?.rows_affected > 0 {
            tx.note_scheduled_job();
            break;
        }
        // It finished in between.
    }
    Ok(())
}

/// Makes a job due at `now` if it is due later. Does nothing if it does not exist.
pub async fn expedite(tx: &Tx, job: Job, now: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, now.as_micros().into())
        .filter(by_job(job))
        .filter(Column::RunAt.gt(now.as_micros()))
        .exec(tx.inner())
        .await?;
    tx.note_scheduled_job();
    Ok(())
}

/// Deletes a job that is no longer needed.
pub async fn cancel(tx: &Tx, job: Job) -> Result<()> {
    rows::delete::<Entity>(tx, by_job(job)).await.map(drop)
}

fn by_job(job: Job) -> sea_orm::Condition {
    sea_orm::Condition::all().add(Column::Kind.eq(job.kind())).add(Column::Subject.eq(job.subject()))
}

/// Finds when the first job of these kinds is due: a cheap read, so that an idle site never waits for SQLite's only
/// writer. A job that is running is due when its lease ends.
pub async fn find_next_run_at(conn: &impl Conn, kinds: &[&str]) -> Result<Option<Timestamp>> {
    let next =
        first(kinds).select_only().column(Column::Id).column(Column::RunAt).into_tuple::<(Uuid, i64)>();
    let Some((id, run_at)) = next.one(conn.inner()).await? else { return Ok(None) };
    entity::timestamp("jobs", id, run_at).map(Some)
}

/// Whether a job is due after `after`.
pub async fn is_any_after(conn: &impl Conn, after: Timestamp) -> Result<bool> {
    let later =
        Entity::find().select_only().column(Column::RunAt).filter(Column::RunAt.gt(after.as_micros()));
    Ok(later.order_by_desc(Column::RunAt).into_tuple::<i64>().one(conn.inner()).await?.is_some())
}

/// Makes every job that is due after `after` due at `run_at`.
pub async fn update_run_at_after(tx: &Tx, after: Timestamp, run_at: Timestamp) -> Result<()> {
    let update = Entity::update_many().col_expr(Column::RunAt, run_at.as_micros().into());
    update.filter(Column::RunAt.gt(after.as_micros())).exec(tx.inner()).await?;
    tx.note_scheduled_job();
    Ok(())
}

/// Leases the job of one of these kinds that has been due longest, until `lease_until`. Of any number of concurrent
/// callers, each gets a different job (`SKIP LOCKED`).
pub async fn take(
    tx: &Tx,
    kinds: &[&str],
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<LeasedJob>> {
    let due = first(kinds).filter(Column::RunAt.lte(now.as_micros()));
    let free = due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let Some(row) = free.one(tx.inner()).await? else { return Ok(None) };
    Entity::update_many()
        .col_expr(Column::RunAt, lease_until.as_micros().into())
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(row.id))
        .exec(tx.inner())
        .await?;
    let attempts = entity::count("jobs", row.id, row.attempts)? + 1;
    Ok(Some(LeasedJob { id: JobId::from_uuid(row.id), kind: row.kind, subject: row.subject, attempts }))
}

/// Extends the lease of a job until `run_at`, and returns whether this process still held it.
pub async fn update_run_at(tx: &Tx, leased: &LeasedJob, run_at: Timestamp) -> Result<bool> {
    let update = Entity::update_many().col_expr(Column::RunAt, run_at.as_micros().into());
    Ok(update.filter(by_lease(leased)).exec(tx.inner()).await?.rows_affected == 1)
}

/// Ends the lease of a job that has not finished: it is due at `now`, for any worker.
pub async fn update_released(tx: &Tx, leased: &LeasedJob, now: Timestamp) -> Result<()> {
    update_run_at(tx, leased, now).await?;
    tx.note_scheduled_job();
    Ok(())
}

/// Reschedules a job that failed.
pub async fn update_failed(tx: &Tx, leased: &LeasedJob, run_at: Timestamp, error: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, run_at.as_micros().into())
        .col_expr(Column::LastError, error.into())
        .filter(by_lease(leased))
        .exec(tx.inner())
        .await?;
    tx.note_scheduled_job();
    Ok(())
}

/// Reschedules a recurring job that succeeded.
pub async fn update_done(tx: &Tx, leased: &LeasedJob, run_at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, run_at.as_micros().into())
        .col_expr(Column::Attempts, 0.into())
        .col_expr(Column::LastError, Expr::value(Option::<String>::None))
        .filter(by_lease(leased))
        .exec(tx.inner())
        .await?;
    tx.note_scheduled_job();
    Ok(())
}

/// Deletes a job that succeeded.
pub async fn delete(tx: &Tx, leased: &LeasedJob) -> Result<()> {
    Entity::delete_many().filter(by_lease(leased)).exec(tx.inner()).await?;
    Ok(())
}

/// Summarises the job queue.
pub async fn summary(conn: &impl Conn) -> Result<Summary> {
    let failing = || Entity::find().filter(Column::LastError.is_not_null());
    let oldest = failing().order_by_asc(Column::CreatedAt).one(conn.inner()).await?;
    Ok(Summary {
        waiting: Entity::find().count(conn.inner()).await?,
        failing: failing().count(conn.inner()).await?,
        oldest_failing: oldest.map(Failing::try_from).transpose()?,
    })
}

/// Summarises the job queue at `now` by kind: the kinds that have a job.
pub async fn summary_by_kind(conn: &impl Conn, now: Timestamp) -> Result<Vec<KindSummary>> {
    let summary = "SELECT kind, COUNT(*), COUNT(CASE WHEN run_at <= $1 THEN 1 END), COUNT(last_error), MIN(run_at) \
                   FROM jobs GROUP BY kind ORDER BY kind";
    let rows = sql::list::<(String, i64, i64, i64, i64)>(conn, summary, [now.as_micros().into()]).await?;
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let summary = |(kind, waiting, due, failing, first)| KindSummary {
        kind,
        waiting: number(waiting),
        due: number(due),
        failing: number(failing),
        due_since: Timestamp::from_micros(first).filter(|first| *first <= now),
    };
    Ok(rows.into_iter().map(summary).collect())
}

fn first(kinds: &[&str]) -> Select<Entity> {
    Entity::find().filter(Column::Kind.is_in(kinds.iter().copied())).order_by_asc(Column::RunAt).limit(1)
}

/// The row, if the lease is still valid.
fn by_lease(leased: &LeasedJob) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(Column::Id.eq(leased.id.as_uuid()))
        .add(Column::Attempts.eq(sql::signed(leased.attempts)))
}
