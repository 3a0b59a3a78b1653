//! Connections to PostgreSQL: a pool in which a connection that does not write any more does not stay.
//!
//! The pool is deadpool's and not sqlx's, which pings each connection that comes back: one round trip more for each read,
//! waited for without a limit. Here:
//!
//! - A connection whose last statement was answered goes back at once. One whose statement was given up, or whose
//!   transaction did not commit, is rolled back first, and closed when it does not answer within [`ANSWER`].
//! - After an error of the server each connection is asked before it is used, for a minute; so is one that was idle.
//! - Waiting for a connection counts against the [`Patience`] of the request; each statement has a limit.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres,
        postgres::PgConnectOptions, query::Query, raw_sql,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    runtime::Handle,
    sync::{Mutex, MutexGuard, OnceCell, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::{
    db::{Executed, Settings},
    error::{connecting, executing, is_starting, leaves_doubt, loses_server, querying},
    patience::Patience,
    sqlite::{GRACE, Observer, STATEMENT_CACHE},
};

/// How long after an error of the server each connection is asked before it is used.
const DOUBTED_FOR: Duration = Duration::from_secs(60);

/// A connection that was idle for longer is asked, too.
const UNASKED_FOR: Duration = Duration::from_secs(30);

/// A connection that is older is replaced: the caches of its backend only grow.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A connection that is younger stays although it only reads: while the database is read-only, new ones would be no better.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a connection may take to say that it is of use. After a failover the network may drop whatever is sent on the
/// connections that were there, without a word; TCP notices that after a quarter of an hour.
const ANSWER: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to connect to a server that is starting.
const RETRY: Duration = Duration::from_secs(1);

/// How many transactions of this process add to the list of the whole site at a time, or wait for its lock: one that
/// commits, and the next. The others wait here, because a process that is frozen loses the lock once for each of those that
/// wait for it in the database.
const TURNS: usize = 2;

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
    fn new() -> Self {
        Self { base: Instant::now(), last: AtomicU64::new(0) }
    }

    fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.now().saturating_sub(last)) <= DOUBTED_FOR.as_millis()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Makes connections, and says which of those that were idle may be used.
#[derive(Debug)]
struct Manager {
    options: PgConnectOptions,
    /// Set after connecting: PgBouncer refuses the startup parameter `options`.
    limits: String,
    doubt: Arc<Doubt>,
}

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        // Boxed, because it is large and rarely run: every statement would carry it otherwise.
        Box::pin(self.connect()).await
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() >= LIFETIME {
            return Err(RecycleError::message("it is old"));
        }
        if !self.doubt.is_recent() && metrics.last_used() < UNASKED_FOR {
            return Ok(());
        }
        if answered(&self.doubt, Box::pin(may_write(connection))).await? || metrics.age() < YOUNG {
            return Ok(());
        }
        Err(RecycleError::message("it only reads"))
    }
}

impl Manager {
    /// Tries again while the server is starting; the caller's patience ends that.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut pause = Duration::from_millis(10);
        let mut connection = loop {
            match self.options.connect().await {
                Err(error) if is_starting(&error) => {}
                connected => break connected?,
            }
            sleep(pause).await;
            pause = RETRY.min(pause * 2);
        };
        raw_sql(AssertSqlSafe(self.limits.clone())).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// Whether the server answers, and lets this connection write.
async fn may_write(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(is_read_only == "off")
}

/// What a connection says of itself, unless it takes too long.
async fn answered<T>(
    doubt: &Doubt,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| {
        doubt.note();
        Err(timed_out())
    })
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// A pool, with what is known of its server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    /// After which the server gives up a statement.
    limit: Duration,
    /// What searches have instead of all connections.
    search: Option<Search>,
    turns: Arc<Semaphore>,
    observer: Arc<OnceLock<Observer>>,
}

