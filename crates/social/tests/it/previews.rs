//! Posts and profiles for link previews and search engines.

use blegram_domain::{PostText, Username, Visibility};
use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{CreatePost, Error};
use rstest_reuse::apply;

use crate::{both_databases, social, text, user};

#[apply(both_databases)]
#[tokio::test]
async fn previews_take_a_constant_number_of_statements(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = user(&database, "ann").await;
    for name in ["bob", "chul", "zoe"] {
        user(&database, name).await;
    }
    let social = social(&database);
    let few = social.create_post(ann, text("hello")).await.unwrap().post.id;
    let many = social.create_post(ann, text("hello @bob @chul @zoe #a #b")).await.unwrap().post.id;
    for post in [few, many] {
        database.take_statements();
        assert!(social.preview_post(post).await.unwrap().is_indexable);
        let statements = database.take_statements();
        // The post with its people and images; its author's settings.
        assert_eq!(statements.len(), 2, "{statements:#?}");
    }
    database.take_statements();
    assert!(social.preview_user(&Username::parse("ann").unwrap()).await.unwrap().is_indexable);
    assert_eq!(database.take_statements().len(), 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn previews_are_those_of_an_anonymous_visitor(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let (ann, name) = (user(&database, "ann").await, Username::parse("ann").unwrap());
    let social = social(&database);
    let public = social.create_post(ann, text("hello")).await.unwrap().post.id;
    let followers =
        CreatePost::new(PostText::parse("hello").unwrap(), Vec::new(), Visibility::Followers).unwrap();
    let followers = social.create_post(ann, followers).await.unwrap().post.id;
    assert!(matches!(social.preview_post(followers).await, Err(Error::PostNotFound)));

    database.execute("UPDATE users SET discoverable = FALSE").await;
    assert!(!social.preview_post(public).await.unwrap().is_indexable);
    assert!(!social.preview_user(&name).await.unwrap().is_indexable);

    database.execute("UPDATE users SET discoverable = TRUE, is_private = TRUE").await;
    assert!(matches!(social.preview_post(public).await, Err(Error::PostNotFound)));
    assert!(!social.preview_user(&name).await.unwrap().is_indexable);

    database.execute("UPDATE users SET is_private = FALSE, status = 'suspended'").await;
    assert!(matches!(social.preview_post(public).await, Err(Error::PostNotFound)));
    assert!(matches!(social.preview_user(&name).await, Err(Error::UserNotFound)));
}
