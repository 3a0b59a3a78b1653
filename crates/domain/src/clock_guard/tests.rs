use proptest::prelude::*;

use super::*;
use crate::{Clock, FixedClock};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).unwrap()
}

struct World {
    clock: FixedClock,
    record: Record,
    guard: ClockGuard,
}

impl World {
    fn new(newest: Option<Timestamp>, record: Record) -> Self {
        let clock = FixedClock::new(start());
        let guard = ClockGuard::start(Reading::of(&clock), newest, &record);
        Self { clock, record, guard }
    }

    fn check(&mut self) -> Option<Change> {
        let now = Reading::of(&self.clock);
        let change = self.guard.check(now, self.record.confirmation);
        self.record.checked_at = Some(now.wall);
        self.record.pause = self.guard.pause(now);
        change
    }

    fn is_paused(&self) -> bool {
        self.record.pause.is_some()
    }

    fn confirm(&mut self, at: Timestamp) {
        let number = self.record.confirmation.map_or(0, |before| before.number) + 1;
        self.record.confirmation = Some(Confirmation { at, number });
        // As the CLI command does, so that a restart does not pause again.
        self.record.pause = None;
    }

    fn restart(&mut self, at: Timestamp, newest: Option<Timestamp>) {
        self.clock = FixedClock::new(at);
        self.guard = ClockGuard::start(Reading::of(&self.clock), newest, &self.record);
        self.record.pause = self.guard.pause(Reading::of(&self.clock));
    }
}

#[test]
fn jump_of_more_than_an_hour_pauses_for_a_steady_day() {
    for to in [start() + 200 * DAY, start() + HOUR + MINUTE, start() - HOUR - MINUTE, start() - 200 * DAY] {
        let mut w = World::new(Some(start()), Record::default());
        assert_eq!((w.check(), w.is_paused()), (None, false));
        w.clock.step_wall(to);
        assert_eq!((w.check(), w.is_paused()), (Some(Change::Paused), true));
        assert_eq!((w.check(), w.is_paused()), (None, true), "reported once");
        w.clock.advance(DAY - MINUTE);
        assert_eq!((w.check(), w.is_paused()), (None, true));
        w.clock.advance(MINUTE);
        assert_eq!((w.check(), w.is_paused()), (Some(Change::Resumed), false));
        assert_eq!((w.check(), w.is_paused()), (None, false));
    }
}

#[test]
fn second_jump_restarts_the_steady_day() {
    let mut w = World::new(Some(start()), Record::default());
    w.clock.step_wall(start() + 200 * DAY);
    w.check();
    w.clock.advance(23 * HOUR);
    w.clock.step_wall(start() + 23 * HOUR);
    assert_eq!(w.check(), Some(Change::Paused), "a jump back is a jump, too, even to the right time");
    w.clock.advance(23 * HOUR);
    assert!(w.check().is_none() && w.is_paused());
    w.clock.advance(HOUR);
    assert_eq!(w.check(), Some(Change::Resumed));
}

#[test]
fn small_steps_within_a_day_add_up_to_a_jump() {
    let mut w = World::new(Some(start()), Record::default());
    w.clock.step_wall(w.clock.now() + 40 * MINUTE);
    assert_eq!(w.check(), None, "one step of less than an hour is not a jump");
    w.clock.advance(HOUR);
    w.clock.step_wall(w.clock.now() + 40 * MINUTE);
    assert_eq!(w.check(), Some(Change::Paused));
}

#[test]
fn slow_drift_is_not_a_jump() {
    let mut w = World::new(Some(start()), Record::default());
    for _ in 0..1_000 {
        w.clock.advance(HOUR);
        w.clock.step_wall(w.clock.now() + MINUTE);
        assert_eq!(w.check(), None);
    }
}

#[test]
fn start_pauses_when_the_newest_row_is_far_away() {
    let ms = Duration::from_millis(1);
    for (newest, is_paused) in [
        (None, false),
        (Some(start()), false),
        (Some(start() - 7 * DAY + ms), false),
        (Some(start() - 7 * DAY), true),
        (Some(start() + 7 * DAY - ms), false),
        (Some(start() + 7 * DAY), true),
    ] {
        let mut w = World::new(newest, Record::default());
        assert_eq!((w.check(), w.is_paused()), (None, is_paused), "{newest:?}");
    }
}

