//! The queries on both databases: edge cases, races, pages, query plans.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, in helpers too")]

mod accounts;
mod durability;
mod group_commit;
mod hashtags;
mod jobs;
mod metrics;
mod migrations;
mod newest;
mod nodes;
mod pages;
mod plans;
mod posts;
mod relations;
mod search;
mod sessions;
mod timelines;

use blegram_domain::{DisplayName, Hashtag, Post, PostId, Timestamp, UserId, Username, Visibility};
use blegram_persistence::{
    Inserted, posts as rows,
    testing::TestDatabase,
    users::{self, NewUser},
};
use rstest_reuse::template;

/// Runs a test on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).unwrap()
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        id: UserId::generate(now()),
        username: Username::parse(name).unwrap(),
        display_name: DisplayName::parse(name).unwrap(),
        email: None,
        password_hash: Some("$argon2id$of-nothing".to_owned()),
        role: blegram_domain::user::Role::User,
        created_at: now(),
    }
}

pub(crate) async fn insert_user(database: &TestDatabase, name: &str) -> UserId {
    let user = new_user(name);
    let id = user.id;
    let tx = database.db().write().await.unwrap();
    assert_eq!(users::insert(&tx, user).await.unwrap(), Inserted::New);
    tx.commit().await.unwrap();
    id
}

pub(crate) fn new_post(author: UserId, text: &str) -> Post {
    Post {
        id: PostId::generate(now()),
        author,
        text: text.to_owned(),
        media: Vec::new(),
        hashtags: vec![Hashtag::parse("제주").unwrap()],
        mentions: vec![author],
        visibility: Visibility::Public,
        like_count: 0,
        comment_count: 0,
        created_at: now(),
        edited_at: None,
        version: 0,
    }
}

/// Inserts a post, and returns it with its id.
pub(crate) async fn insert_post(database: &TestDatabase, mut post: Post) -> Post {
    let tx = database.db().write().await.unwrap();
    let author = users::find(&tx, post.author).await.unwrap().unwrap().summary;
    users::update_post_count(&tx, post.author, 1).await.unwrap();
    rows::count_new(&tx, &post, &author).await.unwrap();
    rows::insert(&tx, &mut post, now()).await.unwrap();
    tx.commit().await.unwrap();
    post
}
