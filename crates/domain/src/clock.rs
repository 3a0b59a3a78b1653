//! Time as a dependency that use-cases receive, instead of a global clock.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC with microsecond precision, as both databases store it.
///
/// Its text form is RFC 3339 with milliseconds and `Z`, as the API writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// Microseconds since 1970-01-01T00:00:00Z; negative before it. `None` beyond the years that the calendar can
    /// represent (about ±262,000).
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::<Utc>::from_timestamp_micros(micros).map(|_| Self(micros))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whether `other` is less than `span` away, before or after. Use it to check that something is recent: an instant
    /// written by a clock that was ahead lies in the future, and would otherwise count as recent until then.
    pub fn is_near(self, other: Self, span: Duration) -> bool {
        Duration::from_micros(self.0.abs_diff(other.0)) < span
    }

    /// The time elapsed since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

/// An instant beyond the years that the calendar can represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} microseconds is not an instant of the calendar")]
pub struct UnreachableInstant(i64);

impl TryFrom<i64> for Timestamp {
    type Error = UnreachableInstant;

    fn try_from(micros: i64) -> Result<Self, UnreachableInstant> {
        Self::from_micros(micros).ok_or(UnreachableInstant(micros))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        // Clamps to the last representable instant, for spans that mean "for ever".
        Self(self.0.saturating_add(micros(span)).min(DateTime::<Utc>::MAX_UTC.timestamp_micros()))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

fn micros(span: Duration) -> i64 {
    span.as_micros().try_into().unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// The source of time for use-cases. Each use-case reads it once, so that all its writes have the same time.
pub trait Clock: Send + Sync + 'static {
    /// The current wall-clock time. May repeat and may step back or forward, as system clocks do: use it for when
    /// something happened, never for how long something took.
    fn now(&self) -> Timestamp;

    /// The time since a fixed moment in this process. Never goes back and is not affected by steps of the wall clock:
    /// use it for every duration, deadline and rate. It has no meaning in another process, so never store or send it.
    fn monotonic(&self) -> Duration;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_micros())
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// A clock that moves only by explicit calls: for tests, and for demo data.
#[derive(Debug)]
pub struct FixedClock {
    wall: AtomicI64,
    monotonic_micros: AtomicU64,
}

impl FixedClock {
    /// Creates a clock that shows `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self { wall: AtomicI64::new(now.0), monotonic_micros: AtomicU64::new(0) }
    }

    /// Moves the wall clock and the monotonic clock forward.
    pub fn advance(&self, span: Duration) {
        self.wall.fetch_add(micros(span), Ordering::SeqCst);
        self.monotonic_micros.fetch_add(micros(span).unsigned_abs(), Ordering::SeqCst);
    }

    /// Sets the wall clock, forward or back, as an operator or a time server does. The monotonic clock does not change.
    pub fn step_wall(&self, to: Timestamp) {
        self.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_written_as_rfc_3339_with_milliseconds() {
        let time = Timestamp::from_micros(1_790_000_000_123_456).unwrap();
        assert_eq!(time.to_string(), "2026-09-21T14:13:20.123Z");
    }

    #[test]
    fn timestamp_beyond_the_calendar_is_rejected() {
        assert_eq!(Timestamp::from_micros(i64::MAX), None);
    }

    #[test]
    fn timestamp_addition_is_clamped_to_the_calendar() {
        let end = Timestamp::from_micros(0).unwrap() + Duration::MAX;
        assert_eq!(Timestamp::from_micros(end.as_micros()), Some(end));
    }

    #[test]
    fn timestamp_since_the_future_is_zero() {
        let now = Timestamp::from_micros(5_000_000).unwrap();
        assert_eq!(now.since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((now + Duration::from_secs(1)).since(now), Duration::from_secs(1));
    }

    #[test]
    fn timestamp_is_near_before_and_after() {
        let (now, minute) = (Timestamp::from_micros(5_000_000).unwrap(), Duration::from_secs(60));
        let less = minute - Duration::from_micros(1);
        assert!(
            now.is_near(now, minute) && now.is_near(now + less, minute) && now.is_near(now - less, minute)
        );
        assert!(!now.is_near(now + minute, minute) && !now.is_near(now - minute, minute));
    }

    #[test]
    fn fixed_clock_moves_only_when_advanced() {
        let start = Timestamp::from_micros(0).unwrap();
        let clock = FixedClock::new(start);
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now(), start + Duration::from_secs(60));
        assert_eq!(clock.monotonic(), Duration::from_secs(60));
    }

    #[test]
    fn fixed_clock_step_does_not_change_the_monotonic_clock() {
        let start = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let clock = FixedClock::new(start);
        clock.advance(Duration::from_secs(60));
        for to in [start - Duration::from_secs(3_600), start + Duration::from_secs(3_600)] {
            clock.step_wall(to);
            assert_eq!((clock.now(), clock.monotonic()), (to, Duration::from_secs(60)));
        }
    }

    #[test]
    fn system_clock_is_monotonic() {
        let readings: Vec<_> = (0..1_000).map(|_| SystemClock.monotonic()).collect();
        assert!(readings.is_sorted());
    }
}
