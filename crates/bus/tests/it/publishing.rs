//! What a node receives of what others publish.

use blegram_bus::{Envelope, Key, testing};
use redis::AsyncCommands;
use secrecy::ExposeSecret;

use super::{Node, TIMEOUT, topic, user};

#[tokio::test]
async fn envelopes_arrive_in_order_at_nodes_that_subscribed_to_a_partition() {
    let site = testing::shared();
    let mut nodes = [Node::connect(&site).await, Node::connect(&site).await, Node::connect(&site).await];
    nodes[1].subscribes(&[user(1)]).await;
    nodes[2].subscribes(&[topic("post:1")]).await;
    for n in 0..200 {
        nodes[0].publishes(&format!("user {n}"), vec![user(1)]);
        nodes[0].publishes(&format!("topic {n}"), vec![topic("post:1")]);
    }
    for n in 0..200 {
        assert_eq!(nodes[1].receives().await, format!("user {n}"));
        assert_eq!(nodes[2].receives().await, format!("topic {n}"));
    }
}

/// An envelope for several partitions is published to each of them, or to all nodes.
#[tokio::test]
async fn envelopes_for_many_partitions_arrive_once() {
    let site = testing::shared();
    let (a, mut b) = (Node::connect(&site).await, Node::connect(&site).await);
    let members: Vec<Key> = (0..64).map(user).collect();
    b.subscribes(&members).await;
    for count in [2, 3, 8, 64] {
        a.publishes(&format!("to {count}"), members[..count].to_vec());
    }
    for count in [2, 3, 8, 64] {
        assert_eq!(b.receives().await, format!("to {count}"));
    }
    a.publishes("last", vec![Key::All]);
    assert_eq!(b.receives().await, "last");
    assert_eq!(b.counts().received, 5);
}

#[tokio::test]
async fn nodes_do_not_receive_their_own_envelopes_nor_those_of_other_sites() {
    let (site, other) = (testing::shared(), testing::shared());
    let (a, mut b) = (Node::connect(&site).await, Node::connect(&site).await);
    let stranger = Node::connect(&other).await;
    stranger.publishes("of another site", vec![Key::All]);
    b.publishes("own", vec![Key::All]);
    a.publishes("of a", vec![Key::All]);
    assert_eq!(b.receives().await, "of a");
    assert_eq!(b.counts().received, 1);
}

#[tokio::test]
async fn newer_versions_and_malformed_messages_are_ignored_and_counted() {
    let site = testing::shared();
    let (a, mut b) = (Node::connect(&site).await, Node::connect(&site).await);
    let client = redis::Client::open(site.url.expose_secret()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let channel = format!("{}:all", site.site);
    for message in ["{\"v\":2,\"new\":true}\n{}", "not an envelope", "{\"v\":1}\n"] {
        raw.publish::<_, _, ()>(&channel, message).await.unwrap();
    }
    a.publishes("known", vec![Key::All]);
    assert_eq!(b.receives().await, "known");
    assert_eq!((b.counts().ignored, b.counts().received), (3, 1));
    let unknown = Envelope::new("future.kind", vec![Key::All], b"".as_slice());
    b.inbox.ignore(&unknown, None);
    assert_eq!(b.counts().ignored, 4);
}

/// Redis closes the connection of a subscriber that reads too slowly; `CLIENT KILL` does the same.
#[tokio::test]
async fn closed_connections_are_opened_and_subscribed_again() {
    let site = testing::RedisServer::start().await;
    let (a, mut b) = (Node::connect(&site.settings()).await, Node::connect(&site.settings()).await);
    b.subscribes(&[user(1)]).await;
    let losses = b.losses();
    let client = redis::Client::open(site.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub");
    assert_eq!(kill.query_async::<u32>(&mut raw).await.unwrap(), 2);
    b.health(|health| health.losses > losses && !health.is_degraded()).await;
    a.health(|health| !health.is_degraded()).await;
    a.publishes("after", vec![user(1)]);
    assert_eq!(b.receives().await, "after");
    assert_eq!(b.counts().subscriptions, 2);
}

#[tokio::test]
async fn unused_subscriptions_end_and_can_begin_again() {
    let site = testing::shared();
    let (a, mut b) = (Node::connect(&site).await, Node::connect(&site).await);
    b.subscribes(&[user(1), user(2)]).await;
    // Recent subscriptions stay: their connections may not be registered yet.
    b.bus.retain(&[]);
    a.publishes("recent", vec![user(2)]);
    assert_eq!(b.receives().await, "recent");
    tokio::time::timeout(TIMEOUT, b.subscribes(&[user(2), topic("new")])).await.unwrap();
    a.publishes("new", vec![topic("new")]);
    assert_eq!(b.receives().await, "new");
}
