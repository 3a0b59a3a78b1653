//! Each check catches a small history that breaks its guarantee, and accepts the one that does not.

use std::collections::BTreeSet;

use super::*;
use crate::{
    actor::EDITED,
    database::{Member, MemberEvent, Numbers},
    history::{Entry, Numbered},
    pager::Pages,
};

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);
const ROOM: Uuid = Uuid::from_u128(10);

fn message(no: u64) -> Uuid {
    Uuid::from_u128(100 + u128::from(no))
}

fn content(no: u64) -> Content {
    Content { client_id: message(no), seq: no, message_no: no, text: Some(format!("text {no}")) }
}

fn numbered(no: u64) -> Numbered {
    Numbered { conversation: ROOM, seq: no, content: Some(content(no)) }
}

/// Ann sends two messages, which Bob receives and reads, after the first page of an empty conversation.
struct Run {
    ann: Vec<Event>,
    bob: Vec<Event>,
    database: Database,
}

fn row(no: u64) -> Row {
    Row {
        conversation_id: ROOM,
        client_id: message(no),
        sender_id: ANN,
        seq: no,
        message_no: no,
        text: Some(format!("text {no}")),
    }
}

fn loaded() -> Event {
    Event::Loaded { conversation: ROOM, last_seq: 0, is_new: true, messages: Vec::new() }
}

fn run() -> Run {
    let mut ann = vec![Event::Opened, loaded()];
    let mut bob = vec![Event::Opened, loaded()];
    for no in [1, 2] {
        ann.extend([
            Event::Invoked { conversation: ROOM, client_id: message(no), text: format!("text {no}") },
            Event::Frame(numbered(no)),
            Event::Applied(numbered(no)),
            Event::Reply { client_id: message(no), seq: no },
            Event::Acked { conversation: ROOM, client_id: message(no), seq: no },
        ]);
        bob.extend([Event::Frame(numbered(no)), Event::Applied(numbered(no))]);
    }
    bob.push(Event::Read { conversation: ROOM, message_no: 2 });
    let member = |user_id| Member { conversation_id: ROOM, user_id, is_member: true, read_no: 2 };
    let numbers = Numbers { id: ROOM, last_seq: 2, last_message_no: 2, events: 2, messages: 2 };
    let database = Database {
        messages: vec![row(1), row(2)],
        members: vec![member(ANN), member(BOB)],
        member_events: Vec::new(),
        conversations: BTreeMap::from([(ROOM, numbers)]),
        unread: BTreeMap::from([((ROOM, BOB), 0)]),
    };
    Run { ann, bob, database }
}

impl Run {
    /// The checks that find something; the entries of a client are seconds apart.
    fn found(&self) -> BTreeSet<&'static str> {
        let history = |name: &str, user, events: &[Event]| {
            let entries = events
                .iter()
                .zip(1..)
                .map(|(event, at)| Entry { at: Duration::from_secs(at), event: event.clone() });
            History { name: name.to_owned(), user, applies: true, entries: entries.collect() }
        };
        let histories = [history("ann", ANN, &self.ann), history("bob", BOB, &self.bob)];
        check(&histories, &self.database).iter().map(|violation| violation.check).collect()
    }
}

#[track_caller]
fn assert_found(change: impl FnOnce(&mut Run), check: &str) {
    let mut run = run();
    change(&mut run);
    assert!(run.found().contains(check), "{:?}", run.found());
}

#[test]
fn correct_history_has_no_violation() {
    assert_eq!(run().found(), BTreeSet::new());
}

#[test]
fn edited_and_deleted_messages_are_accepted() {
    let mut run = run();
    run.database.messages[0].text = Some(format!("text 1{EDITED}"));
    run.database.messages[1].text = None;
    for client in [&mut run.ann, &mut run.bob] {
        for (seq, of) in [(3, 1), (4, 2)] {
            let text = run.database.messages[of - 1].text.clone();
            let content = Content { text, ..content(of as u64) };
            let change = Numbered { conversation: ROOM, seq, content: Some(content) };
            client.extend([Event::Frame(change.clone()), Event::Applied(change)]);
        }
    }
    let numbers = Numbers { id: ROOM, last_seq: 4, last_message_no: 2, events: 4, messages: 2 };
    run.database.conversations.insert(ROOM, numbers);
    assert_eq!(run.found(), BTreeSet::new());
}