/// How searches use the connections.
#[derive(Debug, Clone)]
struct Search {
    /// How many statements run at once.
    permits: Arc<Semaphore>,
    /// After which the server gives up one of them.
    limit: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.connections.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Connects once, to know that it works.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, DbErr> {
        let options: PgConnectOptions = settings.url.parse().map_err(connecting)?;
        let options = options
            .application_name("blegram")
            // A startup parameter that PgBouncer refuses; PostgreSQL 12 and later write floats exactly without it.
            .extra_float_digits(None)
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging();
        // A node that is frozen within a transaction lets go of what it locked before those who wait for it give up, unless
        // they wait for several of its transactions, one after the other; see `Transaction::take_turn`.
        let limits = format!(
            "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            settings.statement_timeout.as_millis(),
            (settings.statement_timeout / 2).as_millis()
        );
        let manager = Manager { options, limits, doubt: Arc::new(Doubt::new()) };
        let max_size = usize::try_from(settings.max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        let connections = managed::Pool::builder(manager).max_size(max_size);
        let pool = Self {
            connections: connections.build().map_err(|error| DbErr::Custom(error.to_string()))?,
            limit: settings.statement_timeout,
            search: None,
            turns: Arc::new(Semaphore::new(TURNS)),
            observer: Arc::default(),
        };
        drop(pool.acquire(&Patience::current()).await?);
        Ok(pool)
    }

    /// The same connections for searches: no more than `at_once` of them at a time, and `limit` for each statement.
    pub(crate) fn searching(&self, at_once: usize, limit: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(at_once));
        Self { search: Some(Search { permits, limit: limit.min(self.limit) }), ..self.clone() }
    }

    pub(crate) fn observe(&self, observer: Observer) {
        // The first one stays; searches share it.
        let _ = self.observer.set(observer);
    }

    /// Ends the connections that are idle, which are all when the requests have ended. Those that are still used end when
    /// they come back.
    pub(crate) async fn close(self) {
        let idle = self.connections.retain(|_, _| false).removed;
        self.connections.close();
        let closing = async {
            for connection in idle {
                // A connection that does not close is not used either.
                let _ = connection.close().await;
            }
        };
        if timeout(CLOSING, closing).await.is_err() {
            tracing::warn!("connections to PostgreSQL are given up that do not close");
        }
    }

    /// A connection for one user, waited for in turn.
    async fn acquire(&self, patience: &Patience) -> Result<Lease, DbErr> {
        let permit = match &self.search {
            Some(search) => Some(wait_for(&search.permits, patience).await?),
            None => None,
        };
        let connection = patience.wait(self.connections.get()).await;
        let connection = connection.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let connection = connection.map_err(|error| match error {
            PoolError::Backend(error) => {
                self.doubt().note();
                connecting(error)
            }
            _ => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        })?;
        Ok(Lease {
            connection: Some(connection),
            unanswered_since: None,
            in_transaction: false,
            is_lost: false,
            is_left: false,
            pool: self.clone(),
            permit,
        })
    }

    fn doubt(&self) -> &Doubt {
        &self.connections.manager().doubt
    }

    fn report(&self, statement: &Statement, began: Instant, failed: bool) {
        if let Some(observer) = self.observer.get() {
            observer(Executed { sql: &statement.sql, elapsed: began.elapsed(), failed });
        }
    }

    /// A transaction for one statement of a search, which the server gives up before others.
    async fn search(&self) -> Result<Option<Transaction>, DbErr> {
        let Some(Search { limit, .. }) = &self.search else { return Ok(None) };
        let transaction = Transaction::begin(self).await?;
        let sql = "SELECT set_config('statement_timeout', $1, true)";
        let values = [limit.as_millis().to_string().into()];
        let limited = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        transaction.query_one_raw(limited).await?;
        Ok(Some(transaction))
    }
}

