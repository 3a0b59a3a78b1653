use std::{collections::BTreeSet, time::Duration};

use blegram_domain::{
    PostId,
    clock_guard::{Pause, Record},
    id::AnyId,
};
use blegram_persistence::{
    clock_state, newest,
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;

use crate::{both_databases, insert_post, insert_user, new_post, now};

fn literal(database: &TestDatabase, id: &str) -> String {
    if database.db().is_sqlite() { format!("X'{}'", id.replace('-', "")) } else { format!("'{id}'") }
}

/// Tables whose ids order no list that clients page through: second factors, the job queue and what jobs refer to, and
/// single-use secrets.
const UNORDERED: [&str; 4] = ["factors", "jobs", "provider_unlinks", "refresh_tokens"];

#[apply(both_databases)]
#[tokio::test]
async fn newest_covers_every_table_whose_ids_order_a_list(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let sql = if database.db().is_sqlite() {
        "SELECT m.name AS line FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND c.name = 'id' AND c.pk = 1 AND (upper(c.type) LIKE '%UUID%' OR upper(c.type) = 'BLOB')"
    } else {
        "SELECT table_name::text AS line FROM information_schema.columns \
         WHERE table_schema = 'public' AND column_name = 'id' AND data_type = 'uuid'"
    };
    let tables: BTreeSet<String> = database.lines(sql).await.into_iter().collect();
    database.take_statements();
    newest::find_id(database.db()).await.unwrap();
    let statements = database.take_statements().join(" ");
    let missing: Vec<_> = tables
        .iter()
        .filter(|table| !statements.contains(&format!("FROM {table} ORDER")))
        .map(String::as_str)
        .collect();
    assert_eq!(missing, UNORDERED, "add a new table to `newest` or, if its ids order no list, to UNORDERED");
}

#[apply(both_databases)]
#[tokio::test]
async fn newest_is_the_row_with_the_largest_id(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    assert_eq!(newest::find(database.db()).await.unwrap(), newest::Newest::default());
    let ann = insert_user(&database, "ann").await;
    let post = insert_post(&database, new_post(ann, "hello")).await.id;
    let found = newest::find(database.db()).await.unwrap();
    assert_eq!((found.id.map(AnyId::as_uuid), found.at), (Some(post.as_uuid()), Some(now())));
    // The newest row decides, not the latest creation time: a row may come from a clock that was ahead.
    let later = (now() + Duration::from_secs(60)).as_micros();
    database.execute(&format!("UPDATE users SET created_at = {later}")).await;
    assert_eq!(newest::find(database.db()).await.unwrap().at, Some(now()));
    // A read mark that outlived its notification counts for ids, and has no creation time.
    let ahead = PostId::generate(now() + Duration::from_secs(3_600));
    let mark = literal(&database, &ahead.to_string());
    database.execute(&format!("UPDATE users SET notifications_read = {mark}")).await;
    let found = newest::find(database.db()).await.unwrap();
    assert_eq!((found.id.map(AnyId::as_uuid), found.at), (Some(ahead.as_uuid()), Some(now())));
    assert_eq!(newest::find_id(database.db()).await.unwrap().map(AnyId::as_uuid), Some(post.as_uuid()));
    // An id that no clock can have made is ignored.
    for id in ["ffffffff-ffff-7fff-bfff-ffffffffffff", "f47ac10b-58cc-4372-a567-0e02b2c3d479"] {
        let id = literal(&database, id);
        database.execute(&format!("UPDATE users SET notifications_read = {id}")).await;
        assert_eq!(newest::find(database.db()).await.unwrap().id.map(AnyId::as_uuid), Some(post.as_uuid()));
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn newest_ids_are_found_without_a_scan(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    database.take_statements();
    newest::find_id(database.db()).await.unwrap();
    let sql = database.take_statements().pop().unwrap();
    if database.db().is_sqlite() {
        let plan = database.plan(&sql).await;
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn clock_state_round_trips(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    assert_eq!(clock_state::find(database.db()).await.unwrap(), Record::default());
    let reason = "시계가 앞섰다".to_owned();
    let pause = Pause { since: now(), reason, steady_for: Duration::from_micros(7) };
    let tx = database.db().write().await.unwrap();
    clock_state::update_checked(&tx, now()).await.unwrap();
    clock_state::update_pause(&tx, Some(&pause)).await.unwrap();
    tx.commit().await.unwrap();
    let record = clock_state::find(database.db()).await.unwrap();
    assert_eq!(record, Record { checked_at: Some(now()), pause: Some(pause), confirmation: None });
    for number in 1..3 {
        let tx = database.db().write().await.unwrap();
        clock_state::update_confirmed(&tx, now()).await.unwrap();
        tx.commit().await.unwrap();
        let record = clock_state::find(database.db()).await.unwrap();
        assert_eq!(record.pause, None);
        let confirmation = record.confirmation.unwrap();
        assert_eq!((confirmation.at, confirmation.number), (now(), number));
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn database_time_is_the_clock_of_the_server(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let time = newest::find_database_time(database.db()).await.unwrap();
    let local_time = blegram_domain::Clock::now(&blegram_domain::SystemClock);
    match backend {
        Backend::Sqlite => assert_eq!(time, None),
        // Both run on the same machine.
        Backend::Postgres => assert!(time.unwrap().is_near(local_time, Duration::from_secs(60))),
    }
}
