//! Tests of the client rules against an in-memory server and an unreliable network.

mod model;

use proptest::{prelude::*, sample::Index};

use self::model::World;
use super::*;

const ME: Uuid = Uuid::from_u128(1 << 64);
const BOB: Uuid = Uuid::from_u128(2 << 64);
const CONVERSATION: Uuid = Uuid::from_u128(3 << 64);

/// A random step of a test.
#[derive(Debug, Clone, Copy)]
enum Step {
    Type,
    BobSends,
    BobEdits(Index),
    BobDeletes(Index),
    ToClient,
    ToServer,
    Reject,
    Outside(bool),
    Disturb(Index, usize),
    Drop(Option<u16>),
    Head,
    Expire,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Type),
        3 => Just(Step::BobSends),
        1 => any::<Index>().prop_map(Step::BobEdits),
        1 => any::<Index>().prop_map(Step::BobDeletes),
        9 => Just(Step::ToClient),
        9 => Just(Step::ToServer),
        1 => Just(Step::Reject),
        6 => prop::bool::weighted(0.8).prop_map(Step::Outside),
        4 => (any::<Index>(), 0_usize..3).prop_map(|(which, how)| Step::Disturb(which, how)),
        1 => prop::sample::select(vec![None, Some(1006), Some(4000), Some(4001), Some(4004)]).prop_map(Step::Drop),
        1 => Just(Step::Head),
        1 => prop::bool::weighted(0.3).prop_map(|expire| if expire { Step::Expire } else { Step::Head }),
        6 => (0_u64..5_000).prop_map(Step::Pass),
    ]
}