#[test]
fn c1_finds_lost_doubled_moved_and_changed_messages() {
    assert_found(|run| drop(run.database.messages.pop()), "C1");
    assert_found(|run| run.database.messages.push(row(2)), "C1");
    assert_found(|run| run.database.messages[1].seq = 3, "C1");
    assert_found(|run| run.database.messages[1].text = Some("other".to_owned()), "C1");
}

#[test]
fn c1_finds_gaps_in_the_numbers() {
    let burned = Numbers { id: ROOM, last_seq: 3, last_message_no: 2, events: 2, messages: 2 };
    assert_found(|run| run.database.conversations.extend([(ROOM, burned)]), "C1");
}

#[test]
fn c2_finds_what_was_not_sent_or_is_not_stored() {
    // Stored, but not sent, or not by this user.
    assert_found(|run| run.database.messages.push(row(3)), "C2");
    assert_found(|run| run.database.messages[0].sender_id = BOB, "C2");
    // Delivered, but rolled back.
    assert_found(|run| run.bob.push(Event::Frame(numbered(3))), "C2");
    // Delivered with another text.
    let other = Content { text: Some("other".to_owned()), ..content(2) };
    let frame = Event::Frame(Numbered { content: Some(other), ..numbered(3) });
    assert_found(|run| run.bob.push(frame), "C2");
}

#[test]
fn c3_finds_gaps_repetitions_and_reordering() {
    let applied = |no| Event::Applied(numbered(no));
    assert_found(|run| drop(run.bob.remove(3)), "C3");
    assert_found(|run| run.bob.push(applied(2)), "C3");
    assert_found(|run| run.bob.swap(3, 5), "C3");
    assert_found(|run| drop(run.bob.remove(1)), "C3");
}

#[test]
fn c4_finds_numbers_that_do_not_increase_on_a_connection() {
    assert_found(|run| run.bob.push(Event::Frame(numbered(2))), "C4");
    let mut run = run();
    run.bob.extend([Event::Closed, Event::Opened, Event::Frame(numbered(2))]);
    assert_eq!(run.found(), BTreeSet::new(), "another connection may repeat");
}

#[test]
fn c5_finds_retries_with_another_number() {
    assert_found(|run| run.ann.push(Event::Reply { client_id: message(1), seq: 2 }), "C5");
    let mut run = run();
    run.ann.push(Event::Reply { client_id: message(1), seq: 1 });
    assert_eq!(run.found(), BTreeSet::new());
}

#[test]
fn c6_finds_a_later_message_before_an_acknowledged_one() {
    // Both numbers are swapped everywhere, so nothing but real time is against it.
    assert_found(
        |run| {
            for event in &mut run.ann {
                if let Event::Acked { seq, .. } | Event::Reply { seq, .. } = event {
                    *seq = 3 - *seq;
                }
            }
            run.database.messages[0].seq = 2;
            run.database.messages[1].seq = 1;
        },
        "C6",
    );
}

#[test]
fn c7_finds_what_a_client_does_not_have() {
    assert_found(|run| run.bob.truncate(4), "C7");
    assert_found(|run| run.bob.clear(), "C7");
    // An edit that was not applied.
    assert_found(|run| run.database.messages[1].text = Some(format!("text 2{EDITED}")), "C7");
}

#[test]
fn c7_expects_messages_from_the_first_page_on() {
    let found = |first: u64| {
        let mut run = run();
        let messages = (first..=2).map(content).collect();
        run.bob = vec![Event::Loaded { conversation: ROOM, last_seq: 2, is_new: true, messages }];
        // An edit of the oldest message.
        run.bob.push(Event::Applied(Numbered { conversation: ROOM, seq: 3, content: Some(content(1)) }));
        let numbers = Numbers { id: ROOM, last_seq: 3, last_message_no: 3, events: 3, messages: 3 };
        run.database.conversations.insert(ROOM, numbers);
        run.database.messages.push(row(3));
        let history = |events: &[Event]| {
            let entries = events.iter().map(|event| Entry { at: Duration::ZERO, event: event.clone() });
            History { name: "bob".to_owned(), user: BOB, applies: true, entries: entries.collect() }
        };
        clients::final_state(&history(&run.bob), &run.database).len()
    };
    assert_eq!(found(2), 1, "the third message, but not the first");
}

