//! Which conversations changed.

use std::time::Duration;

use blegram_chat::ChangedHead;
use blegram_domain::version::Precondition;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{World, both_databases, now};

#[apply(both_databases)]
#[tokio::test]
async fn heads_that_changed_are_those_of_the_asked(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho] = [world.user("ann").await, world.user("bob").await, world.user("cho").await];
    let at = |seconds: u64| now() + Duration::from_secs(seconds);
    let heads = async |users: &[_], since, until| {
        world.chat.heads_changed(users, at(since), at(until)).await.unwrap()
    };
    let head = |conversation, last_seq, last_message_no, members: &[_]| ChangedHead {
        conversation,
        last_seq,
        last_message_no,
        members: members.to_vec(),
    };
    let direct = world.begin(ann, &[bob]).await.conversation.id;
    assert_eq!(heads(&[ann, bob], 0, 0).await, [head(direct, 0, 0, &[ann])], "bob does not see it yet");
    world.clock.advance(Duration::from_secs(10));
    let group = world.begin(ann, &[bob, cho]).await.conversation.id;
    world.send(ann, group, "one").await;
    world.send(bob, group, "two").await;
    world.clock.advance(Duration::from_secs(10));
    world.send(ann, direct, "one").await;
    let mut both = [ann, bob];
    both.sort();

    assert_eq!(heads(&both, 5, 25).await, [head(group, 2, 2, &both), head(direct, 1, 1, &both)]);
    assert_eq!(heads(&[cho], 5, 25).await, [head(group, 2, 2, &[cho])]);
    assert_eq!(heads(&both, 11, 20).await, [head(direct, 1, 1, &both)]);
    assert_eq!(heads(&both, 10, 19).await, [head(group, 2, 2, &both)]);
    assert_eq!(heads(&both, 21, 99).await, []);
    assert_eq!(heads(&[], 0, 99).await, []);

    world.clock.advance(Duration::from_secs(10));
    world.chat.remove_member(ann, group, cho).await.unwrap();
    world.chat.remove_member(bob, direct, bob).await.unwrap();
    world
        .chat
        .edit_message(ann, direct, last(&world, ann, direct).await, text("edited"), &Precondition::Any)
        .await
        .unwrap();
    let told = heads(&[ann, bob, cho], 30, 30).await;
    assert_eq!(told.len(), 2);
    assert!(told.contains(&head(group, 3, 2, &both)), "{told:?}");
    assert!(told.contains(&head(direct, 2, 1, &[ann])), "{told:?}");
    assert_eq!(heads(&[cho], 0, 99).await, []);
}

async fn last(
    world: &World,
    viewer: blegram_domain::UserId,
    id: blegram_domain::ConversationId,
) -> blegram_domain::MessageId {
    world.view(viewer, id).await.last_message.unwrap().message.id
}

fn text(text: &str) -> blegram_domain::MessageText {
    blegram_domain::MessageText::parse(text).unwrap()
}
