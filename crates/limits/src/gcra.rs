//! The generic cell rate algorithm: a token bucket whose whole state is one number, the time at which it is full again.
//!
//! Pure functions, so that other stores can use the same arithmetic. Times are nanoseconds since any fixed moment.

use crate::Quota;

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is admitted: the new state, and the number of attempts that remain at once.
    Admitted { state: u64, remaining: u32 },
    /// It would be admitted after this time.
    Rejected { wait: u64 },
}

/// The time in which one attempt is refilled.
pub(crate) fn interval(quota: Quota) -> u64 {
    let nanos = u64::try_from(quota.per.as_nanos()).unwrap_or(u64::MAX);
    (nanos / u64::from(quota.burst.get())).max(1)
}

/// What a store with a clock in microseconds needs to decide in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    /// The time in which the whole quota is refilled.
    pub(crate) capacity: u64,
    /// The time in which the attempts are refilled.
    pub(crate) amount: u64,
}

/// The time in which one attempt is refilled, in microseconds.
pub(crate) fn interval_in_micros(quota: Quota) -> u64 {
    (interval(quota) / 1_000).max(1)
}

/// The amount of `cost` attempts. A cost above the burst counts as the burst, or it would never be admitted.
pub(crate) fn amount_in_micros(quota: Quota, cost: u32) -> Amount {
    let interval = interval_in_micros(quota);
    let capacity = interval.saturating_mul(quota.burst.get().into());
    Amount { capacity, amount: interval.saturating_mul(cost.into()).min(capacity) }
}

/// Decides on `cost` attempts at `now`. A cost above the burst counts as the burst, or it would never be admitted.
pub(crate) fn decide(state: u64, now: u64, quota: Quota, cost: u32) -> Decision {
    let interval = interval(quota);
    let capacity = interval.saturating_mul(quota.burst.get().into());
    let amount = interval.saturating_mul(cost.into()).min(capacity);
    let used = used(state, now, capacity);
    match capacity.checked_sub(used + amount) {
        Some(left) => Decision::Admitted {
            state: now.saturating_add(used + amount),
            remaining: u32::try_from(left / interval).unwrap_or(u32::MAX),
        },
        None => Decision::Rejected { wait: used + amount - capacity },
    }
}

/// The state after `cost` attempts at `now` that have already happened: at most, the quota is used up.
pub(crate) fn charge(state: u64, now: u64, quota: Quota, cost: u32) -> u64 {
    let interval = interval(quota);
    let capacity = interval.saturating_mul(quota.burst.get().into());
    let amount = interval.saturating_mul(cost.into());
    now.saturating_add(used(state, now, capacity).saturating_add(amount).min(capacity))
}

/// How much of the capacity is used. A state beyond `now + capacity` can only come from another clock, and counts as a
/// quota that is used up: no clock makes anybody wait longer than that.
fn used(state: u64, now: u64, capacity: u64) -> u64 {
    state.saturating_sub(now).min(capacity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admitted(state: u64, now: u64, quota: Quota) -> Option<u64> {
        match decide(state, now, quota, 1) {
            Decision::Admitted { state, .. } => Some(state),
            Decision::Rejected { .. } => None,
        }
    }

    #[test]
    fn cost_above_the_burst_is_admitted_when_the_quota_is_full() {
        let quota = Quota::new(2, 10);
        assert!(matches!(decide(0, 1, quota, 100), Decision::Admitted { remaining: 0, .. }));
    }

    #[test]
    fn charge_never_exceeds_the_quota() {
        let quota = Quota::new(2, 10);
        assert_eq!(charge(0, 7, quota, 1_000), 7 + 10_000_000_000);
    }

    proptest! {
        /// In any period, at most the burst and what was refilled meanwhile is admitted: unlike with a fixed window, no
        /// moment admits twice the burst.
        #[test]
        fn admitted_attempts_never_exceed_burst_and_refill(
            burst in 1_u32..50,
            seconds in 1_u64..100,
            gaps in proptest::collection::vec(0_u64..5_000_000_000, 1..200),
        ) {
            let quota = Quota::new(burst, seconds);
            let (mut state, mut now, mut times) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                if let Some(next) = admitted(state, now, quota) {
                    state = next;
                    times.push(now);
                }
            }
            for (first, start) in times.iter().enumerate() {
                for (count, end) in times[first..].iter().enumerate() {
                    let refilled = (end - start) / interval(quota);
                    prop_assert!((count as u64) < u64::from(burst) + refilled);
                }
            }
        }

        /// The wait is exact: an attempt after it is admitted, one a nanosecond earlier is not.
        #[test]
        fn wait_is_exact(
            state in any::<u32>(), now in any::<u32>(), burst in 1_u32..50, seconds in 1_u64..100, cost in 1_u32..100,
        ) {
            let (quota, state, now) = (Quota::new(burst, seconds), u64::from(state) * 100, u64::from(now));
            if let Decision::Rejected { wait } = decide(state, now, quota, cost) {
                let state = state.min(now + interval(quota) * u64::from(burst));
                let is_admitted = |now| matches!(decide(state, now, quota, cost), Decision::Admitted { .. });
                prop_assert!(wait > 0 && !is_admitted(now + wait - 1) && is_admitted(now + wait));
            }
        }
    }
}
