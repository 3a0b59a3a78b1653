//! Acknowledged writes are committed: full disks, transactions that the database rolls back, locks, timeouts.

use std::time::Duration;

use blegram_domain::{Clock, PostId, SystemClock, UserId, Username};
use blegram_persistence::{
    Db, Error, Result, Settings, Tx, as_background_work,
    pooling::shares_sessions,
    posts as rows,
    testing::{Backend, TestDatabase, execute, select},
    users, with_wait_budget,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use rstest_reuse::apply;

use crate::{both_databases, insert_user, new_post, new_user, now};

/// The upper bound of every wait. Only a failing test waits that long.
const TIMEOUT: Duration = Duration::from_secs(60);

async fn with_timeout<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("the future completes within a minute")
}

async fn connect(database: &TestDatabase, statement_timeout: Duration) -> Db {
    connect_some(database, statement_timeout, 2).await
}

async fn connect_some(database: &TestDatabase, statement_timeout: Duration, max_connections: u32) -> Db {
    let settings = Settings { url: database.url().to_owned(), max_connections, statement_timeout };
    Db::connect(&settings).await.unwrap()
}

/// Writes a post of about 15 KB.
async fn write_post(db: &Db, author: UserId) -> Result<()> {
    let mut post = new_post(author, &"가".repeat(5_000));
    let tx = db.write().await?;
    let author = users::update_post_count(&tx, author, 1).await?.unwrap().summary;
    rows::count_new(&tx, &post, &author).await?;
    rows::insert(&tx, &mut post, now()).await?;
    tx.commit().await
}

/// Limits the database to at most one more page, on the current connection.
async fn fill(db: &Db) {
    let tx = db.write().await.unwrap();
    execute(&tx, "PRAGMA max_page_count = 1").await.unwrap();
    tx.commit().await.unwrap();
}

const WAITS_FOR_A_LIST: &str = "SELECT state AS line FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event = 'advisory'";

const HAS_LOCK_TIMEOUT: &str = "SELECT 1 WHERE current_setting('lock_timeout') <> '0'";

/// Otherwise a write could wait for a connection, and then for as long again for a lock.
#[tokio::test]
async fn lock_timeout_is_the_budget_left_after_waiting_for_a_connection() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let db = connect_some(&database, TIMEOUT, 1).await;
    let only = db.write().await.unwrap();
    assert_eq!(select(&only, HAS_LOCK_TIMEOUT).await.unwrap(), 0);
    let (late, ()) = tokio::join!(with_wait_budget(db.write()), async {
        execute(&only, "SELECT pg_sleep(0.2)").await.unwrap();
        drop(only);
    });
    assert_eq!(select(&late.unwrap(), HAS_LOCK_TIMEOUT).await.unwrap(), 1);
    // It ends with the transaction.
    assert_eq!(select(&db, HAS_LOCK_TIMEOUT).await.unwrap(), 0);
}

/// The same for waiting in this process until another transaction has added to the list of all posts.
#[tokio::test]
async fn lock_timeout_is_the_budget_left_after_waiting_for_a_turn() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let db = connect_some(&database, TIMEOUT, 4).await;
    let first = db.write().await.unwrap();
    rows::lock_list(&first).await.unwrap();
    let begin = || async {
        let tx = db.write().await.unwrap();
        rows::lock_list(&tx).await.unwrap();
        tx
    };
    // The second has a turn and waits in the database; the third waits for a turn.
    let mut second = Box::pin(begin());
    while database.lines(WAITS_FOR_A_LIST).await.is_empty() {
        assert!((&mut second).now_or_never().is_none());
    }
    let ((), second, third) = tokio::join!(
        async {
            execute(&first, "SELECT pg_sleep(0.2)").await.unwrap();
            first.commit().await.unwrap();
        },
        async { second.await.commit().await },
        with_wait_budget(begin())
    );
    second.unwrap();
    assert_eq!(select(&third, HAS_LOCK_TIMEOUT).await.unwrap(), 1);
}

