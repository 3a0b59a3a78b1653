//! The PostgreSQL connection pool. It removes connections that have become read-only or unresponsive.
//!
//! The pool is deadpool's. sqlx's own pool pings every returned connection, which costs one round trip for each read
//! and waits for the answer without a timeout. Here:
//!
//! - A connection whose last statement completed returns to the pool at once. After an abandoned statement, or a
//!   transaction that did not commit, it is rolled back first, and closed if it does not respond within
//!   [`TEST_TIMEOUT`].
//! - For a minute after a server error, each connection is tested before it is used; so is a connection that was idle.
//! - Waiting for a connection counts against the wait budget ([`WaitBudget`]) of the request; each statement has a
//!   timeout.

mod lease;
pub(crate) mod listener;
mod transaction;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection,
        postgres::{PgConnectOptions, PgSslMode},
        raw_sql,
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use self::lease::Lease;
pub(crate) use self::transaction::Transaction;
use crate::{
    budget::WaitBudget,
    connection::{Executed, Observer, STATEMENT_CACHE, Settings},
    error::{connecting, is_starting},
    metrics::{PoolSnapshot, UseMetrics},
};

/// How long after a server error each connection is tested before it is used.
const TEST_AFTER_ERROR: Duration = Duration::from_secs(60);

/// A connection that was idle for longer than this is tested, too.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(30);

/// The maximum age of a connection. Older ones are replaced, because the caches of a backend only grow.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A connection younger than this is used although it is read-only: while the database is read-only, a new connection
/// would be, too.
const YOUNG: Duration = Duration::from_secs(1);

/// The timeout of a connection test. After a failover, the network may silently drop packets on existing connections;
/// TCP takes about a quarter of an hour to notice.
const TEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum pause between two attempts to connect to a server that is starting.
const RETRY: Duration = Duration::from_secs(1);

/// How many transactions of this process may hold, or wait in the database for, the lock of the site-wide list of
/// posts: the one that commits, and the next. The others wait in this process: while a process is frozen, the lock has
/// to time out once for each of its transactions that waits in the database.
const TURNS: usize = 2;

/// The timeout for closing all connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// When an error last indicated that connections may have lost their server, or that the server is read-only now.
#[derive(Debug)]
struct LastServerError {
    base: Instant,
    /// Milliseconds since `base` plus one; 0 means never.
    last: AtomicU64,
}

impl LastServerError {
    fn new() -> Self {
        Self { base: Instant::now(), last: AtomicU64::new(0) }
    }

    fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.now().saturating_sub(last)) <= TEST_AFTER_ERROR.as_millis()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Opens connections, and decides whether an idle one may be reused.
#[derive(Debug)]
struct Manager {
    options: PgConnectOptions,
    /// `SET` statements that run after connecting: PgBouncer rejects the startup parameter `options`.
    limits: String,
    last_error: LastServerError,
}

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        // Boxed, because it is large and rarely run: it would be part of every statement.
        Box::pin(self.connect()).await
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() >= LIFETIME {
            return Err(RecycleError::message("maximum lifetime exceeded"));
        }
        if !self.last_error.is_recent() && metrics.last_used() < TEST_AFTER_IDLE {
            return Ok(());
        }
        if with_test_timeout(&self.last_error, Box::pin(may_write(connection))).await?
            || metrics.age() < YOUNG
        {
            return Ok(());
        }
        Err(RecycleError::message("the connection is read-only"))
    }
}

impl Manager {
    /// Retries while the server is starting; the caller's wait budget bounds this.
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

/// Whether this connection may write. Fails if the server does not respond.
async fn may_write(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(is_read_only == "off")
}

/// Awaits the result of a connection test, with a timeout.
async fn with_test_timeout<T>(
    last_error: &LastServerError,
    test: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(TEST_TIMEOUT, test).await.unwrap_or_else(|_| {
        last_error.note();
        Err(timed_out())
    })
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// A connection pool with the state of its server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    /// The statement timeout.
    limit: Duration,
    /// The limits for searches; `None` for everything else.
    search: Option<Search>,
    turns: Arc<Semaphore>,
    observer: Arc<OnceLock<Observer>>,
    /// Whether one connection is reserved for [`Pool::listen`].
    can_listen: bool,
    /// Of what the connections of this handle are used for.
    pub(crate) metrics: Arc<UseMetrics>,
}

/// The limits for searches.
#[derive(Debug, Clone)]
struct Search {
    /// How many statements may run at the same time.
    permits: Arc<Semaphore>,
    /// The statement timeout of searches.
    limit: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.connections.status()).finish_non_exhaustive()
    }
}

/// Whether connections to the PostgreSQL server of `url` can leave this machine unencrypted. The driver decides, because
/// the host and the mode can also come from its parameters and from environment variables.
pub fn may_be_unencrypted(url: &str) -> bool {
    // An invalid URL is rejected when connecting.
    let Ok(options) = url.parse::<PgConnectOptions>() else { return false };
    let is_encrypted =
        matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    let host = options.get_host();
    let is_loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_local = host == "localhost" || host.starts_with('/') || is_loopback;
    !is_encrypted && options.get_socket().is_none() && !is_local
}

