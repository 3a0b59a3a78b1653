//! Tests of the client rules against an in-memory server and an unreliable network.

mod connection;
mod events;
mod model;
mod screen;
mod sending;

use std::time::Duration;

use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

use self::model::World;
use super::{CommandFailure, Input};

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
