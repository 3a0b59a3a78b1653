use blegram_persistence::{
    Error, posts,
    testing::{Backend, TestDatabase},
    users,
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, insert_post, insert_user, new_post};

#[apply(both_databases)]
#[tokio::test]
async fn a_post_is_read_as_it_was_written(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "노을 🌅 #제주 '; DROP TABLE posts; --");
    insert_post(&database, &post).await;
    assert_eq!(posts::find(database.db(), post.id).await.unwrap(), Some(post));
}

#[apply(both_databases)]
#[tokio::test]
async fn twenty_deletions_at_once_count_once(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let [kept, gone] = [new_post(ann, "kept"), new_post(ann, "gone")];
    insert_post(&database, &kept).await;
    insert_post(&database, &gone).await;
    let mut deletions = JoinSet::new();
    for _ in 0..20 {
        let (db, id) = (database.db().clone(), gone.id);
        deletions.spawn(async move {
            let tx = db.write().await.unwrap();
            let was_there = posts::delete(&tx, id, ann).await.unwrap();
            tx.commit().await.unwrap();
            was_there
        });
    }
    let deleted = deletions.join_all().await.into_iter().filter(|was_there| *was_there).count();
    assert_eq!(deleted, 1);
    assert_eq!(users::find(database.db(), ann).await.unwrap().unwrap().post_count, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn nobody_deletes_the_post_of_another(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [insert_user(&database, "ann").await, insert_user(&database, "bob").await];
    let post = new_post(ann, "mine");
    insert_post(&database, &post).await;
    let tx = database.db().write().await.unwrap();
    assert!(!posts::delete(&tx, post.id, bob).await.unwrap());
    tx.commit().await.unwrap();
    assert!(posts::find(database.db(), post.id).await.unwrap().is_some());
}

#[apply(both_databases)]
#[tokio::test]
async fn a_post_that_breaks_a_rule_is_named(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "mine");
    insert_post(&database, &post).await;
    database.execute("UPDATE posts SET visibility = 'nobody'").await;
    let error = posts::find(database.db(), post.id).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { table: "posts", .. }), "{error:?}");
}
