//! Typing indicators, and who may see whose presence.

use std::collections::HashSet;

use blegram_chat::{Error, Event};
use blegram_domain::user::Status;
use blegram_persistence::{testing::Backend, users};
use rstest_reuse::apply;

use crate::{World, both_databases};

#[apply(both_databases)]
#[tokio::test]
async fn typing_notifies_the_other_members(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho] = [world.user("ann").await, world.user("bob").await, world.user("cho").await];
    let direct = world.create_conversation(ann, &[bob]).await.conversation.id;
    let group = world.create_conversation(ann, &[bob, cho]).await.conversation.id;
    let typing = |conversation, members| Event::Typing { conversation, user: ann, members };
    world.take_events();
    world.chat.start_typing(ann, direct).await.unwrap();
    assert_eq!(world.take_events(), [], "bob does not see the conversation before its first message");
    world.send(ann, direct, "hello").await;
    world.take_events();
    world.chat.start_typing(ann, direct).await.unwrap();
    assert_eq!(world.take_events(), [typing(direct, vec![bob])]);
    let rejected = world.chat.start_typing(cho, direct).await;
    assert!(matches!(rejected, Err(Error::NotFound)), "{rejected:?}");

    world.block(bob, ann).await;
    let rejected = world.chat.start_typing(bob, direct).await;
    assert!(matches!(rejected, Err(Error::Blocked)), "{rejected:?}");
    let rejected = world.chat.start_typing(ann, direct).await;
    assert!(matches!(rejected, Err(Error::CannotWrite)), "{rejected:?}");
    assert_eq!(world.take_events(), []);
    // A group that both are in behaves as for messages.
    world.chat.start_typing(ann, group).await.unwrap();
    let mut recipients = vec![bob, cho];
    recipients.sort();
    assert_eq!(world.take_events(), [typing(group, recipients)]);
}

#[apply(both_databases)]
#[tokio::test]
async fn presence_is_visible_to_acquaintances(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let ann = world.user("ann").await;
    let mut all = vec![ann];
    let mut expected = HashSet::new();
    let table = [
        ("stranger", false),
        ("followed", false),
        ("follower", false),
        ("friend", true),
        ("blocking-friend", false),
        ("blocked-friend", false),
        ("suspended-friend", false),
        ("unwritten", false),
        ("written", true),
        ("hidden", true),
        ("group", true),
        ("blocking-group", false),
        ("left-group", false),
    ];
    for (name, is_acquainted) in table {
        let user = world.user(&name.replace('-', "_")).await;
        if name == "followed" || name.ends_with("friend") {
            world.follow(ann, user).await;
        }
        if name == "follower" || name.ends_with("friend") {
            world.follow(user, ann).await;
        }
        if ["unwritten", "written", "hidden"].contains(&name) {
            let id = world.create_conversation(ann, &[user]).await.conversation.id;
            if name != "unwritten" {
                world.send(ann, id, "hello").await;
            }
            if name == "hidden" {
                world.chat.remove_member(user, id, user).await.unwrap();
            }
        }
        if name.ends_with("group") {
            let other = world.user(&name.replace("group", "third").replace('-', "_")).await;
            let id = world.create_conversation(ann, &[user, other]).await.conversation.id;
            if name == "left-group" {
                world.chat.remove_member(user, id, user).await.unwrap();
            }
        }
        if name.starts_with("blocking") {
            world.block(user, ann).await;
        }
        if name.starts_with("blocked") {
            world.block(ann, user).await;
        }
        if name.starts_with("suspended") {
            let tx = world.database.db().write().await.unwrap();
            users::update_status(&tx, user, Status::Suspended).await.unwrap();
            tx.commit().await.unwrap();
        }
        all.push(user);
        if is_acquainted {
            expected.insert(user);
        }
        assert_eq!(
            world.chat.list_acquainted(ann, &[user]).await.unwrap().contains(&user),
            is_acquainted,
            "{name}"
        );
    }
    world.database.take_statements();
    assert_eq!(world.chat.list_acquainted(ann, &all).await.unwrap(), expected);
    assert_eq!(world.database.take_statements().len(), 2);
    assert_eq!(world.chat.list_acquainted(ann, &[]).await.unwrap(), HashSet::new());
}
