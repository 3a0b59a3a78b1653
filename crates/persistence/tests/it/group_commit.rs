//! Transactions of SQLite that wait for each other share one commit, and nothing else.
//!
//! The tests run on one thread: a task that was spawned runs at the next `await` until it has to wait, so that the order
//! of the queue is known.

use std::{fs, time::Duration};

use blegram_persistence::{
    Db, Result, Tx, as_background_work,
    testing::{Backend, TestDatabase, execute, select},
};
use futures_util::FutureExt;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, yield_now},
};

/// The upper bound of every wait. Only a failing test waits that long.
const TIMEOUT: Duration = Duration::from_secs(60);

async fn with_timeout<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("the future completes within a minute")
}

const ROWS: &str = "SELECT 1 FROM notes";

async fn database() -> TestDatabase {
    let database = TestDatabase::new(Backend::Sqlite).await;
    database.execute("CREATE TABLE notes (name TEXT PRIMARY KEY) STRICT").await;
    database
}

async fn insert(tx: &Tx, name: &str) -> Result<()> {
    execute(tx, &format!("INSERT INTO notes VALUES ('{name}')")).await.map(drop)
}

async fn write(db: &Db, name: &str) -> Result<()> {
    let tx = db.write().await?;
    insert(&tx, name).await?;
    tx.commit().await
}

/// Begins to wait for the writer, behind all others.
#[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
async fn queue<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let task = tokio::spawn(work);
    yield_now().await;
    task
}

async fn names(database: &TestDatabase) -> Vec<String> {
    database.lines("SELECT name AS line FROM notes ORDER BY name").await
}

/// The number of commits in the write-ahead log: frames that have the size of the database in their header
/// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
fn commits(database: &TestDatabase) -> usize {
    let path = database.url().trim_start_matches("sqlite:").split('?').next().unwrap().to_owned() + "-wal";
    let log = fs::read(path).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = 24 + usize::try_from(number(8)).unwrap();
    // Frames of an earlier use of the file have another salt.
    let is_current = |at: &usize| log[at + 8..at + 16] == log[16..24];
    let frames = (32..log.len()).step_by(frame).filter(|at| at + frame <= log.len());
    frames.take_while(is_current).filter(|at| number(at + 4) != 0).count()
}

#[tokio::test]
async fn transactions_that_wait_share_one_commit() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let mut others = Vec::new();
    for n in 0..5 {
        let db = database.db().clone();
        others.push(queue(async move { write(&db, &n.to_string()).await }).await);
    }
    let before = commits(&database);
    insert(&first, "first").await.unwrap();
    with_timeout(first.commit()).await.unwrap();
    for other in others {
        with_timeout(other).await.unwrap().unwrap();
    }
    assert_eq!(commits(&database) - before, 1);
    assert_eq!(names(&database).await, ["0", "1", "2", "3", "4", "first"]);
    // Alone, a transaction commits at once.
    write(database.db(), "later").await.unwrap();
    assert_eq!(commits(&database) - before, 2);
}

#[tokio::test]
async fn group_is_bounded() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let mut others = Vec::new();
    for n in 0..70 {
        let db = database.db().clone();
        others.push(queue(async move { write(&db, &n.to_string()).await }).await);
    }
    let before = commits(&database);
    first.commit().await.unwrap();
    for other in others {
        with_timeout(other).await.unwrap().unwrap();
    }
    assert_eq!(commits(&database) - before, 3, "at most 32 transactions each");
    assert_eq!(names(&database).await.len(), 70);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_the_commit_of_the_group() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db().clone();
    let second = queue(async move { db.write().await.unwrap() }).await;
    insert(&first, "first").await.unwrap();
    let mut first = Box::pin(first.commit());
    assert!((&mut first).now_or_never().is_none());
    let second = with_timeout(second).await.unwrap();
    insert(&second, "second").await.unwrap();
    assert_eq!(select(&second, ROWS).await.unwrap(), 2, "it sees the changes of the first");
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(select(database.db(), ROWS).await.unwrap(), 0);
    with_timeout(second.commit()).await.unwrap();
    assert_eq!(select(database.db(), ROWS).await.unwrap(), 2);
    with_timeout(first).await.unwrap();
}

