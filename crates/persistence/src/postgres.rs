//! Connections to PostgreSQL: a pool of sqlx, in which a connection that does not write any more does not stay.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, TransactionTrait,
    prelude::async_trait::async_trait,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, pool::PoolConnectionMetadata, raw_sql},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    db::{Executed, Settings},
    error::leaves_doubt,
    patience::{PATIENCE, Patience},
    sqlite::{GRACE, STATEMENT_CACHE},
};

/// How long after an error of the server each connection is asked before it is used.
const DOUBTED_FOR: Duration = Duration::from_secs(60);

/// A connection that was idle for longer is asked, too.
const UNASKED_FOR: Duration = Duration::from_secs(30);

/// A connection that is younger stays although it only reads: while the database is read-only, new ones would be no better.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a connection may take to say that it is of use. After a failover the network may drop whatever is sent on the
/// connections that were there, without a word; TCP notices that after a quarter of an hour.
const ANSWER: Duration = Duration::from_secs(1);

/// How long all connections may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// When an error last said that connections may have lost their server, or that their server only reads now.
#[derive(Debug)]
struct Doubt {
    base: Instant,
    /// Milliseconds since `base`, and one; 0 is never.
    last: AtomicU64,
}

impl Doubt {
    fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.now() - last.min(self.now())) <= DOUBTED_FOR.as_millis()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// A pool, with what is known of its server.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) connection: DatabaseConnection,
    doubt: Arc<Doubt>,
    /// After which the server gives up a statement.
    limit: Duration,
    /// How many statements run at once, where that is less than all connections.
    places: Option<Arc<Semaphore>>,
}

impl Pool {
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, DbErr> {
        let doubt = Arc::new(Doubt { base: Instant::now(), last: AtomicU64::new(0) });
        let asking = Arc::clone(&doubt);
        // Set after connecting: PgBouncer refuses the startup parameter `options`, too.
        // A node that is frozen within a transaction lets go of what it locked before those who wait for it give up.
        let limits = format!(
            "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            settings.statement_timeout.as_millis(),
            (settings.statement_timeout / 2).as_millis()
        );
        let mut options = ConnectOptions::new(&settings.url);
        options
            .max_connections(settings.max_connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(|options| {
                // A startup parameter that PgBouncer refuses.
                let options = options.application_name("blegram").extra_float_digits(None);
                options.statement_cache_capacity(STATEMENT_CACHE)
            })
            .map_sqlx_postgres_pool_opts(move |options| {
                let (doubt, limits) = (Arc::clone(&asking), limits.clone());
                let options = options.after_connect(move |connection, _| {
                    let limits = limits.clone();
                    let set = async move { raw_sql(AssertSqlSafe(limits)).execute(connection).await };
                    Box::pin(async move { set.await.map(drop) })
                });
                let asking = Arc::clone(&doubt);
                let options = options.before_acquire(move |connection, used| {
                    let is_asked = asking.is_recent() || used.idle_for >= UNASKED_FOR;
                    let asking = Arc::clone(&asking);
                    Box::pin(async move {
                        Ok(!is_asked || answered(&asking, may_be_used(connection, used)).await?)
                    })
                });
                // sqlx asks every connection that comes back, and waits for the answer without end, which takes its
                // place away. So it is asked here before, and closed after an error.
                options.after_release(move |connection, _| {
                    let doubt = Arc::clone(&doubt);
                    Box::pin(async move { answered(&doubt, release(connection, doubt.is_recent())).await })
                })
            });
        Ok(Self {
            connection: Database::connect(options).await?,
            doubt,
            limit: settings.statement_timeout,
            places: None,
        })
    }

    /// The same connections, but no more than `at_once` of them at a time.
    pub(crate) fn share(&self, at_once: usize) -> Self {
        Self { places: Some(Arc::new(Semaphore::new(at_once))), ..self.clone() }
    }

    pub(crate) fn observe(&mut self, observer: impl Fn(Executed<'_>) + Send + Sync + 'static) {
        self.connection.set_metric_callback(move |info| {
            observer(Executed { sql: &info.statement.sql, elapsed: info.elapsed, failed: info.failed });
        });
    }

    /// Ends all connections, and gives those up that do not end.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        match timeout(CLOSING, self.connection.close()).await {
            Ok(closed) => closed,
            Err(_) => {
                tracing::warn!("connections to PostgreSQL are given up that do not close");
                Ok(())
            }
        }
    }

    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>, DbErr> {
        let Some(places) = &self.places else { return Ok(None) };
        let timed_out = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let permit = Patience::current().wait(Arc::clone(places).acquire_owned()).await.ok_or(timed_out)?;
        Ok(permit.ok())
    }

