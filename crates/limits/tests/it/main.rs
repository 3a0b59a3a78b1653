//! Rate limits that several nodes share, on real Redis servers.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

use std::{future::Future, ops::Deref, sync::Arc, time::Duration};

use blegram_bus::{
    RedisSettings,
    testing::{RedisServer, shared as shared_server},
};
use blegram_domain::{Clock, FixedClock, Timestamp, UserId};
use blegram_limits::{Demand, Limiter, Policy, Quota, Quotas, Shared, SharedSettings, Subject};
use futures_util::future::join_all;
use proptest::{collection::vec, prelude::Strategy, strategy::ValueTree, test_runner::TestRunner};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// So long that nothing is refilled while a test runs.
const HOUR: u64 = 3_600;

/// The rate limiter of a node; its work ends with it.
struct Node {
    limiter: Limiter,
    _work: JoinSet<()>,
}

impl Deref for Node {
    type Target = Limiter;

    fn deref(&self) -> &Limiter {
        &self.limiter
    }
}

fn node(settings: &RedisSettings, quota: Quota) -> Node {
    let RedisSettings { url, site, .. } = settings.clone();
    let settings = SharedSettings::new(url, site, b"key".to_vec().into());
    // Long enough for a busy machine.
    let settings = SharedSettings { timeout: Duration::from_secs(5), ..settings };
    let (shared, work) = Shared::connect(&settings).expect("a valid URL");
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    Node { limiter: alone(quota).with_shared(Some(shared)), _work: tasks }
}

/// A rate limiter without Redis.
fn alone(quota: Quota) -> Limiter {
    let quotas = Quotas { login_per_address: quota, image_work_per_user: quota, ..Quotas::default() };
    let clock = FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap());
    Limiter::new(quotas, Arc::new(clock) as Arc<dyn Clock>)
}

fn user() -> Subject {
    Subject::User(UserId::generate(Timestamp::from_micros(1_790_000_000_000_000).unwrap()))
}

fn login(user: &Subject) -> Demand {
    Demand::new(Policy::Login, user.clone())
}

async fn remaining(limiter: &Limiter, user: &Subject) -> Option<u32> {
    limiter.take(&login(user), []).await.ok().map(|status| status.remaining)
}

/// Waits until `condition` is true.
async fn until<F: Future<Output = bool> + Send>(condition: impl Fn() -> F + Send + Sync) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("it happens in time");
}

#[tokio::test]
async fn nodes_share_one_quota() {
    let (settings, user) = (shared_server(), user());
    let [one, other] = [(), ()].map(|()| node(&settings, Quota::new(4, HOUR)));
    assert_eq!(remaining(&one, &user).await, Some(3));
    assert_eq!(remaining(&other, &user).await, Some(2));
    assert_eq!(remaining(&one, &user).await, Some(1));
    assert_eq!(remaining(&other, &user).await, Some(0));
    for limiter in [&one, &other] {
        let limited = limiter.take(&login(&user), []).await.unwrap_err().0;
        assert_eq!((limited.policy, limited.remaining), (Policy::Login, 0));
        let wait = limited.reset.as_secs();
        assert!((800..=900).contains(&wait), "a quarter of the hour, less what the test took: {wait}");
    }
}

#[tokio::test]
async fn attempt_that_another_node_exhausted_counts_under_no_limit() {
    let (settings, [ann, bob]) = (shared_server(), [user(), user()]);
    let [one, other] = [(), ()].map(|()| node(&settings, Quota::new(2, HOUR)));
    for _ in 0..2 {
        remaining(&one, &ann).await.unwrap();
    }
    for _ in 0..5 {
        other.take(&login(&bob), [login(&ann)]).await.unwrap_err();
    }
    assert_eq!(remaining(&other, &bob).await, Some(1), "neither in Redis nor in the process");
    assert_eq!(remaining(&one, &bob).await, Some(0));
}

