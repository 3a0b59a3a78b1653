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
mod tests;
