//! Tests of the client rules against an in-memory server and an unreliable network.

mod model;
mod screen;

use std::time::Duration;

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use uuid::Uuid;

use self::model::World;
use super::{CommandFailure, Core, Failure, Input, Output, Settings, Update};

const ME: Uuid = Uuid::from_u128(1 << 64);
const BOB: Uuid = Uuid::from_u128(2 << 64);
const ROOMS: [Uuid; 2] = [Uuid::from_u128(3 << 64), Uuid::from_u128(4 << 64)];
/// The first conversation, in tests of one.
const ROOM: usize = 0;

/// A random step of a test.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send(usize),
    BobSends(usize),
    BobEdits(usize, Index),
    BobDeletes(usize, Index),
    ToClient,
    ToServer,
    Reject,
    Outside(bool),
    Disturb(Index, usize),
    Drop(Option<u16>),
    Head,
    Expire(usize),
    Pass(u64),
}

fn room() -> impl Strategy<Value = usize> {
    0..ROOMS.len()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => room().prop_map(Step::Send),
        3 => room().prop_map(Step::BobSends),
        1 => (room(), any::<Index>()).prop_map(|(room, which)| Step::BobEdits(room, which)),
        1 => (room(), any::<Index>()).prop_map(|(room, which)| Step::BobDeletes(room, which)),
        9 => Just(Step::ToClient),
        9 => Just(Step::ToServer),
        1 => Just(Step::Reject),
        6 => prop::bool::weighted(0.8).prop_map(Step::Outside),
        4 => (any::<Index>(), 0_usize..3).prop_map(|(which, how)| Step::Disturb(which, how)),
        1 => prop::sample::select(vec![None, Some(1006), Some(4000), Some(4001), Some(4004)]).prop_map(Step::Drop),
        1 => Just(Step::Head),
        1 => (prop::bool::weighted(0.3), room()).prop_map(|(expire, room)| {
            if expire { Step::Expire(room) } else { Step::Head }
        }),
        6 => (0_u64..5_000).prop_map(Step::Pass),
    ]
}

fn apply_step(world: &mut World, step: Step, sent: &mut [Vec<String>; 2], counter: usize) {
    match step {
        Step::Send(room) => {
            sent[room].push(format!("line {counter}"));
            world.sends(room, &format!("line {counter}"));
        }
        Step::BobSends(room) => world.bob_sends(room, &format!("words {counter}")),
        Step::BobEdits(room, which) => {
            world.bob_changes(room, which.index(1 << 16), Some(&format!("better words {counter}")));
        }
        Step::BobDeletes(room, which) => world.bob_changes(room, which.index(1 << 16), None),
        Step::ToClient => drop(world.deliver_to_client()),
        Step::ToServer => drop(world.deliver_to_server(None)),
        Step::Reject => drop(world.deliver_to_server(Some("unavailable"))),
        Step::Outside(works) => drop(world.outside(works)),
        Step::Disturb(which, how) => world.disturb_events(which.index(1 << 16), how),
        Step::Drop(code) => world.drop_connection(code),
        Step::Head => world.send_heads(),
        Step::Expire(room) => world.expire_events(room),
        Step::Pass(ms) => world.sleep(Duration::from_millis(ms)),
    }
}

/// The numbers of the messages printed as new. A deletion counts if the message was not printed before.
fn displayed(printed: &[String]) -> Vec<u64> {
    let mut displayed: Vec<u64> = Vec::new();
    for line in printed {
        let (no, rest) = line.strip_prefix('[').unwrap().split_once("] ").unwrap();
        let no: u64 = no.parse().unwrap();
        let is_change = rest.contains("(edited)") || rest.contains("(deleted)");
        if !is_change || !displayed.contains(&no) {
            displayed.push(no);
        }
    }
    displayed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_stored_and_reported_once_in_order(
        earlier in 0_usize..25,
        steps in prop::collection::vec(step(), 0..250),
        seed: u64,
    ) {
        let mut world = World::new(seed);
        for number in 0..earlier {
            world.bob_sends(ROOM, &format!("earlier {number}"));
        }
        world.input(Input::Tick);
        let mut sent = [Vec::new(), Vec::new()];
        // The first pages are short; after them there must be no gap.
        prop_assert!(world.outside(true) && world.outside(true));
        for (counter, step) in steps.into_iter().enumerate() {
            apply_step(&mut world, step, &mut sent, counter);
        }
        world.settle();
        prop_assert_eq!(&world.stopped, &None);
        for (room, first) in [(ROOM, earlier.saturating_sub(20) as u64 + 1), (1, 1)] {
            prop_assert_eq!(world.stored_texts(room), &sent[room][..]);
            // Without the lines of edits of messages before the first page.
            let mut lines = world.lines(room).to_vec();
            lines.retain(|line| displayed(std::slice::from_ref(line))[0] >= first);
            let expected: Vec<u64> = (first..=world.message_count(room) as u64).collect();
            prop_assert_eq!(displayed(&lines), expected, "{:#?}", lines);
        }
    }
}

