//! Random histories against a simple model: after any sequence of actions, every count is exact and no orphaned rows
//! are left.

use std::collections::BTreeSet;

use blegram_domain::{CommentId, CommentText, PostId, UserId, version::Precondition};
use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{Social, UpdateProfile, UserRef, WriteComment};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use rstest_reuse::apply;

use crate::{both_databases, social, text, user};

/// An action of one user; the numbers choose among the existing users, posts and comments.
#[derive(Debug, Clone, Copy)]
struct Act {
    what: u8,
    by: u8,
    to: u8,
}

/// The expected state.
#[derive(Default)]
struct Model {
    follows: BTreeSet<(UserId, UserId)>,
    requests: BTreeSet<(UserId, UserId)>,
    blocks: BTreeSet<(UserId, UserId)>,
    private: BTreeSet<UserId>,
    posts: Vec<(PostId, UserId)>,
    /// Comments that are not deleted, with their authors, posts and threads.
    comments: Vec<(CommentId, UserId, PostId, Option<CommentId>)>,
    likes: BTreeSet<(UserId, PostId)>,
}

impl Model {
    fn is_blocked(&self, one: UserId, other: UserId) -> bool {
        self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one))
    }

    fn sees(&self, viewer: UserId, author: UserId) -> bool {
        viewer == author
            || !self.is_blocked(viewer, author)
                && (!self.private.contains(&author) || self.follows.contains(&(viewer, author)))
    }

    fn remove_post(&mut self, post: PostId) {
        self.posts.retain(|(id, _)| *id != post);
        self.comments.retain(|(_, _, of, _)| *of != post);
        self.likes.retain(|(_, of)| *of != post);
    }
}

fn pick<T: Copy>(all: &[T], at: u8) -> Option<T> {
    if all.is_empty() { None } else { Some(all[usize::from(at) % all.len()]) }
}

async fn run_step(social: &Social, people: &[UserId], model: &mut Model, act: Act) {
    let (actor, other) = (pick(people, act.by).unwrap(), pick(people, act.to).unwrap());
    let other_ref = UserRef::Id(other);
    match act.what % 11 {
        0 | 1 => {
            let post = social.create_post(actor, text("hello #tag #jeju")).await.unwrap();
            model.posts.push((post.post.id, actor));
        }
        2 => {
            let Some((post, author)) = pick(&model.posts, act.to) else { return };
            let liked = social.like_post(actor, post).await;
            assert_eq!(liked.is_ok(), model.sees(actor, author));
            if liked.is_ok() {
                model.likes.insert((actor, post));
            }
        }
        3 => {
            let Some((post, author)) = pick(&model.posts, act.to) else { return };
            if social.unlike_post(actor, post).await.is_ok() {
                assert!(model.sees(actor, author));
                model.likes.remove(&(actor, post));
            }
        }
        4 | 5 => {
            let Some((post, author)) = pick(&model.posts, act.to) else { return };
            let on_post: Vec<_> =
                model.comments.iter().copied().filter(|(_, _, of, _)| *of == post).collect();
            let parent = if act.what % 11 == 5 { pick(&on_post, act.by) } else { None };
            let words = WriteComment::new(CommentText::parse("hi").unwrap()).unwrap();
            let written = social.create_comment(actor, post, parent.map(|(id, ..)| id), words).await;
            let is_allowed = model.sees(actor, author)
                && parent.is_none_or(|(_, by, ..)| by == actor || !model.is_blocked(actor, by));
            assert_eq!(written.is_ok(), is_allowed, "{written:?}");
            if let Ok(view) = written {
                model.comments.push((view.comment.id, actor, post, view.comment.parent));
            }
        }
        6 => {
            let Some((comment, author, ..)) = pick(&model.comments, act.to) else { return };
            if social.delete_comment(author, comment, &Precondition::Any).await.is_ok() {
                model.comments.retain(|(id, ..)| *id != comment);
            }
        }
        7 => {
            let Some((post, author)) = pick(&model.posts, act.to) else { return };
            social.delete_post(author, post, &Precondition::Any).await.unwrap();
            model.remove_post(post);
        }
        8 if actor != other => {
            let state = social.follow_user(actor, &other_ref).await;
            assert_eq!(state.is_ok(), !model.is_blocked(actor, other));
            match state {
                Ok(state) if state.following => model.follows.insert((actor, other)),
                Ok(_) => model.requests.insert((actor, other)),
                Err(_) => false,
            };
        }
        9 if actor != other => {
            if act.by.is_multiple_of(2) {
                social.block_user(actor, &other_ref).await.unwrap();
                model.blocks.insert((actor, other));
                for pair in [(actor, other), (other, actor)] {
                    model.follows.remove(&pair);
                    model.requests.remove(&pair);
                }
            } else {
                social.unblock_user(actor, &other_ref).await.unwrap();
                model.blocks.remove(&(actor, other));
            }
        }
        10 => {
            let is_private = act.to.is_multiple_of(2);
            let update = UpdateProfile { is_private: Some(is_private), ..UpdateProfile::default() };
            social.update_profile(actor, update, &Precondition::Any).await.unwrap();
            if is_private {
                model.private.insert(actor);
            } else {
                model.private.remove(&actor);
                // Pending requests are accepted.
                let pending: Vec<_> = model.requests.iter().filter(|(_, of)| *of == actor).copied().collect();
                for pair in pending {
                    model.requests.remove(&pair);
                    model.follows.insert(pair);
                }
            }
        }
        _ => {}
    }
}