impl Pool {
    /// Creates the pool and opens one connection, to verify that connecting works.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, DbErr> {
        let options: PgConnectOptions = settings.url.parse().map_err(connecting)?;
        let options = options
            .application_name("blegram")
            // PgBouncer rejects this startup parameter; PostgreSQL 12 and later format floats exactly without it.
            .extra_float_digits(None)
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging();
        // If a node freezes inside a transaction, the server ends that transaction before transactions that wait for
        // its locks time out, unless they wait for several of its transactions in a row; see `Transaction::take_turn`.
        let limits = format!(
            "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            settings.statement_timeout.as_millis(),
            (settings.statement_timeout / 2).as_millis()
        );
        let manager = Manager { options, limits, last_error: LastServerError::new() };
        let listening = listener::count(settings.max_connections);
        let max_size =
            usize::try_from(settings.max_connections - listening).unwrap_or(Semaphore::MAX_PERMITS);
        let connections = managed::Pool::builder(manager).max_size(max_size);
        let pool = Self {
            connections: connections.build().map_err(|error| DbErr::Custom(error.to_string()))?,
            limit: settings.statement_timeout,
            search: None,
            turns: Arc::new(Semaphore::new(TURNS)),
            observer: Arc::default(),
            can_listen: listening > 0,
            metrics: Arc::default(),
        };
        drop(pool.acquire(&WaitBudget::current()).await?);
        Ok(pool)
    }

    /// Returns the same pool for searches: at most `max_concurrent` connections at a time, and `limit` as the
    /// statement timeout.
    pub(crate) fn searching(&self, max_concurrent: usize, limit: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(max_concurrent));
        let search = Some(Search { permits, limit: limit.min(self.limit) });
        Self { search, ..self.counted_apart() }
    }

    /// Returns the same pool with counters of its own.
    pub(crate) fn counted_apart(&self) -> Self {
        Self { metrics: Arc::default(), ..self.clone() }
    }

    pub(crate) fn snapshot(&self) -> PoolSnapshot {
        let status = self.connections.status();
        let busy = status.size.saturating_sub(status.available);
        PoolSnapshot { pool: "shared", busy, idle: status.available, max: status.max_size }
    }

    pub(crate) fn observe(&self, observer: Observer) {
        // Only the first call sets it. The pool for searches shares it.
        let _ = self.observer.set(observer);
    }

    /// Closes the idle connections: all of them, once the requests have ended. A connection still in use is closed when
    /// it is returned.
    pub(crate) async fn close(self) {
        let idle = self.connections.retain(|_, _| false).removed;
        self.connections.close();
        let closing = async {
            for connection in idle {
                // An error changes nothing: the connection is not used again either way.
                let _ = connection.close().await;
            }
        };
        if timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("dropped connections to PostgreSQL that did not close in time");
        }
    }

    /// Takes a connection from the pool, in the order of the waiting callers.
    async fn acquire(&self, budget: &WaitBudget) -> Result<Lease, DbErr> {
        self.metrics.wait(self.acquire_within(budget)).await
    }

    async fn acquire_within(&self, budget: &WaitBudget) -> Result<Lease, DbErr> {
        let permit = match &self.search {
            Some(search) => Some(wait_for(&search.permits, budget).await?),
            None => None,
        };
        let connection = budget.wait(self.connections.get()).await;
        let connection = connection.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let connection = connection.map_err(|error| match error {
            PoolError::Backend(error) => {
                self.last_error().note();
                connecting(error)
            }
            _ => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        })?;
        Ok(Lease::new(connection, self.clone(), permit))
    }

    fn last_error(&self) -> &LastServerError {
        &self.connections.manager().last_error
    }

    fn report(&self, statement: &Statement, start: Instant, failed: bool) {
        let elapsed = start.elapsed();
        self.metrics.statements.record(elapsed);
        if let Some(observer) = self.observer.get() {
            observer(Executed { sql: &statement.sql, elapsed, failed });
        }
    }

    /// Begins a transaction for one statement of a search, to set its shorter statement timeout. `None` if this pool is
    /// not for searches.
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

async fn wait_for(permits: &Arc<Semaphore>, budget: &WaitBudget) -> Result<OwnedSemaphorePermit, DbErr> {
    let permit = budget.wait(Arc::clone(permits).acquire_owned()).await;
    let permit = permit.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
    permit.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.acquire(&WaitBudget::current()).await?.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.acquire(&WaitBudget::current()).await?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(transaction) = self.search().await? {
            return transaction.query_one_raw(statement).await;
        }
        self.acquire(&WaitBudget::current()).await?.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(transaction) = self.search().await? {
            return transaction.query_all_raw(statement).await;
        }
        self.acquire(&WaitBudget::current()).await?.query_all(&statement).await
    }
}
