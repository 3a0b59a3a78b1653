//! What is applied, pulled, loaded or left.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ME, ROOM, ROOMS, connected, displayed, run};
use crate::core::{Core, Input, Output, Settings, Update};

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
