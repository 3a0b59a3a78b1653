//! The events that each use case publishes. Rejected calls and calls without a change publish none.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blegram_domain::{
    CommentText, EventSink, NotificationId, PostText, Relation, UserId, Visibility, notification::ReadMark,
    version::Precondition,
};
use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{
    CommentView, CreatePost, Error, Event, NotificationView, PostView, Social, UpdatePost, UpdateProfile,
    UserRef, WriteComment,
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, now, page, social, text, user};

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl EventSink<Event> for Recorder {
    fn publish(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    /// The events since the last call.
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn recorded(database: &TestDatabase) -> (Social, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (social(database).with_events(Arc::clone(&recorder) as Arc<dyn EventSink<Event>>), recorder)
}

fn comment(text: &str) -> WriteComment {
    WriteComment::new(CommentText::parse(text).unwrap()).unwrap()
}

fn rewrite(text: &str) -> UpdatePost {
    UpdatePost::new(Some(PostText::parse(text).unwrap()), None, None).unwrap()
}

fn set_visibility(visibility: Visibility) -> UpdatePost {
    UpdatePost::new(None, None, Some(visibility)).unwrap()
}

async fn list_notifications(social: &Social, user: UserId) -> Vec<NotificationView> {
    social.notifications(user, &page(50, None)).await.unwrap().items
}

/// The event of the newest notification of `user`.
async fn notification_event(social: &Social, user: UserId) -> Event {
    let newest = list_notifications(social, user).await.remove(0).notification.id;
    Event::Notified { recipient: user, notification: newest }
}

async fn newest(social: &Social, user: UserId) -> NotificationId {
    list_notifications(social, user).await.remove(0).notification.id
}

/// The event that retracts one notification of `recipient`.
fn retracted(recipient: UserId, notification: NotificationId) -> Event {
    Event::Retracted { recipient, notifications: vec![notification] }
}

#[apply(both_databases)]
#[tokio::test]
async fn post_changes_are_published(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, chul] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "chul").await];
    let (social, recorder) = recorded(&database);

    assert!(social.create_post(UserId::generate(now()), text("hello")).await.is_err());
    assert_eq!(recorder.take(), []);
    let written = social.create_post(ann, text("hello @bob")).await.unwrap();
    let id = written.post.id;
    let public = social.get_post(None, id).await.unwrap();
    assert_eq!(public, PostView { viewer: None, ..written });
    assert_eq!(recorder.take(), [Event::PostCreated(public.clone()), notification_event(&social, bob).await]);

    for same in [UpdatePost::default(), rewrite("hello @bob"), set_visibility(Visibility::Public)] {
        social.update_post(ann, id, same, &Precondition::Any).await.unwrap();
    }
    let rejected = social.update_post(bob, id, rewrite("mine"), &Precondition::Any).await;
    assert!(matches!(rejected, Err(Error::NotAuthor)), "{rejected:?}");
    assert_eq!(recorder.take(), []);

    // Bob was notified by the first text.
    social.update_post(ann, id, rewrite("hello @bob @chul #jeju"), &Precondition::Any).await.unwrap();
    let edited = social.get_post(None, id).await.unwrap();
    let updated = Event::PostUpdated { post: edited.clone(), before: public.post };
    assert_eq!(recorder.take(), [updated, notification_event(&social, chul).await]);

    let author = edited.author.clone();
    let deleted = edited.post.clone();
    let mut hidden =
        [retracted(bob, newest(&social, bob).await), retracted(chul, newest(&social, chul).await)];
    hidden.sort_by_key(
        |event| matches!(event, Event::Retracted { recipient, .. } if *recipient == bob.max(chul)),
    );
    assert!(social.delete_post(bob, id, &Precondition::Any).await.is_err());
    social.delete_post(ann, id, &Precondition::Any).await.unwrap();
    assert!(social.delete_post(ann, id, &Precondition::Any).await.is_err());
    assert_eq!(recorder.take(), [&[Event::PostDeleted { post: deleted, author }], &hidden[..]].concat());
    while social.purge_post(id).await.unwrap() {}
    assert_eq!(recorder.take(), [], "the job must not retract the notifications again");
}

