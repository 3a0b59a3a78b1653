//! Counts attempts against the quotas, in this process.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blegram_domain::{Clock, EmailKey, UserId};
use quick_cache::sync::Cache;

use crate::{
    AccountName, Network, Policy, Quota, Quotas,
    gcra::{self, Decision},
};

/// The maximum number of counters, so that memory is bounded however many addresses an attacker has. Beyond it, the
/// counters that were used least are dropped. One takes some 200 bytes.
const MAX_COUNTERS: usize = 100_000;

/// Whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user who is logged in.
    User(UserId),
    /// All clients of a network.
    Network(Network),
    /// The account of a login, whether it exists or not.
    Account(AccountName),
    /// The same, from one network.
    AccountNetwork(AccountName, Network),
    /// The same, from a device that has logged in to it before.
    AccountDevice(AccountName, u128),
    /// The recipient of mails, whether an account has the address or not.
    Recipient(EmailKey),
    /// The operator of the site.
    Operator,
}

/// An attempt that counts under one policy.
#[derive(Debug, Clone)]
pub struct Demand {
    policy: Policy,
    subject: Subject,
    /// Multiplies the quota.
    factor: u32,
    cost: u32,
    is_loopback: bool,
}

impl Demand {
    /// One attempt of `subject`.
    pub const fn new(policy: Policy, subject: Subject) -> Self {
        Self { policy, subject, factor: 1, cost: 1, is_loopback: false }
    }

    /// One attempt from `address`: it counts for the subscriber, and for the wider network with
    /// [`Network::WIDE_FACTOR`] times the quota.
    pub fn of_address(policy: Policy, address: IpAddr) -> [Self; 2] {
        let narrow = Self::new(policy, Subject::Network(Network::of_subscriber(address)));
        let wide = Self::new(policy, Subject::Network(Network::around(address)));
        [wide.times(Network::WIDE_FACTOR), narrow]
    }

    /// The same attempt under `factor` times the quota.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        let factor = self.factor.saturating_mul(factor);
        Self { factor, ..self }
    }

    /// The same attempt by a client that connects over loopback.
    #[must_use]
    pub fn over_loopback(self, is_loopback: bool) -> Self {
        Self { is_loopback, ..self }
    }

    /// Counts as `cost` attempts.
    #[must_use]
    pub fn costing(self, cost: u32) -> Self {
        Self { cost, ..self }
    }
}

/// The state of a rate limit after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The policy.
    pub policy: Policy,
    /// The policy's quota.
    pub quota: Quota,
    /// The number of attempts left at once.
    pub remaining: u32,
    /// The time until the next attempt is possible or, while some are left, until one more is.
    pub reset: Duration,
}

/// The rate limit is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; wait and try again")]
pub struct RateLimited(pub RateLimitStatus);

/// Counts attempts, and rejects those above a limit.
pub struct Limiter {
    quotas: Quotas,
    loopback_quotas: Quotas,
    clock: Arc<dyn Clock>,
    counters: Cache<(Policy, Subject), Counter>,
}

/// The state of one GCRA.
type Counter = Arc<AtomicU64>;

/// An attempt that was counted.
struct Taken {
    counter: Counter,
    amount: u64,
}

