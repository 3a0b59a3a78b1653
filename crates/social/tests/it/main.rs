//! Tests of the social use cases on both databases. The tests of the API crate cover what clients see.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, in helpers too")]

mod events;
mod hashtags;
mod histories;
mod locks;
mod newer;
mod posts;
mod previews;
mod timelines;

use std::sync::Arc;

use blegram_domain::{
    Clock, DisplayName, FixedClock, PageRequest, PostText, Timestamp, UserId, Username, Visibility,
    page::{Cursor, Limit, Scope},
};
use blegram_persistence::{
    testing::TestDatabase,
    users::{self, NewUser},
};
use blegram_social::{CreatePost, Social};
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

pub(crate) fn social(database: &TestDatabase) -> Social {
    Social::new(database.db().clone(), Arc::new(FixedClock::new(now())) as Arc<dyn Clock>)
}

pub(crate) async fn user(database: &TestDatabase, name: &str) -> UserId {
    let id = UserId::generate(now());
    let tx = database.db().write().await.unwrap();
    let user = NewUser {
        id,
        username: Username::parse(name).unwrap(),
        display_name: DisplayName::parse(name).unwrap(),
        email: None,
        password_hash: None,
        role: blegram_domain::user::Role::User,
        created_at: now(),
    };
    users::insert(&tx, user).await.unwrap();
    tx.commit().await.unwrap();
    id
}

pub(crate) fn text(text: &str) -> CreatePost {
    CreatePost::new(PostText::parse(text).unwrap(), Vec::new(), Visibility::Public).unwrap()
}

pub(crate) fn page(limit: i64, cursor: Option<Cursor>) -> PageRequest {
    PageRequest::new(Scope::new("list", &[]), Limit::parse(limit).unwrap(), cursor, None)
}
