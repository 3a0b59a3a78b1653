//! Which events are published, to whom, and in which order.

use blegram_chat::{Event, EventView, MessageView, RemovedReason};
use blegram_domain::{
    ConversationEvent, ConversationId, ConversationTitle, MessageText, UserId, UserRef,
    conversation::ConversationEventKind, version::Precondition,
};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{World, assert_rejected, both_databases, message, now};

/// The event of a sent message.
fn created(view: &MessageView, last_message_no: u64, members: Vec<UserId>) -> Event {
    let event = ConversationEvent {
        conversation: view.message.conversation,
        seq: view.message.seq,
        kind: ConversationEventKind::MessageCreated(view.message.id),
        at: view.message.created_at,
    };
    let event = EventView { event, message: Some(view.clone()), user: None, by: None };
    Event::Appended { event, last_message_no, members, head_only: Vec::new() }
}

/// The `seq`, the name and the recipients of an event.
fn summary(event: &Event) -> (u64, &'static str, &[UserId]) {
    let Event::Appended { event, members, .. } = event else { panic!("{event:?}") };
    (event.event.seq, event.event.kind.as_str(), members)
}

fn sorted<const N: usize>(mut users: [UserId; N]) -> [UserId; N] {
    users.sort();
    users
}

fn removed(user: UserId, conversation: ConversationId, reason: RemovedReason) -> Event {
    Event::Removed { user, conversation, reason }
}

fn title(title: &str) -> Option<ConversationTitle> {
    Some(ConversationTitle::parse(title).unwrap())
}

