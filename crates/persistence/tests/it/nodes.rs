//! The nodes of a site have the same address.

use std::time::Duration;

use blegram_domain::Timestamp;
use blegram_persistence::{
    Db,
    nodes::{self, Node},
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;

use crate::{both_databases, now};

const LEASE: Duration = Duration::from_secs(60);

async fn save(db: &Db, id: i64, public_url: &str, at: Timestamp) -> Option<String> {
    let tx = db.write().await.unwrap();
    let node = Node { id, public_url: public_url.to_owned(), expires_at: at + LEASE };
    let other = nodes::save(&tx, &node, at).await.unwrap();
    tx.commit().await.unwrap();
    other
}

#[apply(both_databases)]
#[tokio::test]
async fn nodes_have_one_address_at_a_time(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let (db, start) = (database.db(), now());
    assert_eq!(save(db, 1, "https://a.example", start).await, None);
    assert_eq!(save(db, 2, "https://a.example", start).await, None);
    assert_eq!(save(db, 3, "https://b.example", start).await.as_deref(), Some("https://a.example"));
    let tx = db.write().await.unwrap();
    nodes::delete(&tx, 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(save(db, 2, "https://a.example", start + LEASE / 2).await, None, "a renewal");
    assert!(save(db, 3, "https://b.example", start + LEASE).await.is_some());
    assert_eq!(save(db, 3, "https://b.example", start + LEASE * 3 / 2).await, None, "the other was killed");
    assert_eq!(database.count("nodes").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn of_two_addresses_that_start_together_one_wins(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let starts = (0..8).map(|id| {
        let url = if id % 2 == 0 { "https://a.example" } else { "https://b.example" };
        save(database.db(), id, url, now())
    });
    let rejected = futures_util::future::join_all(starts).await.into_iter().flatten().count();
    assert_eq!((rejected, database.count("nodes").await), (4, 4));
}
