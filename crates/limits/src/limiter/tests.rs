use blegram_domain::{FixedClock, Timestamp};

use super::*;

fn limiter() -> (Limiter, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
    let quotas = Quotas { login_per_address: Quota::new(2, 10), ..Quotas::default() };
    (Limiter::new(quotas, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

async fn attempt(limiter: &Limiter, address: &str) -> Result<RateLimitStatus, RateLimited> {
    limiter.check_address(Policy::Login, address.parse().unwrap()).await
}

#[tokio::test]
async fn rate_limit_rejection_reports_the_exact_wait() {
    let (limiter, clock) = limiter();
    assert_eq!(attempt(&limiter, "192.0.2.1").await.unwrap().remaining, 1);
    assert_eq!(attempt(&limiter, "192.0.2.1").await.unwrap().remaining, 0);
    let RateLimited(status) = attempt(&limiter, "192.0.2.1").await.unwrap_err();
    assert_eq!(status.reset, Duration::from_secs(5));
    clock.advance(status.reset - Duration::from_micros(1));
    assert!(attempt(&limiter, "192.0.2.1").await.is_err());
    let counted: Vec<_> = limiter.rejections().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(Policy::Login, 2)]);
    clock.advance(Duration::from_micros(1));
    assert!(attempt(&limiter, "192.0.2.1").await.is_ok());
}

#[tokio::test]
async fn rate_limits_ignore_wall_clock_steps() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let (limiter, clock) = limiter();
    let start = clock.now();
    for to in [start + HOUR, start, start - HOUR] {
        clock.step_wall(to);
        attempt(&limiter, "192.0.2.1").await.unwrap();
        attempt(&limiter, "192.0.2.1").await.unwrap();
        let RateLimited(status) = attempt(&limiter, "192.0.2.1").await.unwrap_err();
        assert_eq!(status.reset, Duration::from_secs(5));
        clock.step_wall(start);
        let RateLimited(status) = attempt(&limiter, "192.0.2.1").await.unwrap_err();
        assert_eq!(
            status.reset,
            Duration::from_secs(5),
            "a clock step neither extends nor shortens the wait"
        );
        clock.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn rate_limit_counts_addresses_of_one_subscriber_together() {
    let (limiter, _) = limiter();
    for address in ["2001:db8::1", "2001:db8::2"] {
        attempt(&limiter, address).await.unwrap();
    }
    assert!(attempt(&limiter, "2001:db8::3").await.is_err());
    assert!(attempt(&limiter, "2001:db8:0:1::3").await.is_ok());
    attempt(&limiter, "192.0.2.1").await.unwrap();
    attempt(&limiter, "::ffff:192.0.2.1").await.unwrap();
    assert!(attempt(&limiter, "192.0.2.1").await.is_err());
}

/// A /48 has 65,536 subscribers' networks.
#[tokio::test]
async fn rate_limit_counts_subscribers_of_one_network_together() {
    let (limiter, clock) = limiter();
    for networks in [["2001:db8:0:", "::1"], ["192.0.2.", ""]] {
        let address = |n: u32| format!("{}{n}{}", networks[0], networks[1]);
        let mut admitted = 0;
        for n in 1..=60 {
            admitted += usize::from(attempt(&limiter, &address(n)).await.is_ok());
        }
        assert_eq!(admitted, 20, "ten times the quota of one");
        let RateLimited(status) = attempt(&limiter, &address(61)).await.unwrap_err();
        assert_eq!(status.quota, Quota::new(20, 10));
    }
    assert!(attempt(&limiter, "2001:db8:1::1").await.is_ok(), "another network");
    clock.advance(Duration::from_secs(10));
    assert!(attempt(&limiter, "192.0.2.1").await.is_ok());
}

/// Otherwise one address that goes on trying would use up the quota of its neighbours.
#[tokio::test]
async fn rejected_attempt_counts_under_no_limit() {
    let (limiter, _) = limiter();
    for _ in 0..100 {
        let _ = attempt(&limiter, "192.0.2.1").await;
    }
    for n in 2..=10 {
        attempt(&limiter, &format!("192.0.2.{n}")).await.unwrap();
        attempt(&limiter, &format!("192.0.2.{n}")).await.unwrap();
    }
    assert!(attempt(&limiter, "192.0.2.11").await.is_err(), "twenty attempts were admitted");
}

#[tokio::test]
async fn status_is_that_of_the_closest_limit() {
    let (limiter, _) = limiter();
    let user = Subject::User(UserId::generate(limiter.clock.now()));
    let [global, report] =
        [Policy::GlobalUser, Policy::Report].map(|policy| Demand::new(policy, user.clone()));
    let status = limiter.take(&report, [global]).await.unwrap();
    assert_eq!((status.policy, status.remaining), (Policy::Report, 29));
}

#[tokio::test]
async fn charge_counts_attempts_of_the_past() {
    let (limiter, clock) = limiter();
    let demand = Demand::new(Policy::Login, Subject::User(UserId::generate(clock.now())));
    limiter.peek(&demand).await.unwrap();
    limiter.charge(&demand.clone().costing(1_000));
    assert_eq!(limiter.peek(&demand).await.unwrap_err().0.reset, Duration::from_secs(5));
    clock.advance(Duration::from_secs(5));
    limiter.peek(&demand).await.unwrap();
}

#[tokio::test]
async fn counters_are_bounded_and_pruned_when_refilled() {
    let (limiter, clock) = limiter();
    attempt(&limiter, "192.0.2.1").await.unwrap();
    limiter.prune();
    assert_eq!(limiter.len(), 2, "for the subscriber and the network");
    for n in 0..2 * MAX_COUNTERS as u32 {
        let _ = limiter.check_address(Policy::Login, IpAddr::from(n.to_be_bytes())).await;
    }
    assert!(limiter.len() <= MAX_COUNTERS);
    clock.advance(Duration::from_secs(60));
    limiter.prune();
    assert!(limiter.is_empty());
}