impl Taken {
    fn give_back(self) {
        self.counter.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl Limiter {
    /// A limiter without attempts.
    pub fn new(quotas: Quotas, clock: Arc<dyn Clock>) -> Self {
        Self { quotas, loopback_quotas: quotas, clock, counters: Cache::new(MAX_COUNTERS) }
    }

    /// The same limiter, with other quotas for clients that connect over loopback.
    #[must_use]
    pub fn with_loopback_quotas(self, loopback_quotas: Quotas) -> Self {
        Self { loopback_quotas, ..self }
    }

    /// The quotas.
    pub const fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Counts an attempt under all demands or, if one of them has no attempt left, under none. Returns the status of the
    /// limit that is closest to being exceeded.
    ///
    /// # Errors
    /// If a limit is exceeded.
    pub fn take(
        &self,
        first: &Demand,
        more: impl IntoIterator<Item = Demand>,
    ) -> Result<RateLimitStatus, RateLimited> {
        let now = self.now();
        let (mut closest, taken) = self.take_one(first, now)?;
        let mut taken = vec![taken];
        for demand in more {
            match self.take_one(&demand, now) {
                Ok((status, one)) => {
                    taken.push(one);
                    if status.remaining <= closest.remaining {
                        closest = status;
                    }
                }
                Err(limited) => {
                    taken.into_iter().for_each(Taken::give_back);
                    return Err(limited);
                }
            }
        }
        Ok(closest)
    }

    /// Counts an attempt from `address`, for the subscriber and for the wider network.
    ///
    /// # Errors
    /// If a limit is exceeded; a rejected attempt does not count.
    pub fn check_address(&self, policy: Policy, address: IpAddr) -> Result<RateLimitStatus, RateLimited> {
        let [wide, narrow] = Demand::of_address(policy, address);
        self.take(&wide, [narrow])
    }

    /// Counts an attempt by `user`, who is logged in.
    ///
    /// # Errors
    /// If the limit is exceeded; a rejected attempt does not count.
    pub fn check_user(&self, policy: Policy, user: UserId) -> Result<RateLimitStatus, RateLimited> {
        self.take(&Demand::new(policy, Subject::User(user)), [])
    }

    /// Counts attempts that have happened, whether or not any are left.
    pub fn charge(&self, demand: &Demand) {
        let (quota, now) = (self.quota(demand), self.now());
        let counter = self.counter(demand);
        let charge = |state| Some(gcra::charge(state, now, quota, demand.cost));
        // Never fails: the closure always returns `Some`.
        let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
    }

    /// Whether an attempt would be admitted, without counting it.
    ///
    /// # Errors
    /// If it would not.
    pub fn peek(&self, demand: &Demand) -> Result<(), RateLimited> {
        let Some(counter) = self.counters.get(&(demand.policy, demand.subject.clone())) else {
            return Ok(());
        };
        let quota = self.quota(demand);
        match gcra::decide(counter.load(Ordering::Relaxed), self.now(), quota, demand.cost) {
            Decision::Admitted { .. } => Ok(()),
            Decision::Rejected { wait } => Err(rejected(demand.policy, quota, wait)),
        }
    }

    fn take_one(&self, demand: &Demand, now: u64) -> Result<(RateLimitStatus, Taken), RateLimited> {
        let quota = self.quota(demand);
        let counter = self.counter(demand);
        let mut state = counter.load(Ordering::Relaxed);
        loop {
            let (next, remaining) = match gcra::decide(state, now, quota, demand.cost) {
                Decision::Admitted { state, remaining } => (state, remaining),
                Decision::Rejected { wait } => return Err(rejected(demand.policy, quota, wait)),
            };
            match counter.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let reset = Duration::from_nanos(gcra::interval(quota));
                    let status = RateLimitStatus { policy: demand.policy, quota, remaining, reset };
                    return Ok((status, Taken { counter, amount: next - state.max(now) }));
                }
                Err(other) => state = other,
            }
        }
    }

    fn quota(&self, demand: &Demand) -> Quota {
        let quotas = if demand.is_loopback { &self.loopback_quotas } else { &self.quotas };
        quotas.of(demand.policy).times(demand.factor)
    }