/// Compares the database with the model.
async fn assert_matches_model(database: &TestDatabase, social: &Social, people: &[UserId], model: &Model) {
    for (post, author) in &model.posts {
        let post = social.get_post(Some(*author), *post).await.unwrap().post;
        let likes = model.likes.iter().filter(|(_, of)| *of == post.id).count();
        let comments = model.comments.iter().filter(|(_, _, of, _)| *of == post.id).count();
        assert_eq!((post.like_count, post.comment_count), (likes as u64, comments as u64));
    }
    for person in people {
        let user = social.get_user(Some(*person), &UserRef::Id(*person)).await.unwrap().user;
        let posts = model.posts.iter().filter(|(_, author)| author == person).count();
        let followers = model.follows.iter().filter(|(_, of)| of == person).count();
        let following = model.follows.iter().filter(|(by, _)| by == person).count();
        let counts = (user.post_count, user.follower_count, user.following_count);
        assert_eq!(counts, (posts as u64, followers as u64, following as u64));
    }
    for count in social.recount(false).await.unwrap() {
        assert_eq!(count.wrong, 0, "{count:?}");
    }
    assert_eq!(database.count("blocks").await, model.blocks.len());
}

/// Runs the purge jobs of the server until nothing is left to do.
async fn purge(social: &Social, posts: &BTreeSet<PostId>, comments: &BTreeSet<CommentId>) {
    for post in posts {
        while social.purge_post(*post).await.unwrap() {}
    }
    for comment in comments {
        while social.purge_comment(*comment).await.unwrap() {}
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn counts_are_exact_and_no_orphans_remain_after_random_histories(#[case] backend: Backend) {
    let acts =
        vec((any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(what, by, to)| Act { what, by, to }), 120);
    // A fixed seed makes failures reproducible.
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    for _ in 0..4 {
        let history = acts.new_tree(&mut runner).unwrap().current();
        let database = TestDatabase::new(backend).await;
        let social = social(&database);
        let mut people = Vec::new();
        for name in ["ann", "bob", "chul", "dana"] {
            people.push(user(&database, name).await);
        }
        let mut model = Model::default();
        let (mut posts, mut comments) = (BTreeSet::new(), BTreeSet::new());
        for act in history {
            run_step(&social, &people, &mut model, act).await;
            posts.extend(model.posts.iter().map(|(id, _)| *id));
            comments.extend(model.comments.iter().map(|(id, ..)| *id));
        }
        assert_matches_model(&database, &social, &people, &model).await;
        let deleted_posts = posts
            .iter()
            .filter(|id| !model.posts.iter().any(|(existing, _)| existing == *id))
            .copied()
            .collect();
        let deleted_comments =
            comments.iter().filter(|id| !model.comments.iter().any(|(existing, ..)| existing == *id));
        purge(&social, &deleted_posts, &deleted_comments.copied().collect()).await;
        assert_matches_model(&database, &social, &people, &model).await;
        assert_eq!(database.count("posts").await, model.posts.len());
        assert_eq!(database.count("post_likes").await, model.likes.len());
        // What is left: live comments, and tombstones of threads that have replies.
        let tops: BTreeSet<_> = model.comments.iter().filter_map(|(.., thread)| *thread).collect();
        let tombstones = tops.iter().filter(|top| !model.comments.iter().any(|(id, ..)| id == *top)).count();
        assert_eq!(database.count("comments").await, model.comments.len() + tombstones);
    }
}