/// The same for a statement that took long: otherwise a write could wait for one lock, and then for as long again for
/// the next. Background work takes long without waiting for others.
#[tokio::test]
async fn lock_timeout_is_the_budget_left_after_a_slow_statement() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let db = connect_some(&database, TIMEOUT, 1).await;
    let write_slowly = || async {
        let tx = db.write().await.unwrap();
        execute(&tx, "SELECT pg_sleep(0.2)").await.unwrap();
        select(&tx, HAS_LOCK_TIMEOUT).await.unwrap()
    };
    assert_eq!(with_wait_budget(write_slowly()).await, 1);
    assert_eq!(write_slowly().await, 0);
}

/// The statement may fail: PostgreSQL then responds to `COMMIT` with a rollback, and SQLite commits the rest.
#[apply(both_databases)]
#[tokio::test]
async fn transaction_with_an_abandoned_statement_does_not_commit(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let tx = database.db().write().await.unwrap();
    execute(&tx, "UPDATE users SET bio = 'new'").await.unwrap();
    // Sent and then abandoned, or failed at once when SQLite is that quick.
    let result = execute(&tx, "UPDATE users SET username = NULL").now_or_never();
    assert!(result.is_none_or(|result| result.is_err()));
    tx.commit().await.unwrap_err();
    assert_eq!(users::find(database.db(), ann).await.unwrap().unwrap().bio, "");
}

#[tokio::test]
async fn full_disk_loses_no_acknowledged_write() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let ann = insert_user(&database, "ann").await;
    let db = database.db();
    for round in 0..3 {
        fill(db).await;
        let mut acknowledged = database.count("posts").await;
        let full = loop {
            match write_post(db, ann).await {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(full.is_transient() && full.is_unreachable(), "{full:?}");
        assert_eq!(full.reason(), "the database cannot write: its disk is full");
        for _ in 0..3 {
            write_post(db, ann).await.unwrap();
            acknowledged += 1;
            assert_eq!(database.count("posts").await, acknowledged, "round {round}");
        }
        // Nor is a transaction left open that locks the database.
        let other = connect(&database, TIMEOUT).await;
        write_post(&other, ann).await.unwrap();
        other.close().await.unwrap();
        assert_eq!(database.count("posts").await, acknowledged + 1);
    }
    let users = database.lines("SELECT CAST(post_count AS TEXT) AS line FROM users").await;
    assert_eq!(users, [database.count("posts").await.to_string()]);
}

async fn add_user(tx: &Tx, name: &str) -> Result<()> {
    users::insert(tx, new_user(name)).await.map(|_| ())
}

async fn exists(db: &Db, name: &str) -> bool {
    users::find_by_username(db, &Username::parse(name).unwrap()).await.unwrap().is_some()
}

/// Asserts that the next transaction commits, visible to this handle and to another process.
async fn assert_commits(database: &TestDatabase, db: &Db, name: &str) {
    let tx = with_timeout(db.write()).await.unwrap();
    add_user(&tx, name).await.unwrap();
    tx.commit().await.unwrap();
    let other = connect(database, TIMEOUT).await;
    assert!(exists(db, name).await && exists(&other, name).await);
    with_timeout(other.write()).await.unwrap().commit().await.unwrap();
    other.close().await.unwrap();
}

/// How a transaction ends without `Tx::commit`.
#[derive(Debug, Clone, Copy)]
enum End {
    RollBack,
    Interrupt,
    Full,
    /// Not SQLite itself, but a stray `COMMIT`.
    Commit,
}

#[rstest::rstest]
#[case(End::RollBack)]
#[case(End::Interrupt)]
#[case(End::Full)]
#[case(End::Commit)]
#[tokio::test]
async fn transaction_ended_by_sqlite_commits_nothing(#[case] end: End) {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let db = connect(&database, Duration::from_millis(200)).await;
    let tx = db.write().await.unwrap();
    add_user(&tx, "before").await.unwrap();
    let ended = match end {
        End::RollBack => execute(&tx, "ROLLBACK").await,
        End::Interrupt => execute(&tx, &format!("CREATE TABLE endless AS {ENDLESS}")).await,
        End::Full => {
            execute(&tx, "PRAGMA max_page_count = 1").await.unwrap();
            execute(&tx, "CREATE TABLE large AS SELECT zeroblob(1000000) AS x").await
        }
        End::Commit => execute(&tx, "COMMIT").await,
    };
    assert_eq!(ended.is_ok(), matches!(end, End::RollBack), "{ended:?}");
    // Each of these would autocommit.
    let after = [add_user(&tx, "after").await, execute(&tx, "DELETE FROM users").await];
    if !matches!(end, End::Full) {
        assert!(after.iter().all(|result| result.as_ref().is_err_and(Error::is_transient)), "{after:?}");
    }
    assert!(tx.commit().await.is_err());
    assert!(!exists(&db, "before").await && !exists(&db, "after").await);
    assert_commits(&database, &db, "next").await;
}

#[apply(both_databases)]
#[tokio::test]
async fn transaction_with_a_failed_statement_does_not_commit(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = database.db();
    let tx = db.write().await.unwrap();
    add_user(&tx, "ann").await.unwrap();
    execute(&tx, "DELETE FROM nowhere").await.unwrap_err();
    assert!(tx.commit().await.is_err());
    assert!(!exists(db, "ann").await);
    assert_commits(&database, db, "ann").await;
}

#[apply(both_databases)]
#[tokio::test]
async fn transactions_that_are_empty_or_dropped_leave_nothing_open(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = connect(&database, TIMEOUT).await;
    db.write().await.unwrap().commit().await.unwrap();
    let tx = db.write().await.unwrap();
    add_user(&tx, "ann").await.unwrap();
    drop(tx);
    // Dropped before it has begun, and in the middle of a statement.
    drop(db.write().now_or_never());
    let tx = with_timeout(db.write()).await.unwrap();
    drop(add_user(&tx, "ann").now_or_never());
    drop(tx);
    let tx = with_timeout(db.write()).await.unwrap();
    add_user(&tx, "bob").await.unwrap();
    let _ = tx.commit().now_or_never();
    assert_commits(&database, &db, "next").await;
    assert!(!exists(&db, "ann").await);
}

/// Two handles act as two processes: while one holds the lock, a request of the other uses its wait budget only once.
#[tokio::test]
async fn lock_of_another_process_uses_the_wait_budget_once_per_request() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let (db, other) = (connect(&database, TIMEOUT).await, connect(&database, TIMEOUT).await);
    let lock = other.write().await.unwrap();
    // The second request waits for the connection of the first one, so it has no budget left for the lock.
    let request = || with_wait_budget(async { [db.write().await.err(), db.write().await.err()] });
    let eight = Duration::from_secs(8);
    let both = tokio::time::timeout(eight, async { tokio::join!(request(), request()) }).await;
    let (one, two) = both.expect("no request waits twice");
    for error in one.into_iter().chain(two) {
        let error = error.expect("the lock is not free");
        assert!(error.is_transient() && error.is_unreachable(), "{error:?}");
        assert_eq!(error.reason(), "the database cannot write: it is locked");
    }
    lock.commit().await.unwrap();
    assert_commits(&database, &db, "next").await;
}

