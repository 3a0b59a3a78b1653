//! Rate limits with GCRA (the generic cell rate algorithm), counted in this process.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use blegram_domain::{Clock, UserId, Username};
use governor::{
    RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::{NoOpMiddleware, StateInformationMiddleware},
    nanos::Nanos,
    state::keyed::DashMapStateStore,
};

/// A limit: `burst` attempts at once, refilled evenly over `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The largest number of attempts at once.
    pub burst: NonZeroU32,
    /// The time to refill all of them.
    pub per: Duration,
}

impl Quota {
    const fn new(burst: u32, seconds: u64) -> Self {
        let burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self { burst, per: Duration::from_secs(seconds) }
    }
}

/// The limits of this crate's use-cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Logins from one address.
    pub login_per_address: Quota,
    /// Logins to one account from one address.
    pub login_per_account_and_address: Quota,
    /// Logins to one account from all addresses: high enough that an attacker cannot lock the owner out.
    pub login_per_account: Quota,
    /// Sign-ups from one address.
    pub signup_per_address: Quota,
    /// Sign-ups over loopback, see [`Policy::SignUpLoopback`].
    pub signup_from_loopback: Quota,
    /// Password confirmations within the sessions of one account.
    pub password_per_account: Quota,
    /// Username changes of one account: each reserves the old username.
    pub username_per_account: Quota,
    /// Uploads from one address, each with one or several files.
    pub upload_per_address: Quota,
    /// Rejected gateway handshakes from one address; successful ones do not count.
    pub handshake_failures_per_address: Quota,
    /// Gateway connections opened by one user.
    pub connections_per_user: Quota,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_per_address: Quota::new(25, 300),
            login_per_account_and_address: Quota::new(10, 600),
            login_per_account: Quota::new(100, 3600),
            signup_per_address: Quota::new(5, 1800),
            signup_from_loopback: Quota::new(5, 1800),
            password_per_account: Quota::new(10, 600),
            username_per_account: Quota::new(5, 86_400),
            upload_per_address: Quota::new(300, 600),
            handshake_failures_per_address: Quota::new(60, 60),
            connections_per_user: Quota::new(300, 60),
        }
    }
}

/// A limit's policy, with the name that clients see in `RateLimit-Policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// [`Limits::login_per_address`].
    Login,
    /// [`Limits::login_per_account_and_address`].
    LoginAccountAddress,
    /// [`Limits::login_per_account`].
    LoginAccount,
    /// [`Limits::signup_per_address`].
    SignUp,
    /// [`Limits::signup_from_loopback`]: for clients that connect over loopback and are not a proxy.
    SignUpLoopback,
    /// [`Limits::password_per_account`].
    Password,
    /// [`Limits::username_per_account`].
    Username,
    /// [`Limits::upload_per_address`].
    Upload,
    /// [`Limits::handshake_failures_per_address`].
    HandshakeFailure,
    /// [`Limits::connections_per_user`].
    Connect,
}

impl Policy {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginAccountAddress => "login-account-address",
            Self::LoginAccount => "login-account",
            Self::SignUp | Self::SignUpLoopback => "signup",
            Self::Password => "password",
            Self::Username => "username",
            Self::Upload => "upload",
            Self::HandshakeFailure => "handshake-failure",
            Self::Connect => "connect",
        }
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

/// The key under which attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CounterKey {
    Address(IpAddr),
    AccountAddress(Username, IpAddr),
    Account(Username),
    User(UserId),
}

type Keyed = RateLimiter<CounterKey, DashMapStateStore<CounterKey>, Time, StateInformationMiddleware>;

/// Counts attempts, and rejects those above a limit.
pub struct Limiter {
    clock: Time,
    login: Rule,
    login_account_address: Rule,
    login_account: Rule,
    signup: Rule,
    signup_loopback: Rule,
    password: Rule,
    username: Rule,
    upload: Rule,
    handshake_failure: Rule,
    connect: Rule,
}