#[tokio::test]
async fn transaction_of_a_group_fails_alone() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db();
    let [conflict, dropped, ok] = [db.clone(), db.clone(), db.clone()];
    let conflict = queue(async move {
        let tx = conflict.write().await?;
        insert(&tx, "conflict").await?;
        insert(&tx, "first").await?;
        tx.commit().await
    });
    let conflict = conflict.await;
    let dropped = queue(async move {
        let tx = dropped.write().await.unwrap();
        insert(&tx, "dropped").await.unwrap();
    });
    let dropped = dropped.await;
    let ok = queue(async move { write(&ok, "ok").await }).await;
    insert(&first, "first").await.unwrap();
    with_timeout(first.commit()).await.unwrap();
    with_timeout(conflict).await.unwrap().unwrap_err();
    with_timeout(dropped).await.unwrap();
    with_timeout(ok).await.unwrap().unwrap();
    assert_eq!(names(&database).await, ["first", "ok"]);
}

/// Its caller may answer by what it saw, such as that a name is taken.
#[tokio::test]
async fn reads_after_a_rolled_back_transaction_see_what_it_saw() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db().clone();
    let (sender, read) = oneshot::channel();
    let rejected = queue(async move {
        let tx = db.write().await.unwrap();
        let seen = select(&tx, ROWS).await.unwrap();
        drop(tx);
        let later = select(&db, ROWS).await.unwrap();
        sender.send(()).unwrap();
        (seen, later)
    });
    let rejected = rejected.await;
    let db = database.db().clone();
    let next = queue(async move {
        let tx = db.write().await.unwrap();
        // In the same group, these reads would wait for the commit, and the commit for this transaction.
        let seen = select(&db, ROWS).await.unwrap();
        read.await.unwrap();
        insert(&tx, "next").await.unwrap();
        tx.commit().await.unwrap();
        seen
    });
    let next = next.await;
    insert(&first, "first").await.unwrap();
    with_timeout(first.commit()).await.unwrap();
    assert_eq!(with_timeout(rejected).await.unwrap(), (1, 1));
    assert_eq!(with_timeout(next).await.unwrap(), 1);
    assert_eq!(names(&database).await, ["first", "next"]);
}

/// A full disk makes SQLite roll the whole SQLite transaction back.
#[tokio::test]
async fn group_that_sqlite_rolls_back_is_acknowledged_to_no_one() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db().clone();
    let full = queue(async move {
        let tx = db.write().await.unwrap();
        execute(&tx, "PRAGMA max_page_count = 1").await.unwrap();
        execute(&tx, "INSERT INTO notes VALUES (hex(zeroblob(100000)))").await.unwrap_err();
        tx.commit().await
    });
    let full = full.await;
    let before = commits(&database);
    insert(&first, "first").await.unwrap();
    let error = with_timeout(first.commit()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    with_timeout(full).await.unwrap().unwrap_err();
    assert_eq!((names(&database).await.len(), commits(&database)), (0, before));
    // On a new connection, without the limit.
    with_timeout(write(database.db(), "later")).await.unwrap();
    assert_eq!(names(&database).await, ["later"]);
}

/// A client may disconnect while its transaction waits for the commit. Then the commit still happens, and the lock is
/// released.
#[tokio::test]
async fn group_commits_when_its_callers_are_dropped() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db().clone();
    let second = queue(async move { db.write().await.unwrap() }).await;
    insert(&first, "first").await.unwrap();
    let mut committing = Box::pin(first.commit());
    assert!((&mut committing).now_or_never().is_none());
    let second = with_timeout(second).await.unwrap();
    insert(&second, "second").await.unwrap();
    drop(committing);
    // The release of its savepoint is requested, and its result never seen.
    let mut committing = Box::pin(second.commit());
    assert!((&mut committing).now_or_never().is_none());
    drop(committing);
    // Another handle has a connection of its own, which needs the lock.
    let other = Db::connect(&blegram_persistence::Settings::new(database.url())).await.unwrap();
    with_timeout(write(&other, "third")).await.unwrap();
    assert_eq!(names(&database).await, ["first", "second", "third"]);
}

#[tokio::test]
async fn background_work_does_not_make_others_wait() {
    let database = database().await;
    let first = database.db().write().await.unwrap();
    let db = database.db().clone();
    let job = queue(as_background_work(async move { db.write().await.unwrap() })).await;
    insert(&first, "first").await.unwrap();
    with_timeout(first.commit()).await.unwrap();
    let job = with_timeout(job).await.unwrap();
    insert(&job, "job").await.unwrap();
    assert_eq!(names(&database).await, ["first"]);
    with_timeout(job.commit()).await.unwrap();
    assert_eq!(names(&database).await, ["first", "job"]);
}