#[tokio::test]
async fn concurrent_attempts_on_several_nodes_never_exceed_the_quota() {
    let (settings, user) = (shared_server(), user());
    let nodes = [(); 4].map(|()| node(&settings, Quota::new(50, HOUR)));
    let attempts = (0..200).map(|attempt| remaining(&nodes[attempt % 4], &user));
    let admitted = join_all(attempts).await.into_iter().flatten().count();
    assert_eq!(admitted, 50);
}

/// A charge is never rejected, and no more than the quota is used up.
#[tokio::test]
async fn charges_reach_the_other_nodes() {
    let (settings, user) = (shared_server(), user());
    let [one, other] = [(), ()].map(|()| node(&settings, Quota::new(1_000, HOUR)));
    let work = Demand::new(Policy::ImageWork, user);
    other.peek(&work).await.unwrap();
    one.charge(&work.clone().costing(900));
    one.charge(&work.clone().costing(900));
    until(async || other.peek(&work).await.is_err()).await;
    let wait = other.peek(&work).await.unwrap_err().0.reset;
    assert!(wait <= Duration::from_secs(4), "{wait:?}");
}

#[tokio::test]
async fn limits_apply_on_each_node_without_redis() {
    let mut server = RedisServer::start().await;
    let (settings, user) = (server.settings(), user());
    let [one, other] = [(), ()].map(|()| node(&settings, Quota::new(3, HOUR)));
    assert_eq!(remaining(&one, &user).await, Some(2));
    assert_eq!(remaining(&other, &user).await, Some(1));
    server.stop();
    assert_eq!(remaining(&one, &user).await, Some(1), "the attempts of this node count");
    assert_eq!(remaining(&one, &user).await, Some(0));
    assert_eq!(remaining(&one, &user).await, None);
    // It comes back without counters: those of the nodes still hold, and both nodes count together again.
    server.restart().await;
    let counts_together = async || {
        let fresh = self::user();
        let counted = remaining(&one, &fresh).await;
        counted == Some(2) && remaining(&other, &fresh).await == Some(1)
    };
    until(counts_together).await;
    assert_eq!(remaining(&one, &user).await, None);
}

#[tokio::test]
async fn paused_redis_admits_attempts_by_the_counters_of_the_node() {
    let server = RedisServer::start().await;
    let (settings, user) = (server.settings(), user());
    let limiter = node(&settings, Quota::new(3, HOUR));
    remaining(&limiter, &user).await.unwrap();
    server.pause();
    assert_eq!(remaining(&limiter, &user).await, Some(1));
    assert_eq!(remaining(&limiter, &user).await, Some(0));
    assert_eq!(remaining(&limiter, &user).await, None);
    server.resume();
}

/// Redis must contain no personal data, and nothing that stays for ever.
#[tokio::test]
async fn keys_are_hashes_that_end_when_the_quota_is_full_again() {
    let server = RedisServer::start().await;
    let limiter = node(&server.settings(), Quota::new(3, HOUR));
    limiter.check_address(Policy::Login, "192.0.2.7".parse().unwrap()).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 2, "for the subscriber and the network");
    for key in keys {
        let name = key.strip_prefix(&format!("{}:limit:", server.settings().site)).expect("the prefix");
        assert!(name.len() == 22 && !name.contains("192"), "{name}");
        let seconds: u64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!((1..=HOUR / 3).contains(&seconds), "{seconds}");
    }
}

/// The script has the arithmetic of the process.
#[tokio::test]
async fn script_and_process_agree() {
    let mut runner = TestRunner::deterministic();
    let inputs = (1_u32..40, vec((0_usize..2, 1_u32..8), 1..30));
    for _ in 0..10 {
        let (burst, attempts) = inputs.new_tree(&mut runner).unwrap().current();
        let (settings, quota, users) = (shared_server(), Quota::new(burst, 100 * HOUR), [user(), user()]);
        let expected = alone(quota);
        for (user, cost) in attempts {
            let demand = login(&users[user]).costing(cost);
            let expected = expected.take_here(&demand).map(|status| status.remaining).ok();
            // A node of its own has counted nothing, so the script decides.
            let decided = node(&settings, quota).take(&demand, []).await.map(|status| status.remaining).ok();
            assert_eq!(decided, expected, "{cost} of {burst}");
        }
    }
}
