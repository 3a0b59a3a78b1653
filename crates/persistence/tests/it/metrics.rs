//! What a database handle counts, and what monitoring asks the database.

use std::time::Duration;

use blegram_domain::Job;
use blegram_persistence::{
    Db, Error, Settings, Use, UseSnapshot, database_size, jobs, nodes,
    testing::{Backend, TestDatabase},
    with_wait_budget,
};
use rstest_reuse::apply;

use crate::{both_databases, now};

fn counts(db: &Db, of: Use) -> UseSnapshot {
    db.snapshot().uses.into_iter().find(|counts| counts.of == of).unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn statements_count_for_their_use(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = Db::connect(&Settings::new(database.url())).await.unwrap();
    let statements = |of| counts(&db, of).statements.count();
    let before = [Use::Read, Use::Write, Use::Search].map(statements);
    jobs::summary_by_kind(&db, now()).await.unwrap();
    let after_read = [Use::Read, Use::Write, Use::Search].map(statements);
    assert_eq!(after_read, [before[0] + 1, before[1], before[2]]);

    let tx = db.write().await.unwrap();
    jobs::insert(&tx, Job::Reindex, now(), now()).await.unwrap();
    tx.commit().await.unwrap();
    let after_write = [Use::Read, Use::Write, Use::Search].map(statements);
    assert!(after_write[1] > before[1], "{after_write:?}");
    assert_eq!((after_write[0], after_write[2]), (after_read[0], after_read[2]));

    jobs::summary_by_kind(&db.searching(), now()).await.unwrap();
    assert!(statements(Use::Search) > after_write[2]);
    assert_eq!(statements(Use::Write), after_write[1], "a search is no write");
    db.close().await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn commits_and_rollbacks_are_counted(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let db = database.db();
    let ends = || (db.snapshot().commits.count(), db.snapshot().rollbacks);
    let (commits, rollbacks) = ends();
    let begin = async || {
        let tx = db.write().await.unwrap();
        jobs::insert(&tx, Job::Reindex, now(), now()).await.unwrap();
        tx
    };
    begin().await.commit().await.unwrap();
    assert_eq!(ends(), (commits + 1, rollbacks));
    drop(begin().await);
    assert_eq!(ends(), (commits + 1, rollbacks + 1));
}

#[apply(both_databases)]
#[tokio::test]
async fn waits_for_connections_are_counted(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    // On PostgreSQL, one of two connections listens.
    let settings = Settings { max_connections: 2, ..Settings::new(database.url()) };
    let db = Db::connect(&settings).await.unwrap();
    let pool = |db: &Db| {
        db.snapshot().pools.into_iter().find(|pool| ["write", "shared"].contains(&pool.pool)).unwrap()
    };
    let max = pool(&db).max;
    let before = counts(&db, Use::Write);
    let mut open = Vec::new();
    for _ in 0..max {
        open.push(db.write().await.unwrap());
    }
    assert_eq!((pool(&db).busy, pool(&db).idle), (max, 0));
    assert_eq!(counts(&db, Use::Write).waits.count(), before.waits.count() + max as u64);

    let waiting = with_wait_budget(db.write());
    let observed = async {
        while counts(&db, Use::Write).waiting == 0 {
            tokio::task::yield_now().await;
        }
        // The wait ends without a connection, by the budget of five seconds.
    };
    let (result, ()) = tokio::join!(waiting, observed);
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    let after = counts(&db, Use::Write);
    assert_eq!((after.wait_timeouts, after.waiting), (before.wait_timeouts + 1, 0));
    drop(open);
    db.close().await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn queue_is_summarised_by_kind(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let (db, start) = (database.db(), now());
    let late = Duration::from_secs(90);
    let tx = db.write().await.unwrap();
    jobs::insert(&tx, Job::Retention, start + late, start).await.unwrap();
    jobs::insert(&tx, Job::Reindex, start, start).await.unwrap();
    tx.commit().await.unwrap();
    let summary = jobs::summary_by_kind(db, start + late - Duration::from_secs(1)).await.unwrap();
    let kinds: Vec<_> = summary
        .iter()
        .map(|jobs| (jobs.kind.as_str(), jobs.waiting, jobs.due, jobs.failing, jobs.due_since))
        .collect();
    assert_eq!(kinds, [("reindex", 1, 1, 0, Some(start)), ("retention", 1, 0, 0, None)]);

    let tx = db.write().await.unwrap();
    let leased = jobs::take(&tx, &["reindex"], start, start + late).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let summary = jobs::summary_by_kind(db, start).await.unwrap();
    assert_eq!((summary[0].due, summary[0].due_since), (0, None), "a worker has it");
    let tx = db.write().await.unwrap();
    jobs::update_failed(&tx, &leased, start, "no").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(jobs::summary_by_kind(db, start).await.unwrap()[0].failing, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn size_is_that_of_the_database(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let size = database_size::find(database.db()).await.unwrap();
    assert!((100_000..1_000_000_000).contains(&size), "{size}");
}

#[apply(both_databases)]
#[tokio::test]
async fn nodes_count_until_their_lease_ends(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let (db, start) = (database.db(), now());
    let lease = Duration::from_secs(60);
    for id in [1, 2] {
        let tx = db.write().await.unwrap();
        let node = nodes::Node {
            id,
            public_url: "https://a.example".to_owned(),
            expires_at: start + lease * id as u32,
        };
        assert_eq!(nodes::save(&tx, &node, start).await.unwrap(), None);
        tx.commit().await.unwrap();
    }
    let count = async |at| nodes::count(db, at).await.unwrap();
    assert_eq!((count(start).await, count(start + lease).await, count(start + lease * 2).await), (2, 1, 0));
}