fn apply_step(world: &mut World, step: Step, typed: &mut Vec<String>, counter: usize) {
    match step {
        Step::Type => {
            typed.push(format!("line {counter}"));
            world.types(&typed[typed.len() - 1]);
        }
        Step::BobSends => world.bob_sends(&format!("words {counter}")),
        Step::BobEdits(which) => {
            world.bob_changes(which.index(1 << 16), Some(&format!("better words {counter}")));
        }
        Step::BobDeletes(which) => world.bob_changes(which.index(1 << 16), None),
        Step::ToClient => drop(world.deliver_to_client()),
        Step::ToServer => drop(world.deliver_to_server(None)),
        Step::Reject => drop(world.deliver_to_server(Some("unavailable"))),
        Step::Outside(works) => drop(world.outside(works)),
        Step::Disturb(which, how) => world.disturb_events(which.index(1 << 16), how),
        Step::Drop(code) => world.drop_connection(code),
        Step::Head => world.send_head(),
        Step::Expire => world.expire_events(),
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
    fn messages_are_stored_and_printed_once_in_order_despite_failures(
        earlier in 0_usize..25,
        steps in prop::collection::vec(step(), 0..250),
        seed: u64,
    ) {
        let mut world = World::new(true, seed);
        for number in 0..earlier {
            world.bob_sends(&format!("earlier {number}"));
        }
        world.input(Input::Tick);
        let mut typed = Vec::new();
        // The first page is short; after it there must be no gap.
        prop_assert!(world.outside(true));
        let first = earlier.saturating_sub(20) as u64 + 1;
        for (counter, step) in steps.into_iter().enumerate() {
            apply_step(&mut world, step, &mut typed, counter);
        }
        world.settle();
        prop_assert_eq!(world.exit, None);
        prop_assert_eq!(world.stored_texts(), typed);
        // Drops the lines of edits of messages before that page.
        world.printed.retain(|line| displayed(std::slice::from_ref(line))[0] >= first);
        let expected: Vec<u64> = (first..=world.message_count() as u64).collect();
        prop_assert_eq!(displayed(&world.printed), expected, "{:#?}", &world.printed);
    }

    #[test]
    fn client_exits_when_all_lines_are_stored_and_printed(
        steps in prop::collection::vec(step(), 0..100),
        seed: u64,
    ) {
        let mut world = World::new(false, seed);
        world.input(Input::Tick);
        let mut typed = Vec::new();
        for (counter, step) in steps.into_iter().enumerate() {
            apply_step(&mut world, step, &mut typed, counter);
        }
        world.input(Input::End);
        world.settle();
        prop_assert_eq!(world.exit, Some(0));
        prop_assert_eq!(world.stored_texts(), typed);
        let own = world.printed.iter().filter(|line| line.contains("ann: line")).count();
        prop_assert_eq!(own, world.stored_texts().len());
    }
}

/// A connected client without pending commands.
fn connected() -> World {
    let mut world = World::new(true, 7);
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
        assert_eq!(world.exit, (!reconnects).then_some(1), "{code:?}");
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

    assert_eq!(after_failure(Failure::Fatal("origin".to_owned())).exit, Some(1));
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
    let pong = format!(r#"{{"pong":1,"recv":{{"{CONVERSATION}":0}}}}"#);
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
    world.event("auth.expiring", &json!({}));
    world.event("auth.expiring", &json!({}));
    run(&mut world);
    assert!(world.outside(true));
    assert_eq!(world.commands(), ["auth"]);
    run(&mut world);
    assert!(!world.outside(true), "requested only once");

    let renewed = world.now;
    while world.commands() != ["auth"] {
        world.event("typing", &json!({ "conversation_id": CONVERSATION, "user_id": BOB }));
        run(&mut world);
        world.sleep(Duration::from_secs(20));
        world.outside(true);
    }
    assert_eq!(world.now - renewed, Duration::from_secs(540), "by the client's own clock, too");
    world.drop_connection(Some(4001));
    world.input(Input::Token(Err(Failure::Unauthorized)));
    assert_eq!(world.exit, Some(1), "the session has ended");
}

#[test]
fn permanently_rejected_message_is_reported_and_dropped() {
    let mut world = connected();
    world.types("no");
    world.types("yes");
    assert_eq!(world.commands(), ["message.send"], "one at a time");
    world.deliver_to_server(Some("blocked"));
    run(&mut world);
    assert!(world.notices.iter().any(|line| line.starts_with("not sent: no")), "{:?}", world.notices);
    assert_eq!(world.stored_texts(), ["yes"]);
    world.types(&"x".repeat(8193));
    world.types(&"\u{1}".repeat(8000));
    assert!(!world.commands().contains(&"message.send".to_owned()), "too large for a frame");
}

#[test]
fn temporarily_rejected_message_is_retried_after_the_delay() {
    for code in ["rate-limited", "unavailable", "internal", "overloaded"] {
        let mut world = connected();
        world.types("hello");
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
    while world.now < start + Duration::from_secs(10) {
        world.bob_sends("hello");
        while world.deliver_to_client() {}
        marks += world.commands().iter().filter(|op| *op == "read").count();
        run(&mut world);
        world.now += Duration::from_millis(100);
    }
    assert!((9..=11).contains(&marks), "{marks}");
}

#[test]
fn head_beyond_the_cursor_causes_a_pull() {
    let mut world = connected();
    world.bob_sends("hello");
    assert!(world.lose_frame().unwrap().contains("message.created"));
    world.send_head();
    world.deliver_to_client();
    assert_eq!(world.commands(), ["history"]);
    run(&mut world);
    assert_eq!(world.printed, ["[1] bob: hello"]);
}

#[test]
fn unavailable_events_are_pulled_once_a_second() {
    let mut world = connected();
    world.event("conversation.head", &json!({ "conversation_id": CONVERSATION, "last_seq": 5 }));
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
    world.types("hello");
    world.deliver_to_server(None);
    assert!(world.lose_frame().unwrap().contains("message.created"));
    world.deliver_to_client();
    assert!(world.commands().is_empty());
    world.sleep(Duration::from_secs(1));
    assert_eq!(world.commands(), ["history"]);
    run(&mut world);
    assert_eq!(world.printed, ["[1] ann: hello"]);
}

#[test]
fn message_deleted_before_it_was_printed_has_one_line() {
    let mut world = connected();
    world.bob_sends("hello");
    world.bob_changes(0, None);
    while world.lose_frame().is_some() {}
    world.send_head();
    run(&mut world);
    assert_eq!(world.printed, ["[1] bob (deleted)"]);
    assert_eq!(world.core.timeline.cursor(), Some(2));
}

#[test]
fn page_after_expired_events_starts_at_the_first_message() {
    let mut world = connected();
    for number in 0..30 {
        world.bob_sends(&format!("words {number}"));
    }
    while world.lose_frame().is_some() {}
    world.expire_events();
    world.settle();
    assert_eq!(displayed(&world.printed), (1..=30).collect::<Vec<_>>());
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
    world.event("message.pinned", &json!({ "conversation_id": CONVERSATION, "seq": 1, "by": null }));
    // Of a message from before the user joined.
    world.event("message.edited", &json!({ "conversation_id": CONVERSATION, "seq": 2, "message": null }));
    run(&mut world);
    assert_eq!((world.core.timeline.cursor(), world.core.timeline.behind()), (Some(2), None));
}

#[test]
fn removed_member_exits() {
    let mut world = connected();
    world.event("conversation.removed", &json!({ "conversation_id": CONVERSATION, "reason": "left" }));
    world.deliver_to_client();
    assert_eq!(world.commands(), ["history"], "the user may have rejoined meanwhile");
    world.deliver_to_server(Some("not-found"));
    world.deliver_to_client();
    assert_eq!(world.exit, Some(1));

    let mut world = World::new(true, 7);
    world.input(Input::Tick);
    while world.outside(true) || world.deliver_to_client() {}
    let synced = json!({ "cursor": "c", "heads": [], "removed": [CONVERSATION], "more": false, "unread": 0 });
    world.input(Input::Frame(json!({ "re": 1, "ok": synced }).to_string()));
    assert_eq!(world.commands(), ["sync", "history"], "the same if it happened while disconnected");
}

#[test]
fn control_characters_are_not_printed() {
    let mut world = connected();
    world.bob_sends("a\nb\u{1b}[2J\tc");
    run(&mut world);
    assert_eq!(world.printed, ["[1] bob: a ⏎ b [2J c"]);
}

#[test]
fn edits_deletions_and_member_changes_are_printed() {
    let mut world = connected();
    world.bob_sends("helo");
    world.bob_changes(0, Some("hello"));
    world.bob_changes(0, None);
    run(&mut world);
    let user = json!({ "id": BOB, "username": "bob" });
    world.event(
        "member.joined",
        &json!({ "conversation_id": CONVERSATION, "seq": 4, "user": user, "by": null }),
    );
    world.event(
        "member.left",
        &json!({ "conversation_id": CONVERSATION, "seq": 5, "user": null, "by": null }),
    );
    world.event("conversation.updated", &json!({ "conversation_id": CONVERSATION, "seq": 6, "title": "us" }));
    run(&mut world);
    let expected = [
        "[1] bob: helo",
        "[1] bob (edited): hello",
        "[1] bob (deleted)",
        "* bob joined",
        "* deleted user left",
        "* title changed to: us",
    ];
    assert_eq!(world.printed, expected);
}
