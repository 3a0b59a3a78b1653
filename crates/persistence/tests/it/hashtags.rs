//! Pruning of hashtags that no post has, and its races with posts that use them.

use std::time::Duration;

use blegram_domain::{
    Hashtag, PageRequest, PostId, UserId,
    page::{Limit, Scope},
    search::Query,
};
use blegram_persistence::{
    hashtags, posts as rows, search,
    testing::{Backend, TestDatabase},
    users,
};
use rstest_reuse::apply;

use crate::{both_databases, insert_post, insert_user, new_post, now};

/// The upper bound of every wait. Only a failing test waits that long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The hashtags that the search finds in the middle of their names, so by their terms, with their counts.
async fn found(database: &TestDatabase, part: &str) -> Vec<(String, u64)> {
    let page = PageRequest::new(Scope::new("search", &[]), Limit::default(), None, None);
    let query = Query::parse(part).unwrap();
    let (_, tags) = search::list_hashtags(&database.db().searching(), &query, &page).await.unwrap();
    tags.into_iter().map(|(tag, count)| (tag.to_string(), count)).collect()
}

fn post(author: UserId, tag: &str) -> blegram_domain::Post {
    blegram_domain::Post { hashtags: vec![Hashtag::parse(tag).unwrap()], ..new_post(author, "text") }
}

async fn delete_post(database: &TestDatabase, id: PostId) {
    let tx = database.db().write().await.unwrap();
    let post = rows::lock(&tx, id).await.unwrap().unwrap();
    let author = users::find(&tx, post.author).await.unwrap().unwrap().summary;
    rows::update_deleted(&tx, &post, &author, now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// A hashtag without posts, and the author of the post that was deleted.
async fn with_unused_tag(backend: Backend) -> (TestDatabase, UserId) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let only = post(ann, "서울숲나들이");
    let only = insert_post(&database, only).await;
    delete_post(&database, only.id).await;
    (database, ann)
}

#[apply(both_databases)]
#[tokio::test]
async fn hashtag_that_is_used_again_before_it_is_deleted_stays(#[case] backend: Backend) {
    let (database, ann) = with_unused_tag(backend).await;
    let unused = hashtags::list_unused(database.db(), 10).await.unwrap();
    assert_eq!(unused, ["서울숲나들이"]);
    insert_post(&database, post(ann, "서울숲나들이")).await;
    let tx = database.db().write().await.unwrap();
    assert_eq!(hashtags::delete_unused(&tx, &unused).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(found(&database, "나들이").await, [("서울숲나들이".to_owned(), 1)]);
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_hashtag_can_be_used_again(#[case] backend: Backend) {
    let (database, ann) = with_unused_tag(backend).await;
    let tx = database.db().write().await.unwrap();
    let unused = hashtags::list_unused(database.db(), 10).await.unwrap();
    assert_eq!(hashtags::delete_unused(&tx, &unused).await.unwrap(), 1);
    tx.commit().await.unwrap();
    for table in ["hashtags", "hashtag_search"] {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
    insert_post(&database, post(ann, "서울숲나들이")).await;
    assert_eq!(found(&database, "나들이").await, [("서울숲나들이".to_owned(), 1)]);
}

/// Only PostgreSQL has two writers.
#[tokio::test]
async fn post_waits_for_the_deletion_of_its_hashtag_and_inserts_it_again() {
    let (database, ann) = with_unused_tag(Backend::Postgres).await;
    let tx = database.db().write().await.unwrap();
    let unused = hashtags::list_unused(database.db(), 10).await.unwrap();
    assert_eq!(hashtags::delete_unused(&tx, &unused).await.unwrap(), 1);
    let again = post(ann, "서울숲나들이");
    let writing = insert_post(&database, again);
    let deleting = async {
        let waiting = "SELECT state AS line FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while database.lines(waiting).await.is_empty() {
            tokio::task::yield_now().await;
        }
        tx.commit().await.unwrap();
    };
    let both = async { tokio::join!(writing, deleting) };
    tokio::time::timeout(TIMEOUT, both).await.unwrap();
    assert_eq!(found(&database, "나들이").await, [("서울숲나들이".to_owned(), 1)]);
}

/// The other way round: the deletion does not wait for the post, and leaves its hashtag alone.
#[tokio::test]
async fn deletion_skips_hashtags_that_a_post_is_counting() {
    let (database, ann) = with_unused_tag(Backend::Postgres).await;
    let mut again = post(ann, "서울숲나들이");
    let writing = database.db().write().await.unwrap();
    let author = users::find(&writing, ann).await.unwrap().unwrap().summary;
    rows::count_new(&writing, &again, &author).await.unwrap();
    let unused = hashtags::list_unused(database.db(), 10).await.unwrap();
    assert_eq!(unused, ["서울숲나들이"]);
    let deleting = database.db().write().await.unwrap();
    let deleted = tokio::time::timeout(TIMEOUT, hashtags::delete_unused(&deleting, &unused)).await;
    assert_eq!(deleted.expect("it waits for nothing").unwrap(), 0);
    deleting.commit().await.unwrap();
    rows::insert(&writing, &mut again, now()).await.unwrap();
    writing.commit().await.unwrap();
    assert_eq!(found(&database, "나들이").await, [("서울숲나들이".to_owned(), 1)]);
}

/// The index references the hashtags on PostgreSQL, so indexing one that is being deleted would fail.
#[tokio::test]
async fn indexing_skips_hashtags_that_are_being_deleted() {
    let (database, _) = with_unused_tag(Backend::Postgres).await;
    database.execute("DELETE FROM hashtag_search").await;
    let deleting = database.db().write().await.unwrap();
    let unused = hashtags::list_unused(database.db(), 10).await.unwrap();
    assert_eq!(hashtags::delete_unused(&deleting, &unused).await.unwrap(), 1);
    let indexing = database.db().write().await.unwrap();
    let indexed = tokio::time::timeout(TIMEOUT, search::index_missing(&indexing, 10)).await;
    // The account and its post, which were never indexed by a job, are indexed already.
    assert_eq!(indexed.expect("it waits for nothing").unwrap(), 0);
    indexing.commit().await.unwrap();
    deleting.commit().await.unwrap();
    assert_eq!(database.count("hashtags").await, 0);
}