#[tokio::test]
async fn lock_released_within_the_wait_budget_is_acquired() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let (db, other) = (connect(&database, TIMEOUT).await, connect(&database, TIMEOUT).await);
    let lock = other.write().await.unwrap();
    let mut waiting = std::pin::pin!(db.write());
    assert!((&mut waiting).now_or_never().is_none());
    lock.commit().await.unwrap();
    with_timeout(waiting).await.unwrap().commit().await.unwrap();
}

/// Runs until it is interrupted.
const ENDLESS: &str =
    "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) AS line FROM n";

const fn endless(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => ENDLESS,
        Backend::Postgres => "SELECT pg_sleep(600)::text AS line",
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn statement_timeout_applies_to_reads_and_writes(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = connect(&database, Duration::from_millis(200)).await;
    for _ in 0..3 {
        let error = with_timeout(select(&db, endless(backend))).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unreachable(), "{error:?}");
        let tx = db.write().await.unwrap();
        let error = with_timeout(select(&tx, endless(backend))).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unreachable(), "{error:?}");
        drop(tx);
    }
    assert_commits(&database, &db, "next").await;
}

#[tokio::test]
async fn statement_timeout_of_background_work_on_sqlite_is_longer() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let db = connect(&database, Duration::from_millis(1)).await;
    let long = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 2000000) \
                SELECT max(n) AS line FROM n";
    assert!(select(&db, long).await.is_err());
    assert_eq!(as_background_work(select(&db, long)).await.unwrap(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn searches_block_only_other_searches(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = connect_some(&database, TIMEOUT, 4).await;
    let searching = db.searching();
    let mut searches: FuturesUnordered<_> = (0..20).map(|_| select(&searching, endless(backend))).collect();
    // The permitted searches are running now.
    assert!(searches.next().now_or_never().is_none());
    let others = async {
        for _ in 0..10 {
            assert_eq!(select(&db, "SELECT 1 AS line").await.unwrap(), 1);
        }
        db.write().await.unwrap().commit().await.unwrap();
    };
    tokio::select! {
        biased;
        () = others => {}
        search = searches.next() => panic!("a search ended first: {search:?}"),
    }
    drop(searches);
}

#[apply(both_databases)]
#[tokio::test]
async fn search_times_out_after_two_seconds(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = connect(&database, Duration::from_secs(3_600)).await;
    let error = with_timeout(select(&db.searching(), endless(backend))).await.unwrap_err();
    assert!(error.is_transient() && !error.is_unreachable(), "{error:?}");
}

/// Two nodes of one site: one freezes while it holds the lock of the list of all posts, with more of its transactions
/// waiting.
#[tokio::test]
async fn frozen_node_loses_the_lock_of_the_post_list() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let hour = Duration::from_secs(3_600);
    let (frozen, other) = (connect_some(&database, hour, 6).await, connect(&database, hour).await);
    let first = frozen.write().await.unwrap();
    rows::lock_list(&first).await.unwrap();
    let wait = || async {
        let tx = frozen.write().await.unwrap();
        rows::lock_list(&tx).await.unwrap();
        tx
    };
    let mut waiting: FuturesUnordered<_> = (0..5).map(|_| wait()).collect();
    // Until one waits, and then for a while longer.
    let (mut most, mut polls) = (0, 0);
    while polls < 20 {
        assert!(waiting.next().now_or_never().is_none());
        most = most.max(database.lines(WAITS_FOR_A_LIST).await.len());
        polls += usize::from(most > 0);
    }
    assert_eq!(most, 1, "the others wait in the process");
    // From here on, nothing of the frozen node is polled.
    let tx = other.write().await.unwrap();
    with_timeout(rows::lock_list(&tx)).await.unwrap();
    tx.commit().await.unwrap();
    let lost = first.commit().await.unwrap_err();
    assert!(lost.is_unreachable(), "{lost:?}");
}

/// Transactions that lock the list of all posts commit without waiting for the disk, and wait for it afterwards.
#[tokio::test]
async fn post_is_on_the_disk_when_it_is_acknowledged() {
    const DURABLE: &str = "DO $$ BEGIN \
        EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$";
    let database = TestDatabase::new(Backend::Postgres).await;
    database.execute("CREATE TABLE written (at pg_lsn)").await;
    database.execute(DURABLE).await;
    let db = connect(&database, TIMEOUT).await;
    // Several, because PostgreSQL also writes its log from time to time.
    for _ in 0..5 {
        let tx = db.write().await.unwrap();
        rows::lock_list(&tx).await.unwrap();
        execute(&tx, "INSERT INTO written SELECT pg_current_wal_insert_lsn()").await.unwrap();
        tx.commit().await.unwrap();
        let missing = "SELECT at || '' AS line FROM written WHERE at >= pg_current_wal_flush_lsn()";
        assert_eq!(database.lines(missing).await, Vec::<String>::new());
    }
}

/// A full database still accepts small changes.
#[tokio::test]
async fn full_disk_is_reported_until_space_is_free() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let ann = insert_user(&database, "ann").await;
    let db = database.db();
    db.check_commits().await.unwrap();
    fill(db).await;
    while write_post(db, ann).await.is_ok() {}
    let small = [None, Some("UPDATE users SET bio = 'small'")];
    for change in small {
        // The connection that hit the limit has been replaced by a new one.
        fill(db).await;
        let tx = db.write().await.unwrap();
        if let Some(sql) = change {
            execute(&tx, sql).await.unwrap();
        }
        tx.commit().await.unwrap();
        let error = db.check_commits().await.unwrap_err();
        assert_eq!(error.reason(), "the database cannot write: its disk is full", "{change:?}");
    }
    db.check_commits().await.unwrap();
}

