use std::time::Duration;

use blegram_domain::{CommentId, Post, PostId, Visibility};
use blegram_persistence::{
    Error, Inserted, comments, likes, posts,
    testing::{Backend, TestDatabase, execute},
    users,
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, insert_post, insert_user, new_post, now};

#[apply(both_databases)]
#[tokio::test]
async fn post_round_trips(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "노을 🌅 #제주 '; DROP TABLE posts; --");
    let post = insert_post(&database, post).await;
    assert_eq!(posts::find(database.db(), post.id).await.unwrap(), Some(post));
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_likes_count_once_per_user(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "liked");
    let post = insert_post(&database, post).await;
    let mut likes = JoinSet::new();
    for n in 0..50 {
        let (db, post) = (database.db().clone(), post.id);
        let by = if n % 2 == 0 { ann } else { insert_user(&database, &format!("user{n}")).await };
        likes.spawn(async move {
            let tx = db.write().await.unwrap();
            let inserted = likes::insert_post_like(&tx, by, (post, ann), now()).await.unwrap();
            tx.commit().await.unwrap();
            inserted.is_some_and(|(inserted, _)| inserted == Inserted::New)
        });
    }
    let new = likes.join_all().await.into_iter().filter(|is_new| *is_new).count();
    let count = posts::find(database.db(), post.id).await.unwrap().unwrap().like_count;
    assert_eq!((new, count, database.count("post_likes").await), (26, 26, 26));
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_post_cannot_be_liked(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "deleted");
    let post = insert_post(&database, post).await;
    let author = users::find(database.db(), ann).await.unwrap().unwrap().summary;
    let tx = database.db().write().await.unwrap();
    posts::update_deleted(&tx, &post, &author, now()).await.unwrap();
    let inserted = likes::insert_post_like(&tx, ann, (post.id, ann), now()).await.unwrap();
    assert_eq!(inserted, None);
    tx.commit().await.unwrap();
    assert!(posts::find(database.db(), post.id).await.unwrap().is_none());
    assert_eq!(users::find(database.db(), ann).await.unwrap().unwrap().post_count, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn corrupt_post_row_is_an_error(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let post = new_post(ann, "mine");
    let post = insert_post(&database, post).await;
    database.execute("UPDATE posts SET visibility = 'nobody'").await;
    let error = posts::find(database.db(), post.id).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { table: "posts", .. }), "{error:?}");
}

/// A node whose clock is ahead has written the newest post.
#[tokio::test]
async fn post_after_a_newer_one_is_above_it_and_is_searchable() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let ann = insert_user(&database, "ann").await;
    let hidden = Post { visibility: Visibility::Followers, hashtags: Vec::new(), ..new_post(ann, "ahead") };
    let hidden = insert_post(&database, hidden).await.id.to_string();
    let hour = PostId::first_of(now() + Duration::from_secs(3600)).to_string();
    let ahead: PostId = format!("{}{}", &hour[..13], &hidden[13..]).parse().unwrap();
    database.execute(&format!("UPDATE posts SET id = '{ahead}'")).await;
    let post = insert_post(&database, new_post(ann, "later")).await;
    assert!(post.id > ahead);
    assert_eq!((database.count("posts").await, database.count("post_search").await), (2, 1));
}

/// Ids of notifications are in commit order, so two transactions that notify one account wait for each other.
#[tokio::test]
async fn new_likes_and_comments_lock_the_notifications_of_their_recipients() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "carol"] {
        people.push(insert_user(&database, name).await);
    }
    let (ann, bob, carol) = (people[0], people[1], people[2]);
    let mut ids = Vec::new();
    for text in ["first", "second", "third"] {
        ids.push(insert_post(&database, new_post(ann, text)).await.id);
    }
    let begin = async || {
        let tx = database.db().write().await.unwrap();
        execute(&tx, "SET LOCAL lock_timeout = '50ms'").await.unwrap();
        tx
    };
    let first = begin().await;
    likes::insert_post_like(&first, bob, (ids[0], ann), now()).await.unwrap();

    let like = likes::insert_post_like(&begin().await, carol, (ids[1], ann), now()).await;
    assert!(like.unwrap_err().is_transient());
    for parent in [None, Some(CommentId::generate(now()))] {
        let comment = comments::count_new(&begin().await, (ids[1], parent), carol, [ann]).await;
        assert!(comment.unwrap_err().is_transient(), "{parent:?}");
    }
    // Actors are not notified of their own actions.
    let own = likes::insert_post_like(&begin().await, ann, (ids[1], ann), now()).await.unwrap();
    assert!(own.is_some_and(|(inserted, _)| inserted == Inserted::New));
    let own = comments::count_new(&begin().await, (ids[2], None), carol, [carol]).await.unwrap();
    assert_eq!(own.map(|post| post.comment_count), Some(1));
}
