//! Connections to PostgreSQL: a pool of sqlx, in which a connection that does not write any more does not stay.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, TransactionTrait,
    prelude::async_trait::async_trait,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, pool::PoolConnectionMetadata, raw_sql},
};
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
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

/// How long after a statement was given up connections are asked before they go back to the pool. Its own goes back at once.
const GIVEN_UP_FOR: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is asked, too.
const UNASKED_FOR: Duration = Duration::from_secs(30);

/// A connection that is younger stays although it only reads: while the database is read-only, new ones would be no better.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a connection may take to say that it is of use. After a failover the network may drop whatever is sent on the
/// connections that were there, without a word; TCP notices that after a quarter of an hour.
const ANSWER: Duration = Duration::from_secs(1);

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
    /// When a statement was given up that had not been answered, or a transaction rolled back, likewise.
    given_up: AtomicU64,
}

impl Doubt {
    fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        self.is_within(DOUBTED_FOR, &self.last)
    }

    fn note_given_up(&self) {
        self.given_up.store(self.now(), Ordering::Relaxed);
    }

    fn has_given_up(&self) -> bool {
        self.is_within(GIVEN_UP_FOR, &self.given_up)
    }

    fn is_within(&self, span: Duration, moment: &AtomicU64) -> bool {
        let moment = moment.load(Ordering::Relaxed);
        moment > 0 && u128::from(self.now().saturating_sub(moment)) <= span.as_millis()
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
    /// One for each connection: they are waited for with the patience of the request.
    places: Arc<Semaphore>,
    /// What searches have instead of all connections.
    search: Option<Search>,
    turns: Arc<Semaphore>,
}

/// How searches use the connections.
#[derive(Debug, Clone)]
struct Search {
    /// How many statements run at once.
    places: Arc<Semaphore>,
    /// After which the server gives up one of them.
    limit: Duration,
}

