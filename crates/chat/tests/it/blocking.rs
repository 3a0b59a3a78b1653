//! What a block between two users prevents in the conversations that they share, and what it does not.

use blegram_chat::{Error, Event, MessageView};
use blegram_domain::{ConversationId, MessageText, UserId, version::Precondition};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{World, both_databases, message};

async fn edit(
    world: &World,
    actor: UserId,
    of: &MessageView,
    text: &str,
) -> blegram_chat::Result<MessageView> {
    let text = MessageText::parse(text).unwrap();
    world.chat.edit_message(actor, of.message.conversation, of.message.id, text, &Precondition::Any).await
}

async fn last_seq(world: &World, viewer: UserId, id: ConversationId) -> u64 {
    world.view(viewer, id).await.conversation.last_seq
}

/// Ann and bob with a direct conversation and a group, and a message of each in both.
async fn acquaintances(world: &World) -> ([UserId; 2], [ConversationId; 2], [[MessageView; 2]; 2]) {
    let users @ [ann, bob] = world.users(["ann", "bob"]).await;
    let direct = world.create_conversation(ann, &[bob]).await.conversation.id;
    let group = world.create_group(ann, &[bob]).await;
    let mut messages = Vec::new();
    for id in [direct, group] {
        messages.push([world.send(ann, id, "one").await, world.send(bob, id, "two").await]);
    }
    (users, [direct, group], messages.try_into().unwrap())
}

#[apply(both_databases)]
#[tokio::test]
async fn editing_across_a_block_is_rejected_like_sending(#[case] backend: Backend) {
    for blocker in [0, 1] {
        let world = World::new(backend).await;
        let (users, [direct, group], [in_direct, in_group]) = acquaintances(&world).await;
        world.block(users[blocker], users[1 - blocker]).await;
        world.take_events();
        for (actor, own) in users.into_iter().zip(&in_direct) {
            let sent = world.chat.send_message(actor, direct, message("hello")).await.map(drop);
            let edited = edit(&world, actor, own, "and another thing").await.map(drop);
            let same = edit(&world, actor, own, &own.message.text).await.map(drop);
            for rejected in [sent, edited, same] {
                // Only the blocker learns of the block and can end it.
                match rejected {
                    Err(Error::Blocked) => assert_eq!(actor, users[blocker]),
                    Err(Error::CannotWrite) => assert_ne!(actor, users[blocker]),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(world.take_events(), []);
        assert_eq!(last_seq(&world, users[0], direct).await, 2);

        // Deleting own messages stays possible.
        for (actor, own) in users.into_iter().zip(&in_direct) {
            world.chat.delete_message(actor, direct, own.message.id, &Precondition::Any).await.unwrap();
        }
        assert_eq!(world.take_names(), ["message.deleted"; 2]);
        // In a group, messages reach both.
        for (actor, own) in users.into_iter().zip(&in_group) {
            edit(&world, actor, own, "to everybody").await.unwrap();
            world.send(actor, group, "more").await;
        }
        assert_eq!(last_seq(&world, users[0], group).await, 6);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn editing_works_after_unblocking(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let ([ann, bob], _, [in_direct, _]) = acquaintances(&world).await;
    world.block(ann, bob).await;
    edit(&world, bob, &in_direct[1], "x").await.unwrap_err();
    let tx = world.database.db().write().await.unwrap();
    blegram_persistence::blocks::delete(&tx, ann, bob).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(edit(&world, bob, &in_direct[1], "x").await.unwrap().message.text, "x");
}

#[apply(both_databases)]
#[tokio::test]
async fn marks_across_a_block_are_hidden_from_the_other_member(#[case] backend: Backend) {
    for blocker in [0, 1] {
        let world = World::new(backend).await;
        let (users @ [ann, bob], [direct, group], _) = acquaintances(&world).await;
        world.block(users[blocker], users[1 - blocker]).await;
        world.take_events();
        let read = |conversation, members| Event::Read { conversation, user: ann, read_no: 2, members };
        assert_eq!(world.chat.mark_read(ann, direct, 2).await.unwrap(), (2, 0), "reading must stay possible");
        world.chat.mark_read(ann, group, 2).await.unwrap();
        let mut both = vec![ann, bob];
        both.sort();
        assert_eq!(world.take_events(), [read(direct, vec![ann]), read(group, both.clone())]);

        world.chat.mark_delivered(ann, &[(direct, 2), (group, 2)]).await.unwrap();
        let delivered = Event::Delivered { conversation: group, user: ann, delivered_seq: 2, members: both };
        assert_eq!(world.take_events(), [delivered]);
        let seen = world.view(bob, direct).await;
        let mark = seen.members.iter().find(|member| member.user.id == ann).unwrap();
        assert_eq!(mark.membership.delivered_seq, 0, "a delivery mark would show that a device is online");
    }
}