    /// Waits for a connection and a statement on it.
    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let _place = self.place().await?;
        bounded(&self.doubt, self.limit.saturating_add(PATIENCE), statement).await
    }
}

/// Gives a statement up when the server did not: it hangs, or the network does.
async fn bounded<T>(
    doubt: &Doubt,
    limit: Duration,
    statement: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let mut waiting = Waiting { doubt, since: tokio::time::Instant::now(), is_over: false };
    let result = timeout(limit.saturating_add(GRACE), statement).await.unwrap_or_else(|_| {
        let error = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        Err(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
    });
    waiting.is_over = true;
    if result.as_ref().is_err_and(leaves_doubt) {
        doubt.note();
    }
    result
}

/// Somebody who waits for an answer. Giving up after a while leaves doubt, too.
struct Waiting<'a> {
    doubt: &'a Doubt,
    since: tokio::time::Instant,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.since.elapsed() >= ANSWER {
            self.doubt.note();
        }
    }
}

/// What a connection says of itself, unless it takes too long.
async fn answered<T>(
    doubt: &Doubt,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| {
        doubt.note();
        Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
    })
}

/// Whether a connection may go back to the others: it answers, and no transaction is open on it.
async fn release(connection: &mut PgConnection, is_doubted: bool) -> Result<bool, sqlx::Error> {
    if is_doubted {
        // Its `BEGIN` may have been given up; then sqlx does not know of it.
        raw_sql("ROLLBACK").execute(connection).await?;
    } else {
        connection.ping().await?;
    }
    Ok(true)
}

/// Whether the server answers, and lets this connection write.
async fn may_be_used(
    connection: &mut PgConnection,
    used: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    let is_read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(is_read_only == "off" || used.age < YOUNG)
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(self.connection.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.connection.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.connection.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.connection.query_all_raw(statement)).await
    }
}

/// A write transaction. Dropping it takes everything back.
#[derive(Debug)]
pub(crate) struct Transaction {
    inner: DatabaseTransaction,
    doubt: Arc<Doubt>,
    limit: Duration,
}

impl Transaction {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of write transactions; the task ends by itself"
    )]
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, DbErr> {
        let connection = pool.connection.clone();
        // A task of its own, because sqlx 0.9.0 forgets a PostgreSQL transaction whose `BEGIN` is cancelled
        // halfway: the connection would go back to the pool with it open. If nobody waits any more when it has
        // begun, dropping the result takes it back.
        let doubt = Arc::clone(&pool.doubt);
        // That a `BEGIN` is given up which does not end leaves doubt, and with it the connection is rolled back.
        let begun = tokio::spawn(async move { bounded(&doubt, PATIENCE, connection.begin()).await });
        let begun = async { begun.await.map_err(|lost| DbErr::Custom(lost.to_string()))? };
        // The pool has the whole of it by itself; what is left of it is less.
        let patience = Patience::current();
        let begun = if patience.left() < PATIENCE {
            let begun = patience.wait(begun).await;
            begun.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
        } else {
            let began = Instant::now();
            let begun = begun.await;
            patience.spend(began.elapsed());
            begun
        };
        Ok(Self { inner: begun?, doubt: Arc::clone(&pool.doubt), limit: pool.limit })
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        bounded(&self.doubt, self.limit, self.inner.commit()).await
    }

    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        bounded(&self.doubt, self.limit, statement).await
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.inner.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.inner.query_all_raw(statement)).await
    }
}
