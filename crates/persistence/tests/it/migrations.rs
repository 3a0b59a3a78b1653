use blegram_migration::Schema;
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, insert_user};

#[apply(both_databases)]
#[tokio::test]
async fn every_change_can_be_taken_back_and_made_again(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let changes = schema.status().await.unwrap();
    assert!(changes.iter().all(|change| change.is_applied), "{changes:?}");

    for left in (0..changes.len()).rev() {
        schema.down(1).await.unwrap();
        let applied = schema.status().await.unwrap().iter().filter(|change| change.is_applied).count();
        assert_eq!(applied, left);
    }
    assert!(!schema.is_current().await.unwrap());

    schema.up().await.unwrap();
    assert!(schema.is_current().await.unwrap());
    insert_user(&database, "ann").await;
}

#[apply(both_databases)]
#[tokio::test]
async fn applying_twice_changes_nothing(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    insert_user(&database, "ann").await;
    Schema::connect(database.url()).await.unwrap().up().await.unwrap();
    insert_user(&database, "bob").await;
}

#[tokio::test]
async fn nodes_that_start_at_once_take_turns() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let count = schema.status().await.unwrap().len();
    schema.down(count.try_into().unwrap()).await.unwrap();

    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let url = database.url().to_owned();
        nodes.spawn(async move { Schema::connect(&url).await.unwrap().up().await });
    }
    for up in nodes.join_all().await {
        up.unwrap();
    }
    assert!(schema.is_current().await.unwrap());
}
