//! What happens while Redis does not answer.

use blegram_bus::{
    Envelope, Key, RedisBus, RedisSettings, alarm,
    testing::{RedisServer, shared},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Node, TIMEOUT, topic, user};

#[tokio::test]
async fn subscriptions_are_made_again_after_redis_was_stopped_and_started() {
    let mut redis = RedisServer::start().await;
    let (a, mut b) = (Node::connect(&redis.settings()).await, Node::connect(&redis.settings()).await);
    b.subscribes(&[user(1)]).await;
    a.publishes("before", vec![user(1)]);
    assert_eq!(b.receives().await, "before");
    let losses = b.losses();

    redis.stop();
    a.health(|health| health.cannot_publish && health.cannot_receive).await;
    b.health(|health| health.cannot_publish && health.cannot_receive).await;
    let dropped = a.counts().dropped_outgoing;
    a.publishes("lost", vec![user(1)]);
    assert_eq!(a.counts().dropped_outgoing, dropped + 1);
    assert!(!b.bus.subscribe(&[topic("meanwhile").partition()]).await, "not confirmed, and without waiting");

    redis.restart().await;
    let healed = b.health(|health| !health.is_degraded()).await;
    assert!(healed.losses > losses, "asks for a look at the database");
    a.health(|health| !health.is_degraded()).await;
    a.publishes("after", vec![user(1)]);
    assert_eq!(b.receives().await, "after");
    a.publishes("topic", vec![topic("meanwhile")]);
    assert_eq!(b.receives().await, "topic");
    assert_eq!(b.counts().subscriptions, 2);
}

#[tokio::test]
async fn nodes_start_without_redis() {
    let mut redis = RedisServer::stopped();
    assert!(RedisBus::ping(&redis.url().into()).await.is_err());
    let (a, mut b) = (Node::begin(&redis.settings()), Node::begin(&redis.settings()));
    assert!(a.bus.health().borrow().is_degraded());
    a.publishes("lost", vec![Key::All]);
    redis.restart().await;
    assert!(RedisBus::ping(&redis.url().into()).await.is_ok());
    a.health(|health| !health.is_degraded()).await;
    b.health(|health| !health.is_degraded()).await;
    a.publishes("after", vec![Key::All]);
    assert_eq!(b.receives().await, "after");
}

/// The connections of a frozen server stay open, so only the tests of the connections notice it.
#[tokio::test]
async fn frozen_redis_degrades_the_bus_and_delays_no_publisher() {
    let redis = RedisServer::start().await;
    let (a, b) = (Node::connect(&redis.settings()).await, Node::connect(&redis.settings()).await);
    redis.pause();
    let start = Instant::now();
    for n in 0..10_000 {
        a.publishes(&n.to_string(), vec![user(1)]);
    }
    assert!(start.elapsed().as_secs() < 1, "publishing does not wait");
    assert!(a.bus.health().borrow().is_degraded() && a.counts().dropped_outgoing > 0);
    b.health(|health| health.cannot_publish && health.cannot_receive).await;
    let waiting = timeout(TIMEOUT, b.bus.subscribe(&[user(7).partition()]));
    assert!(!waiting.await.unwrap());
    redis.resume();
    a.health(|health| !health.is_degraded()).await;
    b.health(|health| !health.is_degraded()).await;
}

/// The others reach Redis, so nothing else reports to them that something is missing.
#[tokio::test]
async fn node_that_alone_is_cut_off_reports_its_losses_in_another_way() {
    let (reports, mut reported) = mpsc::unbounded_channel();
    let with_alarm = |settings: &RedisSettings| {
        let reports = reports.clone();
        let connected = RedisBus::connect(settings).unwrap();
        alarm::connect(connected, move |text| std::future::ready(reports.send(text)))
    };
    let (cut_off, own) = with_alarm(&RedisServer::stopped().settings());
    let (other, alarm) = with_alarm(&shared());
    let mut tasks = JoinSet::new();
    tasks.spawn(cut_off.work);
    tasks.spawn(other.work);
    let mut health = other.bus.health();
    timeout(TIMEOUT, health.wait_for(|health| !health.is_degraded())).await.unwrap().unwrap();
    let before = health.borrow().losses;

    cut_off.bus.publish(Envelope::new("test.event", vec![Key::All], b"{}".as_slice()));
    let report = timeout(TIMEOUT, reported.recv()).await.unwrap().unwrap();
    alarm.accept("of something else");
    assert_eq!(health.borrow().losses, before);
    alarm.accept(&report);
    assert_eq!(health.borrow().losses, before + 1);
    own.accept(&report);
    assert_eq!(cut_off.bus.health().borrow().losses, 0, "it knows of its own");
}