/// PostgreSQL compresses large values, so a compressible probe would fit where a post does not.
#[tokio::test]
async fn probe_writes_incompressible_data() {
    let database = TestDatabase::new(Backend::Postgres).await;
    for sql in [
        "CREATE TABLE probes (bytes int)",
        "CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO probes SELECT pg_column_size(last_error) FROM jobs WHERE id = NEW.id; RETURN NULL; END'",
        "CREATE TRIGGER measure AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION measure()",
    ] {
        database.execute(sql).await;
    }
    let db = connect(&database, TIMEOUT).await;
    db.check_commits().await.unwrap();
    let bytes = database.lines("SELECT bytes::text AS line FROM probes").await;
    let bytes: Vec<usize> = bytes.iter().map(|bytes| bytes.parse().unwrap()).collect();
    assert!(bytes.len() == 1 && bytes[0] > 40_000, "{bytes:?}");
}

/// The detection of connection poolers runs before this machine's clock is compared with the database's.
#[tokio::test]
async fn pooler_detection_does_not_advance_the_id_generator() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let instant = |id: PostId| blegram_domain::id::instant_of(id.as_uuid()).unwrap();
    let real = SystemClock.now();
    assert!(instant(PostId::generate(now())) < real - day, "test ids are in the past");
    assert!(!shares_sessions(database.url()).await.unwrap());
    assert!(instant(PostId::generate(now())) < real - day);
}