#[apply(both_databases)]
#[tokio::test]
async fn notifications_of_a_purged_account_are_retracted(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, chul] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "chul").await];
    let (social, recorder) = recorded(&database);
    social.follow_user(bob, &UserRef::Id(ann)).await.unwrap();
    let of_bob = newest(&social, ann).await;
    let post = social.create_post(bob, text("hello")).await.unwrap().post.id;
    social.create_comment(chul, post, None, comment("@ann look")).await.unwrap();
    let below_bobs_post = newest(&social, ann).await;
    recorder.take();
    while social.purge_user(bob).await.unwrap() {}
    let events = recorder.take();
    let mut withdrawn: Vec<_> = events
        .into_iter()
        .flat_map(|event| match event {
            Event::Retracted { recipient, notifications } if recipient == ann => notifications,
            other => panic!("{other:?}"),
        })
        .collect();
    withdrawn.sort_unstable();
    assert_eq!(withdrawn, [of_bob, below_bobs_post]);
    assert_eq!(list_notifications(&social, ann).await, []);
}

#[apply(both_databases)]
#[tokio::test]
async fn mentions_removed_by_an_edit_are_retracted(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let (social, recorder) = recorded(&database);
    let post = social.create_post(ann, text("hello @bob")).await.unwrap().post.id;
    let in_post = newest(&social, bob).await;
    let about = social.create_comment(ann, post, None, comment("@bob?")).await.unwrap().comment.id;
    let in_comment = newest(&social, bob).await;
    recorder.take();
    social.update_post(ann, post, rewrite("hello"), &Precondition::Any).await.unwrap();
    assert_eq!(recorder.take()[1..], [retracted(bob, in_post)]);
    social.update_comment(ann, about, comment("?"), &Precondition::Any).await.unwrap();
    assert_eq!(recorder.take()[1..], [retracted(bob, in_comment)]);
    assert_eq!(list_notifications(&social, bob).await, []);
}

#[apply(both_databases)]
#[tokio::test]
async fn post_events_are_rendered_for_a_logged_out_viewer(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    user(&database, "zoe").await;
    let (social, recorder) = recorded(&database);
    let followers =
        CreatePost::new(PostText::parse("hello @bob @zoe").unwrap(), Vec::new(), Visibility::Followers);
    let written = social.create_post(ann, followers.unwrap()).await.unwrap();
    // Neither follows ann, so neither is notified.
    assert_eq!(recorder.take(), [Event::PostCreated(PostView { viewer: None, ..written.clone() })]);

    social.block_user(bob, &UserRef::Id(ann)).await.unwrap();
    database.execute("UPDATE users SET status = 'suspended' WHERE username = 'zoe'").await;
    recorder.take();
    social.update_post(ann, written.post.id, rewrite("@bob @zoe"), &Precondition::Any).await.unwrap();
    // The new text mentions no account: ann and bob are blocked from each other, and zoe is suspended.
    let [Event::PostUpdated { post, .. }] = &recorder.take()[..] else { panic!() };
    assert_eq!((&post.viewer, &post.mentions[..]), (&None, &[][..]));

    social.unblock_user(bob, &UserRef::Id(ann)).await.unwrap();
    social.update_post(ann, written.post.id, rewrite("hello @bob"), &Precondition::Any).await.unwrap();
    social.block_user(bob, &UserRef::Id(ann)).await.unwrap();
    recorder.take();
    let own =
        social.update_post(ann, written.post.id, set_visibility(Visibility::Public), &Precondition::Any);
    assert_eq!(own.await.unwrap().mentions, []);
    let public = social.get_post(None, written.post.id).await.unwrap();
    assert_eq!(public.mentions.iter().map(|user| user.id).collect::<Vec<_>>(), [bob]);
    let [Event::PostUpdated { post, before }] = &recorder.take()[..] else { panic!() };
    assert_eq!((post, before.visibility), (&public, Visibility::Followers));
}

