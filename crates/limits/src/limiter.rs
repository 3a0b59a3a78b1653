//! Counts attempts against the quotas: in this process and, if there is one, in the store that all nodes share.
//!
//! An attempt counts in this process first. So an attempt above the limit costs the store nothing, and the limits hold,
//! for each node, while the store does not answer or has lost its counters.

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
use blegram_metrics::Counter as Count;
use quick_cache::sync::Cache;

use crate::{
    AccountName, Network, Policy, Quota, Quotas, Shared,
    gcra::{self, Decision},
    shared::Counted,
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

/// The name of its counter, the same on all nodes.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Network(network) => write!(f, "network:{network}"),
            Self::Account(account) => write!(f, "account:{account}"),
            Self::AccountNetwork(account, network) => write!(f, "account:{account}:network:{network}"),
            Self::AccountDevice(account, device) => write!(f, "account:{account}:device:{device:032x}"),
            Self::Recipient(address) => write!(f, "recipient:{}", address.as_str()),
            Self::Operator => f.write_str("operator"),
        }
    }
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
    shared: Option<Shared>,
    /// The attempts above the limit, in the order of [`Policy::ALL`].
    rejections: [Count; Policy::ALL.len()],
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
        Self {
            quotas,
            loopback_quotas: quotas,
            clock,
            counters: Cache::new(MAX_COUNTERS),
            shared: None,
            rejections: std::array::from_fn(|_| Count::default()),
        }
    }

    /// The same limiter, with other quotas for clients that connect over loopback.
    #[must_use]
    pub fn with_loopback_quotas(self, loopback_quotas: Quotas) -> Self {
        Self { loopback_quotas, ..self }
    }

    /// The same limiter, which also counts in `shared`.
    #[must_use]
    pub fn with_shared(self, shared: Option<Shared>) -> Self {
        Self { shared, ..self }
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
    pub async fn take(
        &self,
        first: &Demand,
        more: impl IntoIterator<Item = Demand>,
    ) -> Result<RateLimitStatus, RateLimited> {
        self.take_all(first, more.into_iter().collect()).await.inspect_err(|limited| self.note(limited))
    }

    async fn take_all(&self, first: &Demand, more: Vec<Demand>) -> Result<RateLimitStatus, RateLimited> {
        let (status, taken) = self.count(first, &more)?;
        let Some(shared) = &self.shared else { return Ok(status) };
        let all: Vec<Counted> =
            std::iter::once(first).chain(&more).map(|demand| self.counted(demand)).collect();
        match shared.take(&all).await {
            None => Ok(status),
            // The store has counted the attempts of this node, too, unless it lost them.
            Some(Ok(shared)) if shared.remaining > status.remaining => Ok(status),
            Some(Ok(shared)) => Ok(shared),
            Some(Err(limited)) => {
                taken.into_iter().for_each(Taken::give_back);
                Err(limited)
            }
        }
    }

    /// Like [`Limiter::take`], but counts on this node only. For transactions, which do not wait for other systems.
    ///
    /// # Errors
    /// If the limit is exceeded.
    pub fn take_here(&self, demand: &Demand) -> Result<RateLimitStatus, RateLimited> {
        self.count(demand, &[]).map(|(status, _)| status).inspect_err(|limited| self.note(limited))
    }

    /// The number of attempts that each policy rejected on this node.
    pub fn rejections(&self) -> impl Iterator<Item = (Policy, u64)> {
        Policy::ALL.iter().copied().zip(self.rejections.iter().map(Count::get))
    }

    fn note(&self, limited: &RateLimited) {
        let policies = Policy::ALL.iter().zip(&self.rejections);
        policies.filter(|(policy, _)| **policy == limited.0.policy).for_each(|(_, count)| count.increment());
    }

    fn count(&self, first: &Demand, more: &[Demand]) -> Result<(RateLimitStatus, Vec<Taken>), RateLimited> {
        let now = self.now();
        let (mut closest, taken) = self.take_one(first, now)?;
        let mut taken = vec![taken];
        for demand in more {
            match self.take_one(demand, now) {
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
        Ok((closest, taken))
    }

    /// Counts an attempt from `address`, for the subscriber and for the wider network.
    ///
    /// # Errors
    /// If a limit is exceeded; a rejected attempt does not count.
    pub async fn check_address(
        &self,
        policy: Policy,
        address: IpAddr,
    ) -> Result<RateLimitStatus, RateLimited> {
        let [wide, narrow] = Demand::of_address(policy, address);
        self.take(&wide, [narrow]).await
    }

    /// Counts an attempt by `user`, who is logged in.
    ///
    /// # Errors
    /// If the limit is exceeded; a rejected attempt does not count.
    pub async fn check_user(&self, policy: Policy, user: UserId) -> Result<RateLimitStatus, RateLimited> {
        self.take(&Demand::new(policy, Subject::User(user)), []).await
    }

    /// Counts attempts that have happened, whether or not any are left. The other nodes learn of them soon.
    pub fn charge(&self, demand: &Demand) {
        let (quota, now) = (self.quota(demand), self.now());
        let counter = self.counter(demand);
        let charge = |state| Some(gcra::charge(state, now, quota, demand.cost));
        // Never fails: the closure always returns `Some`.
        let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
        if let Some(shared) = &self.shared {
            shared.charge(self.counted(demand));
        }
    }

    /// Whether an attempt would be admitted, without counting it.
    ///
    /// # Errors
    /// If it would not.
    pub async fn peek(&self, demand: &Demand) -> Result<(), RateLimited> {
        self.peek_all(demand).await.inspect_err(|limited| self.note(limited))
    }

    async fn peek_all(&self, demand: &Demand) -> Result<(), RateLimited> {
        self.peek_here(demand)?;
        let Some(shared) = &self.shared else { return Ok(()) };
        shared.peek(self.counted(demand)).await.map_or(Ok(()), |peeked| peeked.map(drop))
    }

    fn peek_here(&self, demand: &Demand) -> Result<(), RateLimited> {
        let Some(counter) = self.counters.get(&(demand.policy, demand.subject.clone())) else {
            return Ok(());
        };
        let quota = self.quota(demand);
        match gcra::decide(counter.load(Ordering::Relaxed), self.now(), quota, demand.cost) {
            Decision::Admitted { .. } => Ok(()),
            Decision::Rejected { wait } => Err(rejected(demand.policy, quota, wait)),
        }
    }

    fn counted(&self, demand: &Demand) -> Counted {
        let (policy, subject, cost) = (demand.policy, demand.subject.clone(), demand.cost);
        Counted { policy, subject, quota: self.quota(demand), cost }
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
mod tests;