#[apply(both_databases)]
#[tokio::test]
async fn direct_conversation_is_added_to_each_list_when_first_visible(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let direct = world.create_conversation(ann, &[bob]).await;
    let id = direct.conversation.id;
    assert_eq!(world.take_events(), [Event::Added { user: ann, conversation: direct }]);
    world.create_conversation(ann, &[bob]).await;
    assert_eq!(world.take_events(), [], "the conversation was already listed");

    let hello = world.send(ann, id, "hello").await;
    let added = Event::Added { user: bob, conversation: world.view(bob, id).await };
    assert_eq!(world.take_events(), [added, created(&hello, 1, vec![ann, bob])]);
    let answer = world.send(bob, id, "hello").await;
    assert_eq!(world.take_events(), [created(&answer, 2, vec![ann, bob])]);

    // Hides the conversation, twice.
    world.chat.remove_member(bob, id, bob).await.unwrap();
    assert_eq!(world.take_events(), [removed(bob, id, RemovedReason::Left)]);
    world.chat.remove_member(bob, id, bob).await.unwrap();
    assert_eq!(world.take_events(), [], "the conversation was already hidden");
    world
        .chat
        .edit_message(ann, id, hello.message.id, MessageText::parse("hi").unwrap(), &Precondition::Any)
        .await
        .unwrap();
    assert_eq!(
        summary(&world.take_events()[0]),
        (3, "message.edited", &[ann][..]),
        "bob has hidden the conversation"
    );
    let third = world.send(ann, id, "still there?").await;
    let again = world.view(bob, id).await;
    assert_eq!(again.last_message.as_ref(), Some(&third));
    assert_eq!(
        world.take_events(),
        [Event::Added { user: bob, conversation: again }, created(&third, 3, vec![ann, bob])]
    );

    // The user who hid the conversation starts it again, or writes into it.
    world.chat.remove_member(bob, id, bob).await.unwrap();
    world.take_events();
    let again = world.create_conversation(bob, &[ann]).await;
    assert_eq!(world.take_events(), [Event::Added { user: bob, conversation: again }]);
    world.chat.remove_member(bob, id, bob).await.unwrap();
    world.take_events();
    world.send(bob, id, "yes").await;
    assert_eq!(world.take_names(), ["added", "message.created"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn group_events_are_published_to_its_members(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho, dan] =
        [world.user("ann").await, world.user("bob").await, world.user("cho").await, world.user("dan").await];
    let id = world.create_conversation(ann, &[bob, cho]).await.conversation.id;
    let mut views = Vec::new();
    for user in [bob, cho, ann] {
        views.push(Event::Added { user, conversation: world.view(user, id).await });
    }
    assert_eq!(world.take_events(), views);

    world.chat.update_conversation(bob, id, Some(title("tea")), &Precondition::Any).await.unwrap();
    let events = world.take_events();
    assert_eq!(events.len(), 1);
    assert_eq!(summary(&events[0]), (1, "conversation.updated", &sorted([ann, bob, cho])[..]));
    world.chat.update_conversation(bob, id, Some(title("tea")), &Precondition::Any).await.unwrap();
    assert_eq!(world.take_events(), [], "nothing changed");

    world.clock.advance(std::time::Duration::from_secs(1));
    let members = [UserRef::Id(bob), UserRef::Id(dan)];
    let view = world.chat.add_members(cho, id, &members).await.unwrap();
    let [added, joined] = &world.take_events()[..] else { panic!("expected the events of one new member") };
    assert_eq!(added, &Event::Added { user: dan, conversation: world.view(dan, id).await });
    let Event::Appended { event, .. } = joined else { panic!("{joined:?}") };
    assert_eq!((&event.user, &event.by), (&Some(view.members[3].user.clone()), &Some(user_of(&view, cho))));
    let all = [&sorted([ann, bob, cho])[..], &[dan]].concat();
    assert_eq!(summary(joined), (2, "member.joined", &all[..]));
    world.chat.add_members(cho, id, &members).await.unwrap();
    assert_eq!(world.take_events(), [], "both are members already");

    // The owner removes a member and leaves; then the others leave.
    world.chat.remove_member(ann, id, cho).await.unwrap();
    let events = world.take_events();
    assert_eq!(events[0], removed(cho, id, RemovedReason::Removed));
    let rest = [&sorted([ann, bob])[..], &[dan]].concat();
    assert_eq!((summary(&events[1]), events.len()), ((3, "member.left", &rest[..]), 2));
    world.chat.remove_member(ann, id, ann).await.unwrap();
    let events = world.take_events();
    assert_eq!(events[0], removed(ann, id, RemovedReason::Left));
    assert_eq!(summary(&events[1]), (4, "member.left", &[bob, dan][..]));
    assert_eq!(summary(&events[2]), (5, "conversation.updated", &[bob, dan][..]));
    world.chat.remove_member(bob, id, bob).await.unwrap();
    world.take_events();
    world.chat.remove_member(dan, id, dan).await.unwrap();
    assert_eq!(
        world.take_events(),
        [removed(dan, id, RemovedReason::Left)],
        "no member is left to be notified"
    );
}

fn user_of(view: &blegram_chat::ConversationView, id: UserId) -> blegram_domain::UserSummary {
    view.members.iter().find(|member| member.user.id == id).unwrap().user.clone()
}

#[apply(both_databases)]
#[tokio::test]
async fn members_added_together_do_not_receive_earlier_joins(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho, dan] =
        [world.user("ann").await, world.user("bob").await, world.user("cho").await, world.user("dan").await];
    let id = world.create_conversation(ann, &[bob, cho]).await.conversation.id;
    world.chat.remove_member(ann, id, cho).await.unwrap();
    world.take_events();
    world.clock.advance(std::time::Duration::from_secs(1));
    world.chat.add_members(ann, id, &[UserRef::Id(cho), UserRef::Id(dan)]).await.unwrap();
    let events = world.take_events();
    assert_eq!(events.len(), 4);
    let old = sorted([ann, bob]);
    assert_eq!(summary(&events[2]), (2, "member.joined", &[&old[..], &[cho]].concat()[..]));
    assert_eq!(summary(&events[3]), (3, "member.joined", &[&old[..], &[cho, dan]].concat()[..]));
}

#[apply(both_databases)]
#[tokio::test]
async fn message_events_contain_the_current_message(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    let first = message("first");
    let (sent, _) = world.chat.send_message(ann, id, first.clone()).await.unwrap();
    world.take_events();

    // Sends it again; later again after an edit and after its deletion.
    let (again, is_new) = world.chat.send_message(ann, id, first.clone()).await.unwrap();
    assert_eq!((&again, is_new), (&sent, false));
    assert_eq!(world.take_events(), [created(&sent, 1, vec![ann, bob])]);
    world.send(bob, id, "second").await;
    world.take_events();
    let text = MessageText::parse("edited").unwrap();
    let edited =
        world.chat.edit_message(ann, id, sent.message.id, text.clone(), &Precondition::Any).await.unwrap();
    let events = world.take_events();
    let [Event::Appended { event, last_message_no: 2, members, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((event.event.seq, event.event.at), (3, now()));
    assert_eq!(event.event.kind, ConversationEventKind::MessageEdited(sent.message.id));
    assert_eq!((event.message.as_ref(), members), (Some(&edited), &vec![ann, bob]));
    world.chat.edit_message(ann, id, sent.message.id, text.clone(), &Precondition::Any).await.unwrap();
    assert_eq!(world.take_events(), [], "nothing changed");
    world.chat.send_message(ann, id, first.clone()).await.unwrap();
    assert_eq!(world.take_events(), [created(&edited, 2, vec![ann, bob])]);
    world.chat.delete_message(ann, id, sent.message.id, &Precondition::Any).await.unwrap();
    let events = world.take_events();
    let [Event::Appended { event, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.event.kind, ConversationEventKind::MessageDeleted(sent.message.id));
    let deleted = event.message.clone().unwrap();
    assert!(deleted.message.is_deleted() && deleted.message.text.is_empty());
    let (again, _) = world.chat.send_message(ann, id, first.clone()).await.unwrap();
    assert_eq!(again, deleted);
    assert_eq!(world.take_events(), [created(&deleted, 2, vec![ann, bob])]);

    // A member who has hidden the conversation since does not get the event.
    world.chat.remove_member(bob, id, bob).await.unwrap();
    world.take_events();
    world.chat.send_message(ann, id, first.clone()).await.unwrap();
    assert_eq!(world.take_events(), [created(&deleted, 2, vec![ann])]);
    world.send(ann, id, "third").await;
    world.take_events();
    world.chat.send_message(ann, id, first.clone()).await.unwrap();
    assert_eq!(
        world.take_events(),
        [created(&deleted, 3, vec![ann])],
        "bob must not see the old message again, although he sees newer ones"
    );

    // Rejected calls publish nothing.
    let other = blegram_domain::conversation::SendMessage { text, ..first };
    assert_rejected(&world, world.chat.send_message(ann, id, other).await);
    let stranger = world.user("eve").await;
    assert_rejected(&world, world.chat.send_message(stranger, id, message("hi")).await);
    assert_rejected(&world, world.chat.delete_message(ann, id, sent.message.id, &Precondition::Any).await);
    assert_rejected(&world, world.chat.remove_member(ann, id, bob).await);
    world.block(bob, ann).await;
    assert_rejected(&world, world.chat.send_message(ann, id, message("hi")).await);
    assert_rejected(&world, world.chat.create_conversation(ann, &[UserRef::Id(ann)], None).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_accounts_leave_their_groups(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let id = world.create_conversation(ann, &[bob, world.user("cho").await]).await.conversation.id;
    world.create_conversation(ann, &[bob]).await;
    let members: Vec<UserId> =
        world.view(bob, id).await.members.iter().map(|member| member.user.id).collect();
    world.take_events();
    while world.chat.purge_user(ann).await.unwrap() {}
    let events = world.take_events();
    assert_eq!(events.len(), 2);
    assert_eq!(summary(&events[0]), (1, "member.left", &members[1..]));
    assert_eq!(summary(&events[1]), (2, "conversation.updated", &members[1..]));
}

#[apply(both_databases)]
#[tokio::test]
async fn messages_from_before_a_membership_stay_hidden_after_edits(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho] = [world.user("ann").await, world.user("bob").await, world.user("cho").await];
    let direct = world.create_conversation(ann, &[bob]).await.conversation.id;
    let group = world.chat.create_conversation(ann, &[UserRef::Id(bob)], title("us")).await.unwrap().0;
    let id = group.conversation.id;
    let old = world.send(ann, id, "a secret").await;
    world.chat.add_members(ann, id, &[UserRef::Id(cho)]).await.unwrap();
    world.take_events();
    world
        .chat
        .edit_message(
            ann,
            id,
            old.message.id,
            MessageText::parse("another secret").unwrap(),
            &Precondition::Any,
        )
        .await
        .unwrap();
    let Event::Appended { members, event, .. } = &world.take_events()[0] else {
        panic!("expected the event of the edit")
    };
    assert_eq!(members, &sorted([ann, bob]), "cho must not be notified");
    let edited = event.event.seq;

    // The number exists for cho, too: the log has no gap.
    let load = async |user| world.chat.events(user, id, edited - 1).await.unwrap();
    let (hers, his) = (load(cho).await, load(bob).await);
    assert_eq!((hers.events[0].event.seq, &hers.events[0].message, hers.reset), (edited, &None, false));
    assert!(his.events[0].message.is_some());

    // The same for a member who hid a direct conversation.
    let old = world.send(ann, direct, "old").await;
    world.chat.remove_member(bob, direct, bob).await.unwrap();
    world.send(ann, direct, "hello again").await;
    world
        .chat
        .edit_message(ann, direct, old.message.id, MessageText::parse("do not").unwrap(), &Precondition::Any)
        .await
        .unwrap();
    let last = world.view(bob, direct).await.conversation.last_seq;
    assert_eq!(world.chat.events(bob, direct, last - 1).await.unwrap().events[0].message, None);
}