#[apply(both_databases)]
#[tokio::test]
async fn comment_changes_are_published(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, chul] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "chul").await];
    let (social, recorder) = recorded(&database);
    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    recorder.take();
    let counts = |comment_count| Event::PostCounts { post, author: ann, like_count: 0, comment_count };

    let written = social.create_comment(bob, post, None, comment("hi")).await.unwrap();
    let id = written.comment.id;
    let about = social.get_post(None, post).await.unwrap();
    assert_eq!(about.post.comment_count, 1);
    let created = Event::CommentCreated {
        comment: CommentView { liked: None, ..written.clone() },
        post: about.post.clone(),
        post_author: about.author.clone(),
    };
    assert_eq!(recorder.take(), [created, counts(1), notification_event(&social, ann).await]);

    let reply = social.create_comment(ann, post, Some(id), comment("welcome")).await.unwrap();
    let [Event::CommentCreated { comment: published_reply, .. }, counted, notified] = &recorder.take()[..]
    else {
        panic!()
    };
    assert_eq!(published_reply.comment, reply.comment);
    assert_eq!((counted, notified), (&counts(2), &notification_event(&social, bob).await));

    social.update_comment(bob, id, comment("hi"), &Precondition::Any).await.unwrap();
    let rejected = social.update_comment(ann, id, comment("mine"), &Precondition::Any).await;
    assert!(matches!(rejected, Err(Error::NotAuthor)), "{rejected:?}");
    let rejected = social.delete_comment(chul, id, &Precondition::Any).await;
    assert!(matches!(rejected, Err(Error::NotAuthor)), "{rejected:?}");
    assert_eq!(recorder.take(), []);

    social.update_comment(bob, id, comment("hi @chul"), &Precondition::Any).await.unwrap();
    let public = social.get_comment(None, id).await.unwrap();
    assert_eq!(public.mentions.iter().map(|user| user.id).collect::<Vec<_>>(), [chul]);
    let about = social.get_post(None, post).await.unwrap();
    let updated = Event::CommentUpdated {
        comment: public.clone(),
        post: about.post.clone(),
        post_author: about.author.clone(),
    };
    assert_eq!(recorder.take(), [updated, notification_event(&social, chul).await]);

    // The author of the post deletes it. Bob's notification of the reply stays.
    let mut hidden =
        [retracted(ann, newest(&social, ann).await), retracted(chul, newest(&social, chul).await)];
    hidden.sort_by_key(
        |event| matches!(event, Event::Retracted { recipient, .. } if *recipient == ann.max(chul)),
    );
    social.delete_comment(ann, id, &Precondition::Any).await.unwrap();
    assert!(social.delete_comment(ann, id, &Precondition::Any).await.is_err());
    let post_now = social.get_post(None, post).await.unwrap().post;
    let deleted =
        Event::CommentDeleted { comment: public.comment, post: post_now, post_author: about.author };
    assert_eq!(recorder.take(), [&[deleted, counts(1)], &hidden[..]].concat());
    while social.purge_comment(id).await.unwrap() {}
    assert_eq!(recorder.take(), []);
}

#[apply(both_databases)]
#[tokio::test]
async fn likes_publish_counts_and_notify_authors(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let (social, recorder) = recorded(&database);
    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    let comment_id = social.create_comment(ann, post, None, comment("mine")).await.unwrap().comment.id;
    recorder.take();
    let counts = |like_count| Event::PostCounts { post, author: ann, like_count, comment_count: 1 };

    social.like_post(bob, post).await.unwrap();
    assert_eq!(recorder.take(), [counts(1), notification_event(&social, ann).await]);
    social.like_post(bob, post).await.unwrap();
    assert_eq!(recorder.take(), []);
    social.like_post(ann, post).await.unwrap();
    assert_eq!(recorder.take(), [counts(2)]);
    let of_like = newest(&social, ann).await;
    social.unlike_post(bob, post).await.unwrap();
    assert_eq!(recorder.take(), [counts(1), retracted(ann, of_like)]);
    social.unlike_post(bob, post).await.unwrap();
    assert_eq!(recorder.take(), []);

    social.like_comment(bob, comment_id).await.unwrap();
    assert_eq!(recorder.take(), [notification_event(&social, ann).await]);
    social.like_comment(bob, comment_id).await.unwrap();
    let of_like = newest(&social, ann).await;
    social.unlike_comment(bob, comment_id).await.unwrap();
    assert_eq!(recorder.take(), [retracted(ann, of_like)]);
    social.unlike_comment(bob, comment_id).await.unwrap();
    assert_eq!(recorder.take(), []);

    social.mute_user(ann, &UserRef::Id(bob)).await.unwrap();
    social.like_comment(bob, comment_id).await.unwrap();
    assert_eq!(recorder.take(), []);
    social.like_post(bob, post).await.unwrap();
    assert_eq!(recorder.take(), [counts(2)]);

    social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    recorder.take();
    assert!(social.like_post(bob, post).await.is_err());
    assert_eq!(recorder.take(), []);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_likes_publish_each_committed_count(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = user(&database, "ann").await;
    let (social, recorder) = recorded(&database);
    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    recorder.take();
    let mut likes = JoinSet::new();
    for n in 0..20 {
        let (social, by) = (social.clone(), user(&database, &format!("user{n}")).await);
        likes.spawn(async move { social.like_post(by, post).await.unwrap() });
    }
    likes.join_all().await;
    let counted = recorder.take().into_iter().filter_map(|event| match event {
        Event::PostCounts { like_count, .. } => Some(like_count),
        _ => None,
    });
    let mut counted: Vec<_> = counted.collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=20).collect::<Vec<_>>());
}

