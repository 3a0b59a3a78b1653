//! Read and delivery marks.

use blegram_chat::Event;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{World, assert_rejected, both_databases};

#[apply(both_databases)]
#[tokio::test]
async fn read_mark_is_published_once(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    for text in ["one", "two"] {
        world.send(ann, id, text).await;
    }
    world.take_events();
    assert_eq!(world.chat.mark_read(bob, id, 9).await.unwrap(), (2, 0));
    let members = vec![ann, bob];
    assert_eq!(world.take_events(), [Event::Read { conversation: id, user: bob, read_no: 2, members }]);
    world.chat.mark_read(bob, id, 1).await.unwrap();
    world.chat.mark_read(ann, id, 2).await.unwrap();
    assert_eq!(world.take_events(), [], "sending has already marked as read");
    assert_rejected(&world, world.chat.mark_read(world.user("eve").await, id, 1).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn delivery_mark_never_moves_back(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho] = [world.user("ann").await, world.user("bob").await, world.user("cho").await];
    let direct = world.create_conversation(ann, &[bob]).await.conversation.id;
    let group = world.create_conversation(ann, &[bob, cho]).await.conversation.id;
    let foreign = world.create_conversation(ann, &[cho]).await.conversation.id;
    for id in [direct, group, foreign] {
        world.send(ann, id, "one").await;
        world.send(ann, id, "two").await;
    }
    world.take_events();
    world.clock.advance(std::time::Duration::from_secs(60));
    let synced = world.chat.sync(bob, None).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(60));
    let marks = [(group, 9), (direct, 1), (foreign, 1), (group, 1)];
    world.chat.mark_delivered(bob, &marks).await.unwrap();
    let delivered = |conversation, delivered_seq, members| Event::Delivered {
        conversation,
        user: bob,
        delivered_seq,
        members,
    };
    let mut all_members = vec![ann, bob, cho];
    all_members.sort();
    let mut expected = [delivered(direct, 1, vec![ann, bob]), delivered(group, 2, all_members)];
    assert_eq!(world.take_events(), expected);
    let view = world.view(ann, direct).await;
    assert_eq!(view.members[1].membership.delivered_seq, 1);
    let changed = world.chat.sync(bob, Some(synced.cursor)).await.unwrap();
    assert_eq!(changed.heads, [], "a delivery mark must not count as a change for sync");

    // Repeated marks write nothing.
    world.database.take_statements();
    world.chat.mark_delivered(bob, &[(direct, 0), (group, 2), (foreign, 2)]).await.unwrap();
    assert_eq!(world.take_events(), []);
    assert!(world.database.take_statements().iter().all(|statement| statement.starts_with("SELECT")));
    world.chat.mark_delivered(bob, &[(group, 1), (direct, 2)]).await.unwrap();
    if let Event::Delivered { delivered_seq, .. } = &mut expected[0] {
        *delivered_seq = 2;
    }
    assert_eq!(world.take_events(), expected[..1]);

    // Marks of a former member are ignored.
    world.send(ann, group, "three").await;
    world.chat.remove_member(ann, group, bob).await.unwrap();
    world.take_events();
    world.chat.mark_delivered(bob, &[(group, 3)]).await.unwrap();
    assert_eq!(world.take_events(), []);
}