#[tokio::test]
async fn cancelled_read_is_interrupted_at_once() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let db = connect_some(&database, Duration::from_secs(3_600), 1).await;
    for _ in 0..3 {
        assert!(select(&db, ENDLESS).now_or_never().is_none());
        assert_eq!(with_timeout(select(&db, "SELECT 1 AS line")).await.unwrap(), 1);
    }
}

/// As after a failover: the server that the connections reach is read-only for a while.
#[tokio::test]
async fn read_only_postgres_connections_are_replaced() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let db = connect_some(&database, TIMEOUT, 2).await;
    let admin = connect_some(&database, TIMEOUT, 1).await;
    db.check_commits().await.unwrap();
    let set = async |value: &str| {
        let tx = admin.write().await.unwrap();
        execute(&tx, "SET LOCAL transaction_read_only = off").await.unwrap();
        let name = database.url().rsplit('/').next().unwrap();
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        execute(&tx, &sql).await.unwrap();
        tx.commit().await.unwrap();
    };
    set("on").await;
    let kill = "SELECT pg_terminate_backend(pid)::text AS line FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    select(&admin, kill).await.unwrap();

    let write = async || {
        let tx = db.write().await?;
        add_user(&tx, "ann").await?;
        tx.commit().await
    };
    let read_only = with_timeout(async {
        loop {
            match write().await {
                Err(error) if error.reason().ends_with("read-only") => break error,
                // First, the existing connections are lost.
                Err(error) => assert!(error.is_transient(), "{error:?}"),
                Ok(()) => panic!("a write succeeded on a read-only database"),
            }
        }
    });
    assert!(read_only.await.is_unreachable());
    assert_eq!(db.check_commits().await.unwrap_err().reason(), "the database cannot write: it is read-only");
    assert_eq!(select(&db, "SELECT 1 AS line").await.unwrap(), 1, "reads still work");

    set("off").await;
    with_timeout(async { while write().await.is_err() {} }).await;
    assert!(exists(&db, "ann").await);
    db.check_commits().await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn probe_commits_and_leaves_no_rows(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = connect(&database, TIMEOUT).await;
    let before = database.count("jobs").await;
    db.check_commits().await.unwrap();
    assert_eq!(database.count("jobs").await, before);
    if backend == Backend::Sqlite {
        fill(&db).await;
        let probe = "INSERT INTO jobs SELECT randomblob(16), 'test', hex(zeroblob(50000)), 0, 0, NULL, 0";
        let tx = db.write().await.unwrap();
        assert!(execute(&tx, probe).await.is_err());
        drop(tx);
    }
    db.check_commits().await.unwrap();
}
