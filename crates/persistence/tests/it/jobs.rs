//! Wake-ups of the workers of the job queue.

use std::{future::pending, time::Duration};

use blegram_domain::Job;
use blegram_persistence::{
    Db, Notice, Settings, Tx, jobs,
    testing::{Backend, TestDatabase, execute},
};
use futures_util::FutureExt;
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, now};

async fn insert(tx: &Tx, job: Job) {
    jobs::insert(tx, job, now(), now()).await.unwrap();
}

async fn commit_job(db: &Db, job: Job) {
    let tx = db.write().await.unwrap();
    insert(&tx, job).await;
    tx.commit().await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn commit_that_schedules_a_job_wakes_workers(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = database.db();
    let wakeup = db.job_wakeup();
    let tx = db.write().await.unwrap();
    insert(&tx, Job::Reindex).await;
    let mut waiting = Box::pin(wakeup);
    assert!((&mut waiting).now_or_never().is_none(), "before the commit the job is invisible");
    tx.commit().await.unwrap();
    assert!(waiting.now_or_never().is_some());

    // A worker that begins to wait after the commit reads the queue first.
    assert!(db.job_wakeup().now_or_never().is_none());

    let wakeup = db.job_wakeup();
    let tx = db.write().await.unwrap();
    jobs::insert_again(&tx, Job::Reindex, now()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(wakeup.now_or_never().is_some(), "it was restarted");
}

#[apply(both_databases)]
#[tokio::test]
async fn other_transactions_do_not_wake_workers(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = database.db();
    commit_job(db, Job::Retention).await;
    let wakeup = db.job_wakeup();

    let rolled_back = db.write().await.unwrap();
    insert(&rolled_back, Job::Reindex).await;
    drop(rolled_back);
    let failed = db.write().await.unwrap();
    insert(&failed, Job::Reindex).await;
    execute(&failed, "UPDATE users SET nothing = NULL").await.unwrap_err();
    failed.commit().await.unwrap_err();
    // It exists.
    commit_job(db, Job::Retention).await;
    let without = db.write().await.unwrap();
    execute(&without, "UPDATE users SET bio = ''").await.unwrap();
    without.commit().await.unwrap();

    assert!(wakeup.now_or_never().is_none());
}

async fn connect(database: &TestDatabase) -> Db {
    let statement_timeout = Duration::from_secs(30);
    let settings = Settings { url: database.url().to_owned(), max_connections: 5, statement_timeout };
    Db::connect(&settings).await.unwrap()
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("the future completes within a minute")
}

#[tokio::test]
async fn commit_wakes_the_workers_of_other_nodes() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (one, other) = (connect(&database).await, connect(&database).await);
    let mut relays = JoinSet::new();
    let listening = other.job_wakeup();
    let relay = other.clone();
    relays.spawn(async move { relay.relay_job_wakeups(pending::<()>()).await });
    // What was committed before it listens may have been missed.
    in_time(listening).await;

    // A node that shuts down also reports its last commit.
    let wakeup = other.job_wakeup();
    one.relay_job_wakeups(commit_job(&one, Job::Reindex)).await;
    in_time(wakeup).await;

    let relay = one.clone();
    relays.spawn(async move { relay.relay_job_wakeups(pending::<()>()).await });
    let wakeup = other.job_wakeup();
    commit_job(&one, Job::Retention).await;
    in_time(wakeup).await;

    let reconnected = other.job_wakeup();
    let killed = database
        .lines(
            "SELECT pg_terminate_backend(pid)::text AS line FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await;
    assert!(!killed.is_empty());
    in_time(reconnected).await;
    let wakeup = other.job_wakeup();
    let tx = one.write().await.unwrap();
    jobs::insert_again(&tx, Job::Reindex, now()).await.unwrap();
    tx.commit().await.unwrap();
    in_time(wakeup).await;
}

/// Requests need the few connections more than jobs need a notification.
#[tokio::test]
async fn node_with_few_connections_does_not_listen() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let settings = Settings {
        url: database.url().to_owned(),
        max_connections: 1,
        statement_timeout: Duration::from_secs(30),
    };
    let db = Db::connect(&settings).await.unwrap();
    let wakeup = db.job_wakeup();
    in_time(db.relay_job_wakeups(commit_job(&db, Job::Reindex))).await;
    assert!(wakeup.now_or_never().is_some());
    let listening = "SELECT '' AS line FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(database.lines(listening).await.len(), 0);
}

/// Their content may be any text; a large number is one statement.
#[tokio::test]
async fn notices_reach_all_processes_that_listen() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (one, other) = (connect(&database).await, connect(&database).await);
    assert!(one.receives_notices());
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    other.on_notice(move |notice| {
        let text = match notice {
            Notice::Begin => "begin".to_owned(),
            Notice::Received(text) => text.to_owned(),
            Notice::End => "end".to_owned(),
        };
        sender.send(text).unwrap();
    });
    let (relay, (stop, stopped)) = (other.clone(), tokio::sync::oneshot::channel::<()>());
    let mut relays = JoinSet::new();
    relays.spawn(async move { drop(relay.relay_job_wakeups(stopped).await) });
    assert_eq!(in_time(received.recv()).await.unwrap(), "begin");
    let mut texts = vec!["it's {\"a\": \"\\u0000\"}\n제주".to_owned(), "x".repeat(7_999)];
    texts.extend((0..30).map(|n| n.to_string()));
    one.send_notices(&texts).await.unwrap();
    for text in &texts {
        assert_eq!(&in_time(received.recv()).await.unwrap(), text);
    }
    // Wake-ups of the job queue are no notices.
    let wakeup = other.job_wakeup();
    one.relay_job_wakeups(commit_job(&one, Job::Reindex)).await;
    in_time(wakeup).await;
    drop(stop);
    assert_eq!(in_time(received.recv()).await.unwrap(), "end");
    assert!(!TestDatabase::new(Backend::Sqlite).await.db().receives_notices());
}
