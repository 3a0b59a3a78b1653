//! A member who was removed and added again sees only what happens from then on, by every path.

use std::collections::HashSet;

use blegram_chat::{Error, Event};
use blegram_domain::{
    ConversationId, MessageId, MessageText, PageRequest, UserId, UserRef,
    conversation::ConversationEventKind,
    page::{Limit, Scope},
    version::Precondition,
};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{World, both_databases, message};

fn text(text: &str) -> MessageText {
    MessageText::parse(text).unwrap()
}

async fn rejoin(world: &World, owner: UserId, id: ConversationId, user: UserId) {
    world.chat.remove_member(owner, id, user).await.unwrap();
    world.chat.add_members(owner, id, &[UserRef::Id(user)]).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn rejoined_members_receive_no_edits_of_older_messages(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, eve] = world.users(["ann", "bob", "eve"]).await;
    let id = world.create_group(ann, &[bob, eve]).await;
    let before = world.send(ann, id, "before").await.message;
    let own = world.send(eve, id, "of eve, before").await.message;
    rejoin(&world, ann, id, eve).await;
    let after = world.send(ann, id, "after").await.message;
    world.take_events();

    world.chat.edit_message(ann, id, before.id, text("edited"), &Precondition::Any).await.unwrap();
    world.chat.delete_message(ann, id, before.id, &Precondition::Any).await.unwrap();
    world.chat.edit_message(ann, id, after.id, text("edited"), &Precondition::Any).await.unwrap();
    let mut seen = Vec::new();
    for event in world.take_events() {
        let Event::Appended { event, members, head_only, .. } = event else { panic!("{event:?}") };
        assert!(members.contains(&ann) && members.contains(&bob));
        assert_ne!(
            members.contains(&eve),
            head_only.contains(&eve),
            "as a member she must be in exactly one of the two lists"
        );
        assert_eq!(head_only.iter().filter(|user| **user != eve).count(), 0);
        seen.push((event.event.kind.as_str(), members.contains(&eve)));
    }
    assert_eq!(
        seen,
        [("message.edited", false), ("message.deleted", false), ("message.edited", true)],
        "the first two events are about a message from before she rejoined"
    );

    // The event log that she loads has the numbers, but not the older message.
    let mine = world.view(eve, id).await.mine;
    let changes = world.chat.events(eve, id, mine.since_seq).await.unwrap();
    let pulled: Vec<_> = changes.events.iter().map(|view| (view.event.seq, view.message.is_some())).collect();
    let first = mine.since_seq + 1;
    assert_eq!(pulled, [(first, true), (first + 1, false), (first + 2, false), (first + 3, true)]);
    assert_eq!((changes.head_seq, changes.more, changes.reset), (first + 3, false, false));
    let heads = world.chat.sync(eve, None).await.unwrap().heads;
    assert_eq!(heads[0].conversation.last_seq, first + 3, "the head must advance");

    // She cannot reach the older messages by other paths either, her own included.
    let page = PageRequest::new(Scope::new("messages", &[]), Limit::default(), None, None);
    let (listed, _) = world.chat.messages(eve, id, &page).await.unwrap();
    assert_eq!(listed.items.iter().map(|view| view.message.id).collect::<Vec<_>>(), [after.id]);
    for message in [before.id, own.id] {
        let edited = world.chat.edit_message(eve, id, message, text("mine"), &Precondition::Any).await;
        assert!(matches!(edited, Err(Error::NotFound)), "{edited:?}");
        let deleted = world.chat.delete_message(eve, id, message, &Precondition::Any).await;
        assert!(matches!(deleted, Err(Error::NotFound)), "{deleted:?}");
        let mut reply = self::message("quoting");
        reply.reply_to = Some(message);
        let rejected = world.chat.send_message(eve, id, reply).await;
        assert!(matches!(rejected, Err(Error::ReplyNotFound)), "{rejected:?}");
    }
}

/// Small pseudo-random numbers, reproducible from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        // Knuth's MMIX generator; its high bits are good.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// For any sequence of actions, in real time and in the event log: a member gets exactly the events of messages that
/// were sent during their membership, and learns of every number.
#[apply(both_databases)]
#[tokio::test]
async fn rejoined_members_receive_every_seq_after_any_actions(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, eve] = world.users(["ann", "bob", "eve"]).await;
    for seed in 0..6 {
        let mut numbers = Numbers(seed);
        let id = world.create_group(ann, &[bob, eve]).await;
        world.take_events();
        let (mut sent, mut visible): (Vec<MessageId>, HashSet<MessageId>) = (Vec::new(), HashSet::new());
        let mut is_in = true;
        for step in 0..40 {
            match numbers.below(6) {
                0 | 1 => {
                    let sent_now = world.send(ann, id, "text").await.message.id;
                    sent.push(sent_now);
                    visible.extend(is_in.then_some(sent_now));
                }
                2 | 3 if !sent.is_empty() => {
                    let of = sent[numbers.below(sent.len())];
                    world
                        .chat
                        .edit_message(ann, id, of, text(&format!("step {step}")), &Precondition::Any)
                        .await
                        .unwrap();
                }
                4 if !sent.is_empty() => {
                    let of = sent.swap_remove(numbers.below(sent.len()));
                    world.chat.delete_message(ann, id, of, &Precondition::Any).await.unwrap();
                }
                5 => {
                    if is_in {
                        world.chat.remove_member(ann, id, eve).await.unwrap();
                        visible.clear();
                    } else {
                        world.chat.add_members(ann, id, &[UserRef::Id(eve)]).await.unwrap();
                    }
                    is_in = !is_in;
                }
                _ => {}
            }
            for event in world.take_events() {
                let Event::Appended { event, members, head_only, .. } = event else { continue };
                let is_hers = about(&event.event.kind).is_none_or(|message| visible.contains(&message));
                assert_eq!(members.contains(&eve), is_in && is_hers, "seed {seed}, step {step}: {event:?}");
                assert_eq!(
                    head_only.contains(&eve),
                    is_in && !is_hers,
                    "seed {seed}, step {step}: {event:?}"
                );
            }
            if !is_in {
                continue;
            }
            let mine = world.view(eve, id).await.mine;
            let changes = world.chat.events(eve, id, mine.since_seq).await.unwrap();
            for (seq, view) in (mine.since_seq + 1..).zip(&changes.events) {
                assert_eq!(view.event.seq, seq, "the log must have no gap");
                if let Some(message) = about(&view.event.kind) {
                    assert_eq!(
                        view.message.is_some(),
                        visible.contains(&message),
                        "seed {seed}, step {step}"
                    );
                }
            }
            assert_eq!(changes.head_seq, mine.since_seq + changes.events.len() as u64);
        }
    }
}

fn about(kind: &ConversationEventKind) -> Option<MessageId> {
    match kind {
        ConversationEventKind::MessageCreated(id)
        | ConversationEventKind::MessageEdited(id)
        | ConversationEventKind::MessageDeleted(id) => Some(*id),
        _ => None,
    }
}