    fn counter(&self, demand: &Demand) -> Counter {
        let key = (demand.policy, demand.subject.clone());
        let counter = self.counters.get_or_insert_with(&key, || Ok::<_, Infallible>(Counter::default()));
        counter.unwrap_or_else(|never| match never {})
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The number of counters.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there are no counters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the counters of quotas that are full again. Call it periodically: memory then follows the clients of the
    /// last minutes.
    pub fn prune(&self) {
        let now = self.now();
        self.counters.retain(|_, state| state.load(Ordering::Relaxed) > now);
    }
}

fn rejected(policy: Policy, quota: Quota, wait: u64) -> RateLimited {
    RateLimited(RateLimitStatus { policy, quota, remaining: 0, reset: Duration::from_nanos(wait) })
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("counters", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use blegram_domain::{FixedClock, Timestamp};

    use super::*;

    fn limiter() -> (Limiter, Arc<FixedClock>) {
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let quotas = Quotas { login_per_address: Quota::new(2, 10), ..Quotas::default() };
        (Limiter::new(quotas, Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn attempt(limiter: &Limiter, address: &str) -> Result<RateLimitStatus, RateLimited> {
        limiter.check_address(Policy::Login, address.parse().unwrap())
    }

    #[test]
    fn rate_limit_rejection_reports_the_exact_wait() {
        let (limiter, clock) = limiter();
        assert_eq!(attempt(&limiter, "192.0.2.1").unwrap().remaining, 1);
        assert_eq!(attempt(&limiter, "192.0.2.1").unwrap().remaining, 0);
        let RateLimited(status) = attempt(&limiter, "192.0.2.1").unwrap_err();
        assert_eq!(status.reset, Duration::from_secs(5));
        clock.advance(status.reset - Duration::from_micros(1));
        assert!(attempt(&limiter, "192.0.2.1").is_err());
        clock.advance(Duration::from_micros(1));
        assert!(attempt(&limiter, "192.0.2.1").is_ok());
    }

    #[test]
    fn rate_limits_ignore_wall_clock_steps() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let (limiter, clock) = limiter();
        let start = clock.now();
        for to in [start + HOUR, start, start - HOUR] {
            clock.step_wall(to);
            attempt(&limiter, "192.0.2.1").unwrap();
            attempt(&limiter, "192.0.2.1").unwrap();
            let RateLimited(status) = attempt(&limiter, "192.0.2.1").unwrap_err();
            assert_eq!(status.reset, Duration::from_secs(5));
            clock.step_wall(start);
            let RateLimited(status) = attempt(&limiter, "192.0.2.1").unwrap_err();
            assert_eq!(
                status.reset,
                Duration::from_secs(5),
                "a clock step neither extends nor shortens the wait"
            );
            clock.advance(Duration::from_secs(10));
        }
    }

    #[test]
    fn rate_limit_counts_addresses_of_one_subscriber_together() {
        let (limiter, _) = limiter();
        for address in ["2001:db8::1", "2001:db8::2"] {
            attempt(&limiter, address).unwrap();
        }
        assert!(attempt(&limiter, "2001:db8::3").is_err());
        assert!(attempt(&limiter, "2001:db8:0:1::3").is_ok());
        attempt(&limiter, "192.0.2.1").unwrap();
        attempt(&limiter, "::ffff:192.0.2.1").unwrap();
        assert!(attempt(&limiter, "192.0.2.1").is_err());
    }

    /// A /48 has 65,536 subscribers' networks.
    #[test]
    fn rate_limit_counts_subscribers_of_one_network_together() {
        let (limiter, clock) = limiter();
        for networks in [["2001:db8:0:", "::1"], ["192.0.2.", ""]] {
            let address = |n: u32| format!("{}{n}{}", networks[0], networks[1]);
            let admitted = (1..=60).filter(|n| attempt(&limiter, &address(*n)).is_ok()).count();
            assert_eq!(admitted, 20, "ten times the quota of one");
            let RateLimited(status) = attempt(&limiter, &address(61)).unwrap_err();
            assert_eq!(status.quota, Quota::new(20, 10));
        }
        assert!(attempt(&limiter, "2001:db8:1::1").is_ok(), "another network");
        clock.advance(Duration::from_secs(10));
        assert!(attempt(&limiter, "192.0.2.1").is_ok());
    }

    /// Otherwise one address that goes on trying would use up the quota of its neighbours.
    #[test]
    fn rejected_attempt_counts_under_no_limit() {
        let (limiter, _) = limiter();
        for _ in 0..100 {
            let _ = attempt(&limiter, "192.0.2.1");
        }
        for n in 2..=10 {
            attempt(&limiter, &format!("192.0.2.{n}")).unwrap();
            attempt(&limiter, &format!("192.0.2.{n}")).unwrap();
        }
        assert!(attempt(&limiter, "192.0.2.11").is_err(), "twenty attempts were admitted");
    }

    #[test]
    fn status_is_that_of_the_closest_limit() {
        let (limiter, _) = limiter();
        let user = Subject::User(UserId::generate(limiter.clock.now()));
        let [global, report] =
            [Policy::GlobalUser, Policy::Report].map(|policy| Demand::new(policy, user.clone()));
        let status = limiter.take(&report, [global]).unwrap();
        assert_eq!((status.policy, status.remaining), (Policy::Report, 29));
    }

    #[test]
    fn charge_counts_attempts_of_the_past() {
        let (limiter, clock) = limiter();
        let demand = Demand::new(Policy::Login, Subject::User(UserId::generate(clock.now())));
        limiter.peek(&demand).unwrap();
        limiter.charge(&demand.clone().costing(1_000));
        assert_eq!(limiter.peek(&demand).unwrap_err().0.reset, Duration::from_secs(5));
        clock.advance(Duration::from_secs(5));
        limiter.peek(&demand).unwrap();
    }

    #[test]
    fn counters_are_bounded_and_pruned_when_refilled() {
        let (limiter, clock) = limiter();
        attempt(&limiter, "192.0.2.1").unwrap();
        limiter.prune();
        assert_eq!(limiter.len(), 2, "for the subscriber and the network");
        for n in 0..2 * MAX_COUNTERS as u32 {
            let _ = limiter.check_address(Policy::Login, IpAddr::from(n.to_be_bytes()));
        }
        assert!(limiter.len() <= MAX_COUNTERS);
        clock.advance(Duration::from_secs(60));
        limiter.prune();
        assert!(limiter.is_empty());
    }
}
