//! Detects when the wall clock cannot be trusted to decide what is old enough to be deleted.
//!
//! A clock that is ahead makes everything look old. Retention therefore pauses when the wall clock jumps relative to
//! the monotonic one, and at a start when nothing in the database is recent. It resumes after the clock was steady for
//! a day, or when an operator confirms that the clock is right. The state that must outlive the process is a
//! [`Record`].

use std::{fmt, time::Duration};

use crate::Timestamp;

/// A change of the difference between the wall clock and the monotonic clock by more than this is a jump.
pub const JUMP: Duration = Duration::from_secs(60 * 60);

/// At a start, the newest row or clock check in the database must be this near to the clock.
pub const NEAR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long the clock must be steady before it is trusted again.
pub const STEADY: Duration = Duration::from_secs(24 * 60 * 60);

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub monotonic: Duration,
}

impl Reading {
    /// Reads `clock`.
    pub fn of(clock: &dyn crate::Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    fn difference(self) -> i128 {
        i128::from(self.wall.as_micros()) - i128::try_from(self.monotonic.as_micros()).unwrap_or(i128::MAX)
    }
}

/// The stored state of the guard, for the next process and for `blegram doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The time of the last clock check, by the clock that it checked.
    pub checked_at: Option<Timestamp>,
    /// The pause as of the last check.
    pub pause: Option<Pause>,
    /// The last confirmation by an operator.
    pub confirmation: Option<Confirmation>,
}

/// A pause of retention: nothing is deleted because of its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// When it began, by the clock in doubt.
    pub since: Timestamp,
    /// The reason, for operators.
    pub reason: String,
    /// How long the clock has been steady since.
    pub steady_for: Duration,
}

/// An operator's confirmation that the clock is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    /// The wall-clock time when the operator confirmed.
    pub at: Timestamp,
    /// The number of this confirmation, counted from 1.
    pub number: u64,
}

/// The result of a check that is worth logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Retention is paused, or the wait for a steady clock restarts.
    Paused,
    /// The clock was steady for long enough.
    Resumed,
    /// An operator confirmed that the clock is right.
    Confirmed,
    /// An operator confirmed a clock that differs from this one.
    ConfirmedElsewhere(Timestamp),
}

/// Watches the clocks of one process.
#[derive(Debug, Clone)]
pub struct ClockGuard {
    /// The reference difference of the clocks, and the monotonic time when it was taken.
    difference: i128,
    difference_at: Duration,
    /// The start of the current pause, by the monotonic clock.
    paused_at: Duration,
    pause: Option<Pause>,
    confirmations: u64,
}

impl ClockGuard {
    /// Starts from the state in the database: the time of its `newest` row, and the last process's record.
    pub fn start(now: Reading, newest: Option<Timestamp>, record: &Record) -> Self {
        let pause = match &record.pause {
            Some(pause) => Some(continued_pause(pause, now, record)),
            None if is_confirmed(now, record) => None,
            None => pause_at_start(now, newest, record.checked_at),
        };
        Self {
            difference: now.difference(),
            difference_at: now.monotonic,
            paused_at: now.monotonic,
            pause,
            confirmations: record.confirmation.map_or(0, |confirmation| confirmation.number),
        }
    }

    /// The current pause.
    pub fn pause(&self, now: Reading) -> Option<Pause> {
        let pause = self.pause.clone()?;
        Some(Pause { steady_for: self.steady_for(&pause, now), ..pause })
    }

    /// Checks the clocks and the operators' last confirmation. Returns what changed.
    pub fn check(&mut self, now: Reading, confirmed: Option<Confirmation>) -> Option<Change> {
        let jump = now.difference() - self.difference;
        let is_jump = jump.unsigned_abs() > JUMP.as_micros();
        let new_confirmation = confirmed.filter(|confirmation| confirmation.number > self.confirmations);
        self.confirmations = new_confirmation.map_or(self.confirmations, |confirmation| confirmation.number);
        let is_right = new_confirmation.is_some_and(|confirmation| confirmation.at.is_near(now.wall, JUMP));
        let is_steady = self.pause.as_ref().is_some_and(|pause| self.steady_for(pause, now) >= STEADY);
        if is_jump || now.monotonic.saturating_sub(self.difference_at) >= STEADY {
            (self.difference, self.difference_at) = (now.difference(), now.monotonic);
        }
        if is_right {
            return self.pause.take().map(|_| Change::Confirmed);
        }
        if is_jump {
            let reason = format!("the clock jumped {}", Jump(jump));
            self.pause = Some(Pause { since: now.wall, reason, steady_for: Duration::ZERO });
            self.paused_at = now.monotonic;
            return Some(Change::Paused);
        }
        if is_steady {
            return self.pause.take().map(|_| Change::Resumed);
        }
        new_confirmation
            .filter(|_| self.pause.is_some())
            .map(|elsewhere| Change::ConfirmedElsewhere(elsewhere.at))
    }

    fn steady_for(&self, pause: &Pause, now: Reading) -> Duration {
        pause.steady_for + now.monotonic.saturating_sub(self.paused_at)
    }
}

/// A pause of the last process. Its steady time continues to count, so that daily restarts do not extend the pause for
/// ever.
fn continued_pause(pause: &Pause, now: Reading, record: &Record) -> Pause {
    let is_same_clock = record.checked_at.is_some_and(|checked_at| checked_at.is_near(now.wall, NEAR));
    let steady_for = if is_same_clock { pause.steady_for } else { Duration::ZERO };
    Pause { steady_for, ..pause.clone() }
}

fn is_confirmed(now: Reading, record: &Record) -> bool {
    record.confirmation.is_some_and(|confirmation| confirmation.at.is_near(now.wall, NEAR))
}

/// Why the clock is in doubt at a start. A time in the future was written by a clock that was ahead, or this one is
/// behind. An old time may only mean an idle site, unless the clock was checked here not long ago.
fn pause_at_start(now: Reading, newest: Option<Timestamp>, checked_at: Option<Timestamp>) -> Option<Pause> {
    let ahead = [(newest, "the newest row"), (checked_at, "the last check of the clock")];
    let ahead = ahead.into_iter().find(|(at, _)| at.is_some_and(|at| at >= now.wall + NEAR));
    let behind = checked_at.map(|at| (Some(at), "the last check of the clock"));
    let behind = behind.unwrap_or((newest, "the newest row"));
    let behind = Some(behind).filter(|(at, _)| at.is_some_and(|at| at + NEAR <= now.wall));
    let (at, what) = ahead.or(behind)?;
    let reason = format!("{what} is dated {}, but the clock shows {}", at?, now.wall);
    Some(Pause { since: now.wall, reason, steady_for: Duration::ZERO })
}

struct Jump(i128);

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.0 < 0 { "back" } else { "forward" };
        let minutes = self.0.unsigned_abs() / 60_000_000;
        match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
            (0, hours, minutes) => write!(f, "{direction} by {hours} h {minutes} min"),
            (days, hours, _) => write!(f, "{direction} by {days} d {hours} h"),
        }
    }
}

#[cfg(test)]
mod tests {
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
        for to in [start() + 200 * DAY, start() + HOUR + MINUTE, start() - HOUR - MINUTE, start() - 200 * DAY]
        {
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
}