/// A connected client without pending commands.
fn connected() -> World {
    let mut world = World::new(7);
    world.input(Input::Tick);
    while world.outside(true) || world.deliver_to_client() || world.deliver_to_server(None) {}
    world
}

fn run(world: &mut World) {
    while world.deliver_to_client() || world.deliver_to_server(None) {}
}

#[test]
fn close_code_decides_whether_to_reconnect() {
    let cases = [
        (None, true),
        (Some(1001), true),
        (Some(1009), false),
        (Some(4000), true),
        (Some(4499), true),
        (Some(4500), false),
        (Some(4999), false),
        (Some(5000), true),
    ];
    for (code, reconnects) in cases {
        let mut world = connected();
        world.drop_connection(code);
        assert_eq!(world.stopped.is_some(), !reconnects, "{code:?}");
        world.sleep(Duration::from_secs(30));
        assert_eq!(world.connecting, reconnects, "{code:?}");
    }
}

#[test]
fn failed_handshake_is_retried_unless_fatal() {
    let temporary = |seconds| Failure::Temporary {
        detail: "busy".to_owned(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let after_failure = |failure| {
        let mut world = connected();
        world.drop_connection(None);
        world.sleep(Duration::from_secs(30));
        assert!(std::mem::take(&mut world.connecting));
        world.input(Input::HandshakeFailed(failure));
        world
    };
    let mut world = after_failure(temporary(50));
    world.sleep(Duration::from_secs(49));
    assert!(!world.connecting, "not before Retry-After");
    world.sleep(Duration::from_secs(31));
    assert!(world.connecting);

    let mut world = after_failure(Failure::Unauthorized);
    assert!(!world.connecting);
    world.outside(true);
    assert!(world.connecting, "with the new token, at once");
    world.connecting = false;
    world.input(Input::HandshakeFailed(Failure::Unauthorized));
    world.outside(true);
    assert!(!world.connecting, "a new token did not help: retry later");
    world.sleep(Duration::from_secs(30));
    assert!(world.connecting);

    assert!(after_failure(Failure::Fatal("origin".to_owned())).stopped.is_some());
}

#[test]
fn reconnect_event_sets_the_reconnect_time() {
    let mut world = connected();
    world.event("reconnect", &json!({ "after_ms": 12_000 }));
    run(&mut world);
    let requested_at = world.now;
    while !world.connecting {
        world.sleep(Duration::from_secs(60));
    }
    assert_eq!(world.now - requested_at, Duration::from_secs(12));

    let mut world = connected();
    world.event("reconnect", &json!({ "after_ms": 12_000 }));
    run(&mut world);
    world.drop_connection(Some(4000));
    world.sleep(Duration::from_millis(11_999));
    assert!(!world.connecting, "not earlier although the connection is closed");
    world.sleep(Duration::from_millis(1));
    assert!(world.connecting);
}

#[test]
fn close_reason_sets_the_reconnect_time_without_the_event() {
    let mut world = connected();
    world.drop_connection_because(Some(4000), "this node stops; reconnect in 12000 ms");
    world.sleep(Duration::from_millis(11_999));
    assert!(!world.connecting);
    world.sleep(Duration::from_millis(1));
    assert!(world.connecting);
}

#[test]
fn connection_ends_after_silence_but_not_after_a_ping() {
    let mut world = connected();
    let ping = r#"{"ping":1}"#.to_owned();
    let [one, other] = ROOMS;
    let pong = format!(r#"{{"pong":1,"recv":{{"{one}":0,"{other}":0}}}}"#);
    world.now += Duration::from_millis(47_000);
    assert_eq!(world.core.handle(world.now, Input::Frame(ping)), [Output::Send(pong)]);
    world.sleep(Duration::from_millis(47_499));
    assert!(world.is_open());
    world.sleep(Duration::from_millis(1));
    assert!(!world.is_open(), "25 s and a half, and 10 s");
}

#[test]
fn token_is_renewed_in_band_before_it_expires() {
    let mut world = connected();
    world.event("auth.expiring", &json!({ "expires_in_ms": 120_000 }));
    world.event("auth.expiring", &json!({ "expires_in_ms": 120_000 }));
    run(&mut world);
    assert!(world.outside(true));
    assert_eq!(world.commands(), ["auth"]);
    run(&mut world);
    assert!(!world.outside(true), "requested only once");

    let renewed = world.now;
    while world.commands() != ["auth"] {
        world.event("typing", &json!({ "conversation_id": ROOMS[ROOM], "user_id": BOB }));
        run(&mut world);
        world.sleep(Duration::from_secs(20));
        world.outside(true);
    }
    assert_eq!(world.now - renewed, Duration::from_secs(540), "by the client's own clock, too");
    world.drop_connection(Some(4001));
    world.input(Input::Token(Err(Failure::Unauthorized)));
    assert!(world.stopped.is_some(), "the session has ended");
}

#[test]
fn permanently_rejected_message_is_reported_and_dropped() {
    let mut world = connected();
    world.sends(ROOM, "no");
    world.sends(ROOM, "yes");
    assert_eq!(world.commands(), ["message.send"], "one at a time");
    world.deliver_to_server(Some("blocked"));
    run(&mut world);
    let not_sent = |update: &Update| match update {
        Update::NotSent { draft, error } => {
            Some((draft.text.clone()?.chars().take(2).collect(), error.code.clone()))
        }
        _ => None,
    };
    let rejected =
        |world: &World| world.updates.iter().filter_map(not_sent).collect::<Vec<(String, String)>>();
    let code = |text: &str, code: &str| (text.to_owned(), code.to_owned());
    assert_eq!(rejected(&world), [code("no", "blocked")]);
    assert_eq!(world.stored_texts(ROOM), ["yes"]);
    world.sends(ROOM, &"x".repeat(8193));
    world.sends(ROOM, &"\u{1}".repeat(8000));
    assert!(!world.commands().contains(&"message.send".to_owned()), "too large for a frame");
    let too_large = "body-too-large";
    let expected = [code("no", "blocked"), code("xx", too_large), code("\u{1}\u{1}", too_large)];
    assert_eq!(rejected(&world), expected);
}

#[test]
fn conversations_do_not_wait_for_each_other() {
    let mut world = connected();
    world.sends(0, "one");
    world.sends(1, "two");
    assert_eq!(world.commands(), ["message.send", "message.send"]);
    world.deliver_to_server(Some("unavailable"));
    run(&mut world);
    assert_eq!((world.stored_texts(0).len(), world.stored_texts(1).len()), (0, 1));
    world.settle();
    assert_eq!((world.stored_texts(0), world.stored_texts(1)), (vec!["one"], vec!["two"]));
}

#[test]
fn commands_are_sent_at_the_rate_of_the_server() {
    let mut world = connected();
    let start = world.now;
    world.sleep(Duration::from_secs(10));
    world.now = start + Duration::from_secs(10);
    for number in 0..100 {
        world.sends(number % 2, "hello");
    }
    let (mut sent, start) = (0, world.now);
    while world.now < start + Duration::from_secs(10) {
        while world.deliver_to_client() || !world.commands().is_empty() {
            sent += world.commands().len();
            while world.deliver_to_server(None) {}
        }
        world.sleep(Duration::from_millis(100));
    }
    assert!((65..=70).contains(&sent), "20 at once, then 5 per second: {sent}");
}

#[test]
fn busy_conversation_does_not_starve_another() {
    let mut world = connected();
    for _ in 0..200 {
        world.sends(0, "busy");
    }
    run(&mut world);
    world.sends(1, "quiet");
    let asked = world.now;
    while world.stored_texts(1).is_empty() {
        world.sleep(Duration::from_millis(100));
        run(&mut world);
    }
    assert!(world.now - asked <= Duration::from_millis(500), "{:?}", world.now - asked);
}

#[test]
fn temporarily_rejected_message_is_retried_after_the_delay() {
    for code in ["rate-limited", "unavailable", "internal", "overloaded"] {
        let mut world = connected();
        world.sends(ROOM, "hello");
        world.deliver_to_server(Some(code));
        world.deliver_to_client();
        assert!(world.commands().is_empty(), "{code}");
        world.sleep(Duration::from_millis(199));
        assert!(world.commands().is_empty(), "{code}: not before retry_after_ms");
        world.sleep(Duration::from_millis(1));
        assert_eq!(world.commands(), ["message.send"], "{code}");
    }
}

#[test]
fn read_marks_are_sent_at_most_once_a_second() {
    let mut world = connected();
    let mut marks = 0;
    let start = world.now;
    for number in 1.. {
        if world.now >= start + Duration::from_secs(10) {
            break;
        }
        world.input(Input::Read { conversation_id: ROOMS[ROOM], message_no: number });
        marks += world.commands().iter().filter(|op| *op == "read").count();
        run(&mut world);
        world.now += Duration::from_millis(100);
    }
    assert!((9..=11).contains(&marks), "{marks}");
}

#[test]
fn head_beyond_the_cursor_causes_a_pull() {
    let mut world = connected();
    world.bob_sends(ROOM, "hello");
    assert!(world.lose_frame().unwrap().contains("message.created"));
    world.send_heads();
    world.deliver_to_client();
    assert_eq!(world.commands(), ["history"]);
    run(&mut world);
    assert_eq!(world.lines(ROOM), ["[1] bob: hello"]);
}

#[test]
fn unavailable_events_are_pulled_once_a_second() {
    let mut world = connected();
    let head = json!({
        "conversation_id": ROOMS[ROOM], "last_seq": 5, "last_message_no": 5, "read_no": 0, "unread_count": 5,
    });
    world.event("conversation.head", &head);
    let mut pulls = 0;
    let start = world.now;
    while world.now < start + Duration::from_secs(5) {
        while world.deliver_to_client() || !world.commands().is_empty() {
            pulls += world.commands().iter().filter(|op| *op == "history").count();
            assert!(pulls < 10, "busy loop");
            world.deliver_to_server(None);
        }
        world.sleep(Duration::from_secs(60));
    }
    assert_eq!(pulls, 5);
}

#[test]
fn own_message_without_an_event_is_pulled_after_a_second() {
    let mut world = connected();
    world.sends(ROOM, "hello");
    world.deliver_to_server(None);
    assert!(world.lose_frame().unwrap().contains("message.created"));
    world.deliver_to_client();
    assert!(world.commands().is_empty());
    world.sleep(Duration::from_secs(1));
    assert_eq!(world.commands(), ["history"]);
    run(&mut world);
    assert_eq!(world.lines(ROOM), ["[1] ann: hello"]);
}

#[test]
fn message_deleted_before_it_was_printed_has_one_line() {
    let mut world = connected();
    world.bob_sends(ROOM, "hello");
    world.bob_changes(ROOM, 0, None);
    while world.lose_frame().is_some() {}
    world.send_heads();
    run(&mut world);
    assert_eq!(world.lines(ROOM), ["[1] bob (deleted)"]);
    assert_eq!(world.cursor(ROOM), Some(2));
}

#[test]
fn page_after_expired_events_starts_at_the_first_message() {
    let mut world = connected();
    for number in 0..30 {
        world.bob_sends(ROOM, &format!("words {number}"));
    }
    while world.lose_frame().is_some() {}
    world.expire_events(ROOM);
    world.settle();
    assert_eq!(displayed(world.lines(ROOM)), (1..=30).collect::<Vec<_>>());
}

#[test]
fn stable_minute_resets_the_backoff() {
    let waits_after = |minute: Duration| {
        let mut world = connected();
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            for _ in 0..6 {
                world.drop_connection(None);
                world.sleep(Duration::from_secs(60));
                world.outside(false);
            }
            while !world.is_open() {
                world.sleep(Duration::from_secs(60));
                world.outside(true);
            }
            run(&mut world);
            world.now += minute;
            world.input(Input::Frame(r#"{"ping":1}"#.to_owned()));
            world.drop_connection(None);
            let lost = world.now;
            world.sleep(Duration::from_secs(60));
            longest = longest.max(world.now - lost);
        }
        longest
    };
    assert!(waits_after(Duration::from_secs(60)) <= Duration::from_millis(500));
    assert!(waits_after(Duration::from_secs(59)) > Duration::from_millis(500));
}

#[test]
fn unknown_event_advances_the_cursor() {
    let mut world = connected();
    let pinned = json!({ "conversation_id": ROOMS[ROOM], "seq": 1, "by": null });
    world.event("message.pinned", &pinned);
    // Of a message from before the user joined.
    world.event("message.edited", &json!({ "conversation_id": ROOMS[ROOM], "seq": 2, "message": null }));
    run(&mut world);
    assert_eq!(world.cursor(ROOM), Some(2));
    assert!(world.commands().is_empty(), "nothing is missing");
}

#[test]
fn removed_member_leaves() {
    let removed = json!({ "conversation_id": ROOMS[ROOM], "reason": "left" });
    let mut world = connected();
    world.sends(ROOM, "too late");
    world.deliver_to_server(Some("unavailable"));
    world.event("conversation.removed", &removed);
    while world.deliver_to_client() {}
    assert_eq!(world.commands(), ["history"], "the user may have rejoined meanwhile");
    world.deliver_to_server(Some("not-found"));
    world.deliver_to_client();
    assert_eq!(world.updates.last(), Some(&Update::Left(ROOMS[ROOM])));
    assert!(
        world.updates.iter().any(|update| matches!(update, Update::NotSent { .. })),
        "the draft is reported"
    );
    assert_eq!((world.cursor(0), world.cursor(1)), (None, Some(0)), "the other conversation stays");

    let mut world = connected();
    world.drop_connection(None);
    while !world.is_open() {
        world.sleep(Duration::from_secs(30));
        world.outside(true);
    }
    world.deliver_to_client();
    let synced = json!({
        "cursor": "c", "heads": [], "removed": [ROOMS[ROOM]], "more": false, "unread": 0, "topics": {}, "presence": [],
    });
    world.input(Input::Frame(json!({ "re": 1, "ok": synced }).to_string()));
    assert_eq!(world.commands(), ["sync", "history"], "the same if it happened while disconnected");
}

#[test]
fn member_who_joins_again_stays() {
    let mut world = connected();
    world.set_membership(ROOM, false);
    world.event("conversation.removed", &json!({ "conversation_id": ROOMS[ROOM], "reason": "removed" }));
    world.deliver_to_client();
    world.deliver_to_server(None);
    // Added again after the server has answered the pull, and the event arrives before the reply.
    world.set_membership(ROOM, true);
    world.input(Input::Frame(
        json!({ "ev": "conversation.added", "d": { "conversation": conversation() } }).to_string(),
    ));
    run(&mut world);
    world.settle();
    assert!(!world.updates.contains(&Update::Left(ROOMS[ROOM])));
    world.bob_sends(ROOM, "welcome back");
    run(&mut world);
    assert_eq!(world.lines(ROOM), ["[1] bob: welcome back"]);
}

fn conversation() -> Value {
    json!({
        "id": ROOMS[ROOM], "kind": "group", "members": [], "last_seq": 0, "last_message_no": 0, "unread_count": 0,
        "read_no": 0, "read_states": [], "is_muted": false, "created_at": "2026-01-01T00:00:00Z",
    })
}

#[test]
fn all_conversations_are_followed_on_demand() {
    let follow = |follow_all| {
        let mut core = Core::new(Settings { me: ME, follow_all, seed: 1 }, Duration::from_secs(600));
        core.handle(Duration::ZERO, Input::Tick);
        core.handle(Duration::ZERO, Input::Connected);
        let added = json!({ "ev": "conversation.added", "d": { "conversation": conversation() } });
        core.handle(Duration::ZERO, Input::Frame(added.to_string()))
    };
    let load = Output::LoadPage { conversation_id: ROOMS[ROOM], after: None };
    assert!(follow(true).contains(&load));
    assert!(!follow(false).contains(&load));
}

#[test]
fn command_of_the_application_gets_its_reply_or_fails_with_the_connection() {
    let mut world = connected();
    let typing =
        |ticket| Input::Command { ticket, op: "typing", d: json!({ "conversation_id": ROOMS[ROOM] }) };
    world.input(typing(1));
    run(&mut world);
    world.input(typing(2));
    world.drop_connection(None);
    assert_eq!(world.replies, [(1, Ok(json!({}))), (2, Err(CommandFailure::Lost))]);
    world.input(typing(3));
    world.settle();
    assert_eq!(world.replies[2], (3, Ok(json!({}))), "waits for the connection");
    world.input(typing(4));
    world.input(Input::Stop);
    assert_eq!(world.replies[3], (4, Err(CommandFailure::Lost)));
    assert_eq!(world.stopped.as_deref(), Some("stopped"));
}
