use blegram_domain::Username;
use blegram_persistence::{
    Error, Inserted,
    testing::{Backend, TestDatabase},
    users,
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, insert_user, new_user};

#[apply(both_databases)]
#[tokio::test]
async fn confusable_usernames_inserted_concurrently_create_one_account(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let mut inserts = JoinSet::new();
    for name in ["paypal", "paypa1"].iter().cycle().take(20) {
        let db = database.db().clone();
        inserts.spawn(async move {
            let tx = db.write().await.unwrap();
            let inserted = users::insert(&tx, new_user(name)).await.unwrap();
            tx.commit().await.unwrap();
            inserted
        });
    }
    let new = inserts.join_all().await.into_iter().filter(|inserted| *inserted == Inserted::New).count();
    assert_eq!(new, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn dropped_transaction_is_rolled_back(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = new_user("ann");
    let id = ann.id;
    let tx = database.db().write().await.unwrap();
    users::insert(&tx, ann).await.unwrap();
    assert!(users::find(&tx, id).await.unwrap().is_some());
    drop(tx);
    assert!(users::find(database.db(), id).await.unwrap().is_none());
}

#[apply(both_databases)]
#[tokio::test]
async fn corrupt_account_row_is_an_error_with_its_id(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let id = insert_user(&database, "ann").await;
    for edit in ["status = 'asleep'", "created_at = 9223372036854775807", "username = 'Not A Name'"] {
        database.execute(&format!("UPDATE users SET {edit}")).await;
        let error = users::find(database.db(), id).await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { table: "users", .. }), "{edit}: {error:?}");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        let repair = "UPDATE users SET status = 'active', created_at = 0, username = 'ann'";
        database.execute(repair).await;
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn password_rehash_does_not_overwrite_a_changed_password(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let name = Username::parse("ann").unwrap();
    for (from, to, expected) in
        [("stale", "renewed", "$argon2id$of-nothing"), ("$argon2id$of-nothing", "renewed", "renewed")]
    {
        let tx = database.db().write().await.unwrap();
        users::update_password_hash(&tx, ann, from, to).await.unwrap();
        tx.commit().await.unwrap();
        let credentials = users::find_credentials(database.db(), &name).await.unwrap().unwrap();
        assert_eq!(credentials.password_hash.as_deref(), Some(expected));
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn summaries_of_no_accounts_execute_no_statement(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    database.take_statements();
    assert!(users::list_summaries(database.db(), &[]).await.unwrap().is_empty());
    assert!(users::list_by_usernames(database.db(), &[]).await.unwrap().is_empty());
    assert_eq!(database.take_statements(), Vec::<String>::new());
}

// Regression: sqlx 0.9.0 would return the connection to the pool with the transaction open.
#[apply(both_databases)]
#[tokio::test]
async fn cancelled_transaction_is_rolled_back(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    for polls in 0..20 {
        let mut write = Box::pin(database.db().write());
        for _ in 0..polls {
            if futures_util::poll!(&mut write).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(write);
    }
    // Later statements on each connection are in transactions of their own, and other connections see them.
    for n in 0..10 {
        insert_user(&database, &format!("user{n}")).await;
        assert_eq!(database.count("users").await, n + 1);
    }
    if backend == Backend::Postgres {
        assert_eq!(database.count_idle_transactions().await, 0);
    }
}