/// A place among those who use a connection, or two: what searches have together is less.
type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Pool {
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, DbErr> {
        let doubt =
            Arc::new(Doubt { base: Instant::now(), last: AtomicU64::new(0), given_up: AtomicU64::new(0) });
        let asking = Arc::clone(&doubt);
        // Set after connecting: PgBouncer refuses the startup parameter `options`, too.
        // A node that is frozen within a transaction lets go of what it locked before those who wait for it give up, unless
        // they wait for several of its transactions, one after the other; see `Transaction::take_turn`.
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
                // place away. So one that may not answer is asked here before, and closed after an error.
                options.after_release(move |connection, _| {
                    let doubt = Arc::clone(&doubt);
                    Box::pin(async move { answered(&doubt, release(connection, &doubt)).await })
                })
            });
        Ok(Self {
            connection: Database::connect(options).await?,
            doubt,
            limit: settings.statement_timeout,
            places: Arc::new(Semaphore::new(
                usize::try_from(settings.max_connections).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            search: None,
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// The same connections for searches: no more than `at_once` of them at a time, and `limit` for each statement.
    pub(crate) fn searching(&self, at_once: usize, limit: Duration) -> Self {
        let places = Arc::new(Semaphore::new(at_once));
        Self { search: Some(Search { places, limit: limit.min(self.limit) }), ..self.clone() }
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

    async fn place(&self, patience: &Patience) -> Result<Place, DbErr> {
        let of_searches = match &self.search {
            Some(search) => Some(wait_for(&search.places, patience).await?),
            None => None,
        };
        Ok((wait_for(&self.places, patience).await?, of_searches))
    }

    /// Waits for a connection and a statement on it.
    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>> + Unpin) -> Result<T, DbErr> {
        let patience = Patience::current();
        let _place = self.place(&patience).await?;
        bounded(&self.doubt, self.limit.saturating_add(patience.left()), statement).await
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

async fn wait_for(places: &Arc<Semaphore>, patience: &Patience) -> Result<OwnedSemaphorePermit, DbErr> {
    let place = patience.wait(Arc::clone(places).acquire_owned()).await;
    let place = place.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
    place.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

/// Gives a statement up when the server did not: it hangs, or the network does.
async fn bounded<T>(
    doubt: &Doubt,
    limit: Duration,
    statement: impl Future<Output = Result<T, DbErr>> + Unpin,
) -> Result<T, DbErr> {
    let answer =
        Answer { waiting: Waiting { doubt, since: tokio::time::Instant::now(), is_over: false }, statement };
    let result = timeout(limit.saturating_add(GRACE), answer).await.unwrap_or_else(|_| {
        let error = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        Err(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
    });
    if result.as_ref().is_err_and(leaves_doubt) {
        doubt.note();
    }
    result
}

/// The answer to a statement.
struct Answer<'a, F> {
    // Fields drop in this order: that a statement is given up is noted before its connection goes back to the pool.
    waiting: Waiting<'a>,
    statement: F,
}

impl<F: Future + Unpin> Future for Answer<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let answer = ready!(Pin::new(&mut self.statement).poll(cx));
        self.waiting.is_over = true;
        Poll::Ready(answer)
    }
}

/// A caller that waits for an answer. Giving up is noted, and after a while leaves doubt.
struct Waiting<'a> {
    doubt: &'a Doubt,
    since: tokio::time::Instant,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.doubt.note_given_up();
            if self.since.elapsed() >= ANSWER {
                self.doubt.note();
            }
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

/// Whether a connection may go back to the others: it answers, and no transaction is open on it. One that answered its
/// last statement is not asked here; that would cost each read a round trip.
async fn release(connection: &mut PgConnection, doubt: &Doubt) -> Result<bool, sqlx::Error> {
    if doubt.is_recent() {
        // Its `BEGIN` may have been given up; then sqlx does not know of it.
        raw_sql("ROLLBACK").execute(connection).await?;
    } else if doubt.has_given_up() {
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
        if let Some(transaction) = self.search().await? {
            return transaction.query_one_raw(statement).await;
        }
        self.run(self.connection.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(transaction) = self.search().await? {
            return transaction.query_all_raw(statement).await;
        }
        self.run(self.connection.query_all_raw(statement)).await
    }
}

/// A write transaction. Dropping it takes everything back.
#[derive(Debug)]
pub(crate) struct Transaction {
    // Fields drop in this order: that it is rolled back is noted before its connection goes back, and whoever waits for the
    // place finds it given back.
    ending: Ending,
    inner: DatabaseTransaction,
    limit: Duration,
    turns: Arc<Semaphore>,
    turn: OnceCell<OwnedSemaphorePermit>,
    _place: Place,
}

/// The end of a transaction. Unless it commits, its `ROLLBACK` is not answered when its connection goes back.
#[derive(Debug)]
struct Ending {
    doubt: Arc<Doubt>,
    is_commit: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_commit {
            self.doubt.note_given_up();
        }
    }
}

impl Transaction {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of write transactions; the task ends by itself"
    )]
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, DbErr> {
        let patience = Patience::current();
        let place = pool.place(&patience).await?;
        let connection = pool.connection.clone();
        // A task of its own, because sqlx 0.9.0 forgets a PostgreSQL transaction whose `BEGIN` is cancelled
        // halfway: the connection would go back to the pool with it open. If nobody waits any more when it has
        // begun, dropping the result takes it back.
        let doubt = Arc::clone(&pool.doubt);
        // That a `BEGIN` is given up which does not end leaves doubt, and with it the connection is rolled back.
        let begun = tokio::spawn(async move {
            let begun = bounded(&doubt, PATIENCE, connection.begin()).await;
            begun.map(|begun| (begun, place))
        });
        let begun = async { begun.await.map_err(|lost| DbErr::Custom(lost.to_string()))? };
        let begun = patience.wait(begun).await.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let (inner, place) = begun?;
        Ok(Self {
            ending: Ending { doubt: Arc::clone(&pool.doubt), is_commit: false },
            inner,
            limit: pool.limit,
            turns: Arc::clone(&pool.turns),
            turn: OnceCell::new(),
            _place: place,
        })
    }

    /// Waits for its turn among those of this process that lock what everybody waits for. It has it until its end.
    pub(crate) async fn take_turn(&self) -> Result<(), DbErr> {
        let take = || async { wait_for(&self.turns, &Patience::current()).await };
        self.turn.get_or_try_init(take).await.map(drop)
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let Self { mut ending, inner, limit, turn, .. } = self;
        ending.is_commit = true;
        let committed = bounded(&ending.doubt, limit, Box::pin(inner.commit())).await;
        drop(turn);
        committed
    }

    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>> + Unpin) -> Result<T, DbErr> {
        bounded(&self.ending.doubt, self.limit, statement).await
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
