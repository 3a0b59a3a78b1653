//! Hashtags that no post has are deleted, with everything that the search knows of them.

use std::collections::BTreeSet;

use blegram_domain::{PostText, Visibility, search::Query, version::Precondition};
use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{Social, UpdatePost, UpdateProfile};
use rstest_reuse::apply;

use crate::{both_databases, social, text, user};

async fn stored(database: &TestDatabase, table: &str) -> BTreeSet<String> {
    database.lines(&format!("SELECT name AS line FROM {table}")).await.into_iter().collect()
}

async fn suggested(social: &Social, part: &str) -> Vec<String> {
    let found = social.search_suggestions(None, &Query::parse(part).unwrap()).await.unwrap();
    found.hashtags.into_iter().map(|view| view.hashtag.to_string()).collect()
}

async fn prune(social: &Social) {
    while social.delete_unused_hashtags().await.unwrap() {}
}

#[apply(both_databases)]
#[tokio::test]
async fn hashtags_are_deleted_when_no_post_has_them(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let social = social(&database);
    let edited = social.create_post(ann, text("#tag_kept #tag_edited")).await.unwrap().post.id;
    let hidden = social.create_post(ann, text("#tag_kept #tag_hidden")).await.unwrap().post.id;
    let deleted = social.create_post(ann, text("#tag_kept #tag_deleted")).await.unwrap().post.id;
    let private = social.create_post(bob, text("#tag_private")).await.unwrap().post.id;

    let shortened = UpdatePost::new(Some(PostText::parse("#tag_kept").unwrap()), None, None).unwrap();
    social.update_post(ann, edited, shortened, &Precondition::Any).await.unwrap();
    let followers = UpdatePost::new(None, None, Some(Visibility::Followers)).unwrap();
    social.update_post(ann, hidden, followers, &Precondition::Any).await.unwrap();
    social.delete_post(ann, deleted, &Precondition::Any).await.unwrap();
    let set_private = async |is_private: bool| {
        let update = UpdateProfile { is_private: Some(is_private), ..UpdateProfile::default() };
        social.update_profile(bob, update, &Precondition::Any).await.unwrap();
    };
    set_private(true).await;
    assert_eq!(suggested(&social, "tag").await, ["tag_kept"], "no post that everyone may see has the others");

    prune(&social).await;
    // The post of the private account still has its hashtag.
    let left = ["tag_kept", "tag_private"].map(ToOwned::to_owned).into();
    assert_eq!(stored(&database, "hashtags").await, left);
    assert_eq!(stored(&database, "hashtag_search").await, left);
    if backend == Backend::Sqlite {
        let terms = database.lines("SELECT '' AS line FROM hashtag_search_terms").await;
        assert_eq!(terms.len(), left.len());
    }
    assert_eq!(suggested(&social, "tag").await, ["tag_kept"]);

    set_private(false).await;
    let public = UpdatePost::new(None, None, Some(Visibility::Public)).unwrap();
    social.update_post(ann, hidden, public, &Precondition::Any).await.unwrap();
    assert_eq!(suggested(&social, "tag").await, ["tag_kept", "tag_hidden", "tag_private"]);
    assert_eq!(suggested(&social, "hidden").await, ["tag_hidden"], "indexed again");
    social.delete_post(bob, private, &Precondition::Any).await.unwrap();
    prune(&social).await;
    assert!(!stored(&database, "hashtags").await.contains("tag_private"));
    assert!(social.recount(true).await.unwrap().iter().all(|count| count.wrong == 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn unused_hashtags_are_deleted_in_batches(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = user(&database, "ann").await;
    let social = social(&database);
    social.create_post(ann, text("#used")).await.unwrap();
    let numbers = match backend {
        Backend::Sqlite => "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1200)",
        Backend::Postgres => "WITH s(n) AS (SELECT generate_series(1, 1200))",
    };
    let unused = format!("{numbers} INSERT INTO hashtags (name, post_count) SELECT 'unused' || n, 0 FROM s");
    database.execute(&unused).await;
    let mut left = Vec::new();
    while social.delete_unused_hashtags().await.unwrap() {
        left.push(database.count("hashtags").await);
    }
    left.push(database.count("hashtags").await);
    assert_eq!(left, [701, 201, 1]);
}