async fn wait_for(permits: &Arc<Semaphore>, patience: &Patience) -> Result<OwnedSemaphorePermit, DbErr> {
    let permit = patience.wait(Arc::clone(permits).acquire_owned()).await;
    let permit = permit.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
    permit.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

/// A connection while somebody uses it.
struct Lease {
    connection: Option<Object<Manager>>,
    /// Since when a statement waits for its answer.
    unanswered_since: Option<Instant>,
    /// Whether a transaction may be open on it.
    in_transaction: bool,
    /// Whether it lost its server.
    is_lost: bool,
    /// Whether nobody but [`Lease::recover`] uses it any more. Dropped then, as when the runtime ends, it is closed.
    is_left: bool,
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Runs one statement, which is given up some time after the server should have: it hangs, or the network does.
    async fn run<'c, T, F>(
        &'c mut self,
        limit: Duration,
        work: impl FnOnce(&'c mut PgConnection) -> F,
    ) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let Self { connection: Some(connection), unanswered_since, is_lost, pool, .. } = self else {
            return Err(sqlx::Error::PoolClosed);
        };
        *unanswered_since = Some(Instant::now());
        let Ok(result) = timeout(limit.saturating_add(GRACE), work(connection)).await else {
            return Err(timed_out());
        };
        *unanswered_since = None;
        *is_lost |= result.as_ref().is_err_and(loses_server);
        if result.as_ref().is_err_and(leaves_doubt) {
            pool.doubt().note();
        }
        result
    }

    async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let began = Instant::now();
        let result = self.run(self.pool.limit, |raw| query(statement).execute(raw)).await;
        self.pool.report(statement, began, result.is_err());
        result.map(ExecResult::from).map_err(executing)
    }

    async fn query_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let began = Instant::now();
        let result = self.run(self.pool.limit, |raw| query(statement).fetch_all(raw)).await;
        self.pool.report(statement, began, result.is_err());
        result.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(querying)
    }

    /// The first row. All of the answer is read: what is left of it would be the next user's.
    async fn query_one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all(statement).await?.into_iter().next())
    }

    async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let statements = raw_sql(AssertSqlSafe(sql.to_owned()));
        let result = self.run(self.pool.limit, |raw| statements.execute(raw)).await;
        result.map(ExecResult::from).map_err(executing)
    }

    /// `BEGIN` or `COMMIT`.
    async fn control(&mut self, sql: &'static str) -> Result<(), DbErr> {
        self.run(self.pool.limit, |raw| raw_sql(sql).execute(raw)).await.map(drop).map_err(executing)
    }

    /// Makes a connection one that others may use, or closes it.
    async fn recover(mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        // Answered after the statement that was left running.
        let rolled_back = raw_sql("ROLLBACK").execute(&mut **connection);
        if answered(self.pool.doubt(), rolled_back).await.is_ok() {
            (self.unanswered_since, self.in_transaction) = (None, false);
        }
    }

    const fn is_clean(&self) -> bool {
        self.unanswered_since.is_none() && !self.in_transaction && !self.is_lost
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.is_clean() {
            // Dropped, it goes back to the others.
            return;
        }
        if self.unanswered_since.is_some_and(|since| since.elapsed() >= ANSWER) {
            self.pool.doubt().note();
        }
        match Handle::try_current() {
            Ok(runtime) if !self.is_lost && !self.is_left => {
                let rest = Self {
                    connection: Some(connection),
                    unanswered_since: self.unanswered_since,
                    in_transaction: self.in_transaction,
                    is_lost: false,
                    is_left: true,
                    pool: self.pool.clone(),
                    permit: self.permit.take(),
                };
                runtime.spawn(rest.recover());
            }
            _ => drop(Object::take(connection)),
        }
    }
}

fn query(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.acquire(&Patience::current()).await?.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.acquire(&Patience::current()).await?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(transaction) = self.search().await? {
            return transaction.query_one_raw(statement).await;
        }
        self.acquire(&Patience::current()).await?.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(transaction) = self.search().await? {
            return transaction.query_all_raw(statement).await;
        }
        self.acquire(&Patience::current()).await?.query_all(&statement).await
    }
}

/// A write transaction. Dropping it takes everything back.
pub(crate) struct Transaction {
    lease: Mutex<Lease>,
    turns: Arc<Semaphore>,
    turn: OnceCell<OwnedSemaphorePermit>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction {
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, DbErr> {
        let patience = Patience::current();
        let mut lease = pool.acquire(&patience).await?;
        // If nobody waits any more before the answer is there, it may have begun.
        lease.in_transaction = true;
        let begun = patience.wait(lease.control("BEGIN")).await;
        begun.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))??;
        Ok(Self { lease: Mutex::new(lease), turns: Arc::clone(&pool.turns), turn: OnceCell::new() })
    }

    /// Waits for its turn among those of this process that lock what everybody waits for. It has it until its end.
    pub(crate) async fn take_turn(&self) -> Result<(), DbErr> {
        let take = || async { wait_for(&self.turns, &Patience::current()).await };
        self.turn.get_or_try_init(take).await.map(drop)
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let Self { lease, turn, .. } = self;
        let mut lease = lease.into_inner();
        lease.control("COMMIT").await?;
        lease.in_transaction = false;
        drop(turn);
        Ok(())
    }

    async fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().await
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.lease().await.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.lease().await.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.lease().await.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.lease().await.query_all(&statement).await
    }
}