#[apply(both_databases)]
#[tokio::test]
async fn follows_and_blocks_publish_each_change_once(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, chul] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "chul").await];
    let (social, recorder) = recorded(&database);
    let [ann_ref, bob_ref, chul_ref] = [ann, bob, chul].map(UserRef::Id);
    let set_private = |is_private| UpdateProfile { is_private: Some(is_private), ..UpdateProfile::default() };

    social.follow_user(bob, &ann_ref).await.unwrap();
    assert_eq!(recorder.take(), [notification_event(&social, ann).await]);
    social.follow_user(bob, &ann_ref).await.unwrap();
    assert!(social.follow_user(bob, &bob_ref).await.is_err());
    let of_follow = newest(&social, ann).await;
    social.unfollow_user(bob, &ann_ref).await.unwrap();
    social.update_profile(ann, set_private(true), &Precondition::Any).await.unwrap();
    assert_eq!(recorder.take(), [retracted(ann, of_follow)]);

    social.follow_user(bob, &ann_ref).await.unwrap();
    assert_eq!(recorder.take(), [notification_event(&social, ann).await]);
    social.follow_user(bob, &ann_ref).await.unwrap();
    assert_eq!(recorder.take(), []);
    let of_request = newest(&social, ann).await;
    social.accept_follow_request(ann, &bob_ref).await.unwrap();
    assert_eq!(recorder.take(), [retracted(ann, of_request), notification_event(&social, bob).await]);
    social.accept_follow_request(ann, &bob_ref).await.unwrap();
    assert!(social.accept_follow_request(ann, &chul_ref).await.is_err());
    assert_eq!(recorder.take(), []);

    // When the account becomes public, it accepts pending requests.
    social.follow_user(chul, &ann_ref).await.unwrap();
    recorder.take();
    let of_request = newest(&social, ann).await;
    social.update_profile(ann, set_private(false), &Precondition::Any).await.unwrap();
    assert_eq!(recorder.take(), [retracted(ann, of_request), notification_event(&social, chul).await]);

    // The job accepts the remaining requests in the same way.
    database.execute("UPDATE users SET is_private = true WHERE username = 'ann'").await;
    social.unfollow_user(chul, &ann_ref).await.unwrap();
    social.follow_user(chul, &ann_ref).await.unwrap();
    database.execute("UPDATE users SET is_private = false WHERE username = 'ann'").await;
    recorder.take();
    let of_request = newest(&social, ann).await;
    assert!(!social.accept_follow_requests(ann).await.unwrap());
    assert_eq!(recorder.take(), [retracted(ann, of_request), notification_event(&social, chul).await]);

    let [of_bob, of_chul] = [newest(&social, bob).await, newest(&social, chul).await];
    social.block_user(ann, &bob_ref).await.unwrap();
    social.block_user(ann, &bob_ref).await.unwrap();
    assert!(social.block_user(ann, &ann_ref).await.is_err());
    assert_eq!(recorder.take(), [Event::Blocked { by: ann, user: bob }, retracted(bob, of_bob)]);
    social.unblock_user(ann, &bob_ref).await.unwrap();
    social.mute_user(ann, &bob_ref).await.unwrap();
    social.remove_follower(ann, &chul_ref).await.unwrap();
    assert_eq!(recorder.take(), [retracted(chul, of_chul)]);
    // A withdrawn request, then a rejected one.
    social.update_profile(ann, set_private(true), &Precondition::Any).await.unwrap();
    for is_rejected in [false, true] {
        social.follow_user(chul, &ann_ref).await.unwrap();
        let of_request = newest(&social, ann).await;
        recorder.take();
        if is_rejected {
            social.reject_follow_request(ann, &chul_ref).await.unwrap();
        } else {
            social.unfollow_user(chul, &ann_ref).await.unwrap();
        }
        assert_eq!(recorder.take(), [retracted(ann, of_request)]);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn notification_read_mark_is_published_once(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let (social, recorder) = recorded(&database);
    let newest = NotificationId::first_of(now() + Duration::from_secs(60));
    social.mark_notifications_read(ann, newest).await.unwrap();
    assert_eq!(recorder.take(), []);

    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    social.like_post(bob, post).await.unwrap();
    let mark =
        ReadMark { unread_count: 0, up_to: Some(list_notifications(&social, ann).await[0].notification.id) };
    recorder.take();
    for _ in 0..2 {
        assert_eq!(social.mark_notifications_read(ann, newest).await.unwrap(), mark);
    }
    assert_eq!(recorder.take(), [Event::NotificationsRead { user: ann, mark }]);
}

#[apply(both_databases)]
#[tokio::test]
async fn relations_of_viewers_take_two_statements(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob, chul, zoe] = [
        user(&database, "ann").await,
        user(&database, "bob").await,
        user(&database, "chul").await,
        user(&database, "zoe").await,
    ];
    let social = social(&database);
    social.follow_user(bob, &UserRef::Id(ann)).await.unwrap();
    social.mute_user(bob, &UserRef::Id(ann)).await.unwrap();
    social.block_user(ann, &UserRef::Id(chul)).await.unwrap();

    database.take_statements();
    let relations = social.relations(ann, &[ann, bob, chul, zoe]).await.unwrap().unwrap();
    assert_eq!(database.take_statements().len(), 2);
    assert_eq!(relations.author.id, ann);
    let none = Relation::default();
    assert_eq!(relations.relations[&bob], Relation { following: true, muting: true, ..none });
    assert_eq!(relations.relations[&chul], Relation { blocked_by: true, ..none });
    assert_eq!(relations.relations.len(), 2);
    assert!(social.relations(ann, &[]).await.unwrap().unwrap().relations.is_empty());

    assert_eq!(social.relations(UserId::generate(now()), &[bob]).await.unwrap(), None);
    database.execute("UPDATE users SET status = 'suspended' WHERE username = 'ann'").await;
    assert_eq!(social.relations(ann, &[bob]).await.unwrap(), None);
}

#[apply(both_databases)]
#[tokio::test]
async fn notification_by_id_matches_the_list(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [user(&database, "ann").await, user(&database, "bob").await];
    let social = social(&database);
    let post = social.create_post(ann, text("hello")).await.unwrap().post.id;
    social.create_comment(bob, post, None, comment("hi")).await.unwrap();

    let listed = list_notifications(&social, ann).await.remove(0);
    let id = listed.notification.id;
    assert_eq!(social.get_notification(ann, id).await.unwrap(), Some(listed.clone()));
    assert_eq!(social.get_notification(bob, id).await.unwrap(), None);
    assert_eq!(social.get_notification(ann, NotificationId::generate(now())).await.unwrap(), None);
    social.mark_notifications_read(ann, id).await.unwrap();
    let read = NotificationView { is_read: true, ..listed };
    assert_eq!(social.get_notification(ann, id).await.unwrap(), Some(read));

    social.mute_user(ann, &UserRef::Id(bob)).await.unwrap();
    assert_eq!(social.get_notification(ann, id).await.unwrap(), None);
    social.unmute_user(ann, &UserRef::Id(bob)).await.unwrap();
    social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    assert_eq!(social.get_notification(ann, id).await.unwrap(), None);
}
