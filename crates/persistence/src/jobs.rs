//! Work that must not be lost. A job is taken by pushing its time into the future: if whoever took it is not heard of
//! again by then, somebody else takes it.

use blegram_domain::{Job, JobId, Timestamp};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, LockBehavior, LockType},
};

use crate::{
    Conn, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::{
        self,
        job::{Column, Entity, Model},
    },
    rows,
};

/// A job that this process may run until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its row.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How often it was taken, or wanted again while it was there, since it last was done, this time included. Tells this
    /// lease from later ones, which is why wanting it again counts.
    pub attempts: u64,
}

/// How many jobs wait, and how the one is that failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Jobs that are to run, now or later.
    pub waiting: u64,
    /// Those of them that failed at least once and were not done since.
    pub failing: u64,
    /// The oldest of those.
    pub oldest_failing: Option<Failing>,
}

/// A job that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// What kind of work it is.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How often it was tried.
    pub attempts: u64,
    /// Why it failed last.
    pub last_error: String,
    /// When it was first wanted.
    pub created_at: Timestamp,
}

/// Adds a job to be run from `run_at` on. Relies on the unique index of kind and subject: wanting it twice is wanting it
/// once.
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
    rows::insert(tx, row).await
}

/// Adds a job to be run from `now` on, or, if it is there, makes it begin again: also one that is being run, and has
/// perhaps looked before the change that this belongs to.
pub async fn insert_again(tx: &Tx, job: Job, now: Timestamp) -> Result<()> {
    while insert(tx, job, now, now).await? == Inserted::Existing {
        let again = Entity::update_many()
            // Whoever is on it finds that it is theirs no more.
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .col_expr(Column::RunAt, now.as_micros().into())
            .filter(wanted(job));
        if again.exec(tx.inner()).await?.rows_affected > 0 {
            break;
        }
        // It was done in between.
    }
    Ok(())
}

/// Lets a job that waits for its time run from `now` on; nothing happens to one that is not there.
pub async fn bring_forward(tx: &Tx, job: Job, now: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, now.as_micros().into())
        .filter(wanted(job))
        .filter(Column::RunAt.gt(now.as_micros()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Removes a job that is wanted no more.
pub async fn delete_wanted(tx: &Tx, job: Job) -> Result<()> {
    rows::delete::<Entity>(tx, wanted(job)).await.map(drop)
}

fn wanted(job: Job) -> sea_orm::Condition {
    sea_orm::Condition::all().add(Column::Kind.eq(job.kind())).add(Column::Subject.eq(job.subject()))
}

/// Whether a job of one of these kinds is due: a cheap question, so that a site with nothing to do never waits for
/// SQLite's only writer.
pub async fn is_any_due(conn: &impl Conn, kinds: &[&str], now: Timestamp) -> Result<bool> {
    Ok(due(kinds, now)
        .select_only()
        .column(Column::RunAt)
        .into_tuple::<i64>()
        .one(conn.inner())
        .await?
        .is_some())
}

/// Whether a job is to run after `after`.
pub async fn is_any_after(conn: &impl Conn, after: Timestamp) -> Result<bool> {
    let later =
        Entity::find().select_only().column(Column::RunAt).filter(Column::RunAt.gt(after.as_micros()));
    Ok(later.order_by_desc(Column::RunAt).into_tuple::<i64>().one(conn.inner()).await?.is_some())
}

/// Lets every job that is to run after `after` run at `run_at`.
pub async fn update_run_at_after(tx: &Tx, after: Timestamp, run_at: Timestamp) -> Result<()> {
    let update = Entity::update_many().col_expr(Column::RunAt, run_at.as_micros().into());
    update.filter(Column::RunAt.gt(after.as_micros())).exec(tx.inner()).await?;
    Ok(())
}

/// Takes the job of one of these kinds that has been due longest, until `lease_until`. Of any number who ask at the same
/// time, each gets another one.
pub async fn take(tx: &Tx, kinds: &[&str], now: Timestamp, lease_until: Timestamp) -> Result<Option<Taken>> {
    let free = due(kinds, now).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let Some(row) = free.one(tx.inner()).await? else { return Ok(None) };
    Entity::update_many()
        .col_expr(Column::RunAt, lease_until.as_micros().into())
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(row.id))
        .exec(tx.inner())
        .await?;
    let attempts = entity::count("jobs", row.id, row.attempts)? + 1;
    Ok(Some(Taken { id: JobId::from_uuid(row.id), kind: row.kind, subject: row.subject, attempts }))
}

/// Keeps a job until `run_at`, when it is free again; says whether it still was this process's.
pub async fn update_run_at(tx: &Tx, taken: &Taken, run_at: Timestamp) -> Result<bool> {
    let update = Entity::update_many().col_expr(Column::RunAt, run_at.as_micros().into());
    Ok(update.filter(is(taken)).exec(tx.inner()).await?.rows_affected == 1)
}

/// Puts a job off that failed.
pub async fn update_failed(tx: &Tx, taken: &Taken, run_at: Timestamp, error: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, run_at.as_micros().into())
        .col_expr(Column::LastError, error.into())
        .filter(is(taken))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Puts a job off that was done and comes back.
pub async fn update_done(tx: &Tx, taken: &Taken, run_at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RunAt, run_at.as_micros().into())
        .col_expr(Column::Attempts, 0.into())
        .col_expr(Column::LastError, Expr::value(Option::<String>::None))
        .filter(is(taken))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Removes a job that was done.
pub async fn delete(tx: &Tx, taken: &Taken) -> Result<()> {
    Entity::delete_many().filter(is(taken)).exec(tx.inner()).await?;
    Ok(())
}

/// How the jobs are.
pub async fn summary(conn: &impl Conn) -> Result<Summary> {
    let failing = || Entity::find().filter(Column::LastError.is_not_null());
    let oldest = failing().order_by_asc(Column::CreatedAt).one(conn.inner()).await?;
    Ok(Summary {
        waiting: Entity::find().count(conn.inner()).await?,
        failing: failing().count(conn.inner()).await?,
        oldest_failing: oldest.map(Failing::try_from).transpose()?,
    })
}

impl TryFrom<Model> for Failing {
    type Error = crate::Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            attempts: entity::count("jobs", row.id, row.attempts)?,
            created_at: entity::timestamp("jobs", row.id, row.created_at)?,
            kind: row.kind,
            subject: row.subject,
            last_error: row.last_error.unwrap_or_default(),
        })
    }
}

fn due(kinds: &[&str], now: Timestamp) -> Select<Entity> {
    Entity::find()
        .filter(Column::RunAt.lte(now.as_micros()))
        .filter(Column::Kind.is_in(kinds.iter().copied()))
        .order_by_asc(Column::RunAt)
        .limit(1)
}

/// The row, as long as nobody else took it since.
fn is(taken: &Taken) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(Column::Id.eq(taken.id.as_uuid()))
        .add(Column::Attempts.eq(i64::try_from(taken.attempts).unwrap_or(i64::MAX)))
}
