//! When to connect, to give up, and to refresh the token.

use std::time::Duration;

use serde_json::json;

use super::{BOB, ROOM, ROOMS, connected, run};
use crate::core::{Failure, Input, Output};

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
fn online_signal_connects_at_once_but_not_before_retry_after() {
    let mut world = connected();
    for _ in 0..8 {
        world.drop_connection(None);
        world.sleep(Duration::from_secs(60));
        world.outside(false);
    }
    world.input(Input::Online);
    assert!(world.connecting, "after eight failures");

    let mut world = connected();
    world.drop_connection_because(Some(4000), "this node stops; reconnect in 12000 ms");
    world.input(Input::Online);
    assert!(!world.connecting);
    world.sleep(Duration::from_millis(12_000));
    assert!(world.connecting);
}