struct Rule {
    policy: Policy,
    quota: Quota,
    keyed: Keyed,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let clock = Time(clock);
        let rule = |policy, quota: Quota| Rule { policy, quota, keyed: keyed(quota, clock.clone()) };
        Self {
            login: rule(Policy::Login, limits.login_per_address),
            login_account_address: rule(Policy::LoginAccountAddress, limits.login_per_account_and_address),
            login_account: rule(Policy::LoginAccount, limits.login_per_account),
            signup: rule(Policy::SignUp, limits.signup_per_address),
            signup_loopback: rule(Policy::SignUpLoopback, limits.signup_from_loopback),
            password: rule(Policy::Password, limits.password_per_account),
            username: rule(Policy::Username, limits.username_per_account),
            upload: rule(Policy::Upload, limits.upload_per_address),
            handshake_failure: rule(Policy::HandshakeFailure, limits.handshake_failures_per_address),
            connect: rule(Policy::Connect, limits.connections_per_user),
            clock,
        }
    }

    /// Counts an attempt from `address`. IPv6 addresses are grouped by /64, the network of one subscriber.
    ///
    /// # Errors
    /// If the limit is exceeded; a rejected attempt does not count.
    pub fn check_address(&self, policy: Policy, address: IpAddr) -> Result<RateLimitStatus, RateLimited> {
        self.rule(policy).check(&CounterKey::Address(subscriber(address)), &self.clock)
    }

    /// Counts a login to `account` from `address`.
    pub(crate) fn check_account(
        &self,
        account: &Username,
        address: IpAddr,
    ) -> Result<RateLimitStatus, RateLimited> {
        let from_address = CounterKey::AccountAddress(account.clone(), subscriber(address));
        self.login_account_address.check(&from_address, &self.clock)?;
        self.login_account.check(&CounterKey::Account(account.clone()), &self.clock)
    }

    /// Counts an attempt by `user`, who is logged in.
    ///
    /// # Errors
    /// If the limit is exceeded; a rejected attempt does not count.
    pub fn check_user(&self, policy: Policy, user: UserId) -> Result<RateLimitStatus, RateLimited> {
        self.rule(policy).check(&CounterKey::User(user), &self.clock)
    }

    const fn rules(&self) -> [&Rule; 10] {
        [
            &self.login,
            &self.login_account_address,
            &self.login_account,
            &self.signup,
            &self.signup_loopback,
            &self.password,
            &self.username,
            &self.upload,
            &self.handshake_failure,
            &self.connect,
        ]
    }

    /// Drops the counters that are fully refilled. Call it periodically, so that memory does not grow with past
    /// clients.
    pub fn prune(&self) {
        for rule in self.rules() {
            rule.keyed.retain_recent();
            rule.keyed.shrink_to_fit();
        }
    }

    /// The number of counters.
    pub fn len(&self) -> usize {
        self.rules().iter().map(|rule| rule.keyed.len()).sum()
    }

    /// Whether there are no counters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    const fn rule(&self, policy: Policy) -> &Rule {
        match policy {
            Policy::Login => &self.login,
            Policy::LoginAccountAddress => &self.login_account_address,
            Policy::LoginAccount => &self.login_account,
            Policy::SignUp => &self.signup,
            Policy::SignUpLoopback => &self.signup_loopback,
            Policy::Password => &self.password,
            Policy::Username => &self.username,
            Policy::Upload => &self.upload,
            Policy::HandshakeFailure => &self.handshake_failure,
            Policy::Connect => &self.connect,
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("counters", &self.len()).finish_non_exhaustive()
    }
}

impl Rule {
    fn check(&self, key: &CounterKey, clock: &Time) -> Result<RateLimitStatus, RateLimited> {
        let status =
            |remaining, reset| RateLimitStatus { policy: self.policy, quota: self.quota, remaining, reset };
        let one = self.quota.per / self.quota.burst.get();
        match self.keyed.check_key(key) {
            Ok(snapshot) => Ok(status(snapshot.remaining_burst_capacity(), one)),
            Err(until) => Err(RateLimited(status(0, until.wait_time_from(clock.now())))),
        }
    }
}

fn keyed(quota: Quota, clock: Time) -> Keyed {
    let one = (quota.per / quota.burst.get()).max(Duration::from_nanos(1));
    let quota = governor::Quota::with_period(one).expect("a period above zero").allow_burst(quota.burst);
    RateLimiter::<_, _, _, NoOpMiddleware<Instant>>::new(quota, DashMapStateStore::default(), clock)
        .with_middleware()
}

/// The network of one subscriber: an IPv4 address, or the /64 of an IPv6 address.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Adapts our monotonic clock to governor: with a wall clock, a step back would extend every wait by the step.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl GovernorClock for Time {
    type Instant = Instant;

    fn now(&self) -> Instant {
        Instant(Nanos::from(self.0.monotonic()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Instant(Nanos);

impl std::ops::Add<Nanos> for Instant {
    type Output = Self;

    fn add(self, span: Nanos) -> Self {
        Self(self.0 + span)
    }
}

impl Reference for Instant {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.duration_since(earlier.0)
    }

    fn saturating_sub(&self, span: Nanos) -> Self {
        Self(Reference::saturating_sub(&self.0, span))
    }
}

#[cfg(test)]
mod tests {
    use blegram_domain::{FixedClock, Timestamp};

    use super::*;

    fn limiter() -> (Limiter, Arc<FixedClock>) {
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let limits = Limits { login_per_address: Quota::new(2, 10), ..Limits::default() };
        (Limiter::new(&limits, Arc::clone(&clock) as Arc<dyn Clock>), clock)
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

    #[test]
    fn rate_limit_counters_are_pruned_when_refilled() {
        let (limiter, clock) = limiter();
        attempt(&limiter, "192.0.2.1").unwrap();
        limiter.prune();
        assert_eq!(limiter.len(), 1);
        clock.advance(Duration::from_secs(60));
        limiter.prune();
        assert!(limiter.is_empty());
    }
}