#[test]
fn c7_does_not_expect_changes_of_messages_from_before_a_member_joined_again() {
    let mut run = run();
    run.database.messages[0].text = Some(format!("text 1{EDITED}"));
    assert!(run.found().contains("C7"));
    for (seq, joined) in [(3, false), (4, true)] {
        for user_id in [ANN, BOB] {
            run.database.member_events.push(MemberEvent { conversation_id: ROOM, user_id, seq, joined });
        }
    }
    assert!(!run.found().contains("C7"));
}

#[test]
fn c8_finds_marks_that_moved_back_and_wrong_counts() {
    assert_found(|run| run.database.members[1].read_no = 1, "C8");
    assert_found(|run| *run.database.unread.get_mut(&(ROOM, BOB)).unwrap() = 1, "C8");
}

#[test]
fn c9_finds_messages_for_removed_members() {
    let event = |seq, joined| MemberEvent { conversation_id: ROOM, user_id: BOB, seq, joined };
    assert_found(|run| run.database.member_events.push(event(1, false)), "C9");
    assert_found(|run| run.database.member_events.extend([event(1, false), event(3, true)]), "C9");
    let mut run = run();
    run.database.member_events.extend([event(3, false)]);
    assert_eq!(run.found(), BTreeSet::new(), "what was sent before the removal is theirs");
}

#[test]
fn c9_finds_frames_for_ended_sessions() {
    let late = |pause: usize| {
        let read = Event::Read { conversation: ROOM, message_no: 1 };
        let mut run = run();
        run.bob.push(Event::LoggedOut);
        run.bob.extend(std::iter::repeat_n(read, pause));
        run.bob.push(Event::Frame(Numbered { content: None, ..numbered(3) }));
        run.found()
    };
    assert!(late(11).contains("C9"));
    assert!(!late(8).contains("C9"));
}

#[test]
fn c11_finds_a_live_connection_that_is_behind() {
    let reconnected = |head: u64| {
        let mut run = run();
        run.bob = vec![Event::Opened, Event::Closed, Event::Opened];
        run.bob.push(Event::Head { conversation: ROOM, seq: head });
        run.found()
    };
    assert!(reconnected(1).contains("C11"));
    assert!(!reconnected(2).contains("C11"));
    let mut run = run();
    run.bob = vec![Event::Opened, Event::Closed];
    assert!(!run.found().contains("C11"), "it is not live");
}

#[test]
fn c12_finds_missing_and_repeated_posts() {
    let pages = |created: &[u64], read: &[u64]| {
        let pages = Pages {
            created: created.iter().map(|no| message(*no)).collect(),
            read: read.iter().map(|no| message(*no)).collect(),
        };
        check_pages(&pages).len()
    };
    assert_eq!(pages(&[1, 2], &[1, 2, 3]), 0);
    assert_eq!(pages(&[1, 2], &[1]), 1);
    assert_eq!(pages(&[1, 2], &[1, 2, 1]), 1);
}

#[test]
fn c13_finds_a_conversation_that_sync_missed() {
    let found = |head| check_sync(&BTreeMap::from([(ROOM, head)]), BOB, &run().database).len();
    assert_eq!((found(2), found(1)), (0, 1));
}

#[test]
fn violations_show_their_message_and_number() {
    let mut run = run();
    run.database.messages.pop();
    let history = History {
        name: "ann".to_owned(),
        user: ANN,
        applies: true,
        entries: run.ann.iter().map(|event| Entry { at: Duration::ZERO, event: event.clone() }).collect(),
    };
    let violations = check(std::slice::from_ref(&history), &run.database);
    let lost = violations.iter().find(|violation| violation.check == "C1").unwrap();
    let text = crate::report::shortest_history(&[history], lost);
    assert!(text.contains("Invoked") && text.contains("Acked"), "{text}");
    assert!(!text.contains("text 1"), "only what is about the message: {text}");
}
