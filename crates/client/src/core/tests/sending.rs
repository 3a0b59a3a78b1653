//! Messages, read marks and other commands.

use std::time::Duration;

use serde_json::json;

use super::{CommandFailure, Input, ROOM, ROOMS, World, connected, run};
use crate::core::Update;

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
