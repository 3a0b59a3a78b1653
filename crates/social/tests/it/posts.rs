use blegram_domain::{CommentText, PostId, PostText, UserId, Violation, Visibility, version::Precondition};
use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{CreatePost, Error, UpdatePost, UserRef, WriteComment};
use rstest_reuse::apply;

use crate::{both_databases, now, social, text, user};

#[apply(both_databases)]
#[tokio::test]
async fn post_of_a_missing_account_is_rejected(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let missing_user = UserId::generate(now());
    let rejected = social(&database).create_post(missing_user, text("hello")).await;
    assert!(matches!(rejected, Err(Error::UserNotFound)), "{rejected:?}");
    assert_eq!(database.count("posts").await, 0);
}

/// A request that began before the account was suspended.
#[apply(both_databases)]
#[tokio::test]
async fn suspended_account_cannot_act_on_posts(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let social = social(&database);
    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    database.execute("UPDATE users SET status = 'suspended' WHERE username = 'bob'").await;

    assert!(matches!(social.create_post(bob, text("hello")).await, Err(Error::UserNotFound)));
    assert!(matches!(social.like_post(bob, post).await, Err(Error::UserNotFound)));
    assert!(matches!(social.bookmark_post(bob, post).await, Err(Error::UserNotFound)));
    let comment = WriteComment::new(CommentText::parse("hi").unwrap()).unwrap();
    assert!(matches!(social.create_comment(bob, post, None, comment).await, Err(Error::UserNotFound)));
    for table in ["post_likes", "bookmarks", "comments", "notifications"] {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn mentions_list_each_account_once_and_skip_suspended_ones(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, zoe] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "zoe").await];
    database.execute("UPDATE users SET status = 'suspended' WHERE username = 'zoe'").await;
    let social = social(&database);
    let post = social.create_post(ann, text("@bob @bob님 @zoe @BOB")).await.unwrap();
    assert_eq!(post.post.mentions, [bob]);
    assert!(!post.post.mentions.contains(&zoe));

    database.execute("UPDATE users SET status = 'suspended' WHERE username = 'bob'").await;
    let later = social.get_post(Some(ann), post.post.id).await.unwrap();
    assert_eq!(later.mentions, []);
}

#[apply(both_databases)]
#[tokio::test]
async fn delete_post_reports_hidden_posts_as_not_found(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let social = social(&database);
    let seen = social.create_post(ann, text("hello")).await.unwrap().post.id;
    let followers =
        CreatePost::new(PostText::parse("hello").unwrap(), Vec::new(), Visibility::Followers).unwrap();
    let hidden = social.create_post(ann, followers).await.unwrap().post.id;
    assert!(matches!(social.delete_post(bob, seen, &Precondition::Any).await, Err(Error::NotAuthor)));
    for absent in [hidden, PostId::generate(now())] {
        assert!(matches!(
            social.delete_post(bob, absent, &Precondition::Any).await,
            Err(Error::PostNotFound)
        ));
    }
    social.delete_post(ann, hidden, &Precondition::Any).await.unwrap();
    assert!(matches!(social.delete_post(ann, hidden, &Precondition::Any).await, Err(Error::PostNotFound)));
}

/// The text still mentions bob when the post becomes public.
#[apply(both_databases)]
#[tokio::test]
async fn mention_does_not_notify_a_user_who_blocked_the_author(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let social = social(&database);
    let followers = CreatePost::new(PostText::parse("@bob").unwrap(), Vec::new(), Visibility::Followers);
    let post = social.create_post(ann, followers.unwrap()).await.unwrap().post.id;
    social.block_user(bob, &UserRef::Id(ann)).await.unwrap();
    let public = UpdatePost::new(None, None, Some(Visibility::Public)).unwrap();
    social.update_post(ann, post, public, &Precondition::Any).await.unwrap();
    assert_eq!(database.count("notifications").await, 0);
}

#[test]
fn post_without_text_and_images_is_rejected() {
    let blank = CreatePost::new(PostText::parse(" ").unwrap(), Vec::new(), Visibility::Public);
    assert_eq!(blank, Err(Violation::Blank));
}