#[test]
fn idle_site_is_not_paused_if_its_clock_was_checked_recently() {
    let record = |at| Record { checked_at: Some(at), ..Record::default() };
    let idle = Some(start() - 100 * DAY);
    for (newest, checked_at, is_paused) in [
        (idle, start() - 6 * DAY, false),
        (idle, start() - 8 * DAY, true),
        // A row written by the clock after its jump, just before the process stopped.
        (Some(start()), start() - 200 * DAY, true),
        (Some(start() + 200 * DAY), start(), true),
        (Some(start()), start() + 200 * DAY, true),
    ] {
        let mut w = World::new(newest, record(checked_at));
        w.check();
        assert_eq!(w.is_paused(), is_paused, "{newest:?} {checked_at}");
    }
}

#[test]
fn confirmation_by_the_same_clock_ends_a_pause() {
    let mut w = World::new(Some(start() - 30 * DAY), Record::default());
    w.check();
    assert!(w.is_paused());
    w.confirm(start() + 2 * HOUR);
    assert_eq!(w.check(), Some(Change::ConfirmedElsewhere(start() + 2 * HOUR)), "by another clock");
    assert!(w.is_paused());
    w.confirm(start());
    assert_eq!((w.check(), w.is_paused()), (Some(Change::Confirmed), false));
    w.restart(start() + DAY, Some(start() - 30 * DAY));
    assert!(w.check().is_none() && !w.is_paused(), "the next start does not pause either");
    // The confirmation applies to that moment only.
    w.clock.step_wall(start() + 3 * DAY);
    assert_eq!(w.check(), Some(Change::Paused));
}

#[test]
fn confirmation_before_the_check_prevents_a_pause() {
    let mut w = World::new(Some(start()), Record::default());
    w.check();
    w.clock.step_wall(start() + 5 * HOUR);
    w.confirm(start() + 5 * HOUR);
    assert_eq!((w.check(), w.is_paused()), (None, false));
}

#[test]
fn pause_and_its_steady_time_survive_a_restart() {
    let mut w = World::new(Some(start()), Record::default());
    w.check();
    w.clock.step_wall(start() + 200 * DAY);
    w.check();
    w.clock.advance(20 * HOUR);
    w.check();
    let now = w.clock.now();
    w.restart(now + HOUR, Some(now));
    assert!(w.check().is_none() && w.is_paused(), "a row written during the pause proves nothing");
    w.clock.advance(4 * HOUR);
    assert_eq!(w.check(), Some(Change::Resumed));
}

#[test]
fn restart_with_another_clock_restarts_the_steady_day() {
    let mut w = World::new(Some(start()), Record::default());
    w.check();
    w.clock.step_wall(start() + 200 * DAY);
    w.check();
    w.clock.advance(20 * HOUR);
    w.check();
    w.restart(start() + DAY, Some(start() + 200 * DAY));
    w.clock.advance(23 * HOUR);
    assert!(w.check().is_none() && w.is_paused());
    w.clock.advance(HOUR);
    assert_eq!(w.check(), Some(Change::Resumed));
}

#[test]
fn pause_ends_despite_regular_restarts() {
    let mut w = World::new(Some(start() - 30 * DAY), Record::default());
    let mut days = 0;
    while w.check() != Some(Change::Resumed) {
        days += 1;
        assert!(days < 5);
        for _ in 0..8 {
            w.clock.advance(HOUR);
            if w.check() == Some(Change::Resumed) {
                return;
            }
        }
        w.restart(w.clock.now() + 16 * HOUR, Some(start() - 30 * DAY));
    }
}

proptest! {
    // Whatever the clock does, nothing is deleted by a time that is more than an hour away from the one that the
    // monotonic clock predicts, unless a steady day has passed since.
    #[test]
    fn jump_pauses_deletion_for_a_day(
        steps in proptest::collection::vec((-400_i64..400, 0_u64..1_500), 1..60)
    ) {
        let mut w = World::new(Some(start()), Record::default());
        w.check();
        let mut jumped_at = None;
        let mut expected = w.clock.now();
        for (hours, minutes) in steps {
            // Mostly no step, so that only time passes; sometimes a step.
            let hours = if hours % 3 == 0 { hours } else { 0 };
            let span = HOUR * u32::try_from(hours.abs()).unwrap();
            w.clock.step_wall(if hours < 0 { w.clock.now() - span } else { w.clock.now() + span });
            if !w.clock.now().is_near(expected, HOUR + Duration::from_micros(1)) {
                jumped_at = Some(w.clock.monotonic());
            }
            w.check();
            let is_young = jumped_at.is_some_and(|at| w.clock.monotonic() - at < DAY);
            prop_assert_eq!(w.is_paused(), is_young);
            let passed = MINUTE * u32::try_from(minutes).unwrap();
            w.clock.advance(passed);
            expected = w.clock.now();
            w.check();
        }
    }
}
