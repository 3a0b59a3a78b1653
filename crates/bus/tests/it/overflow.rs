//! Bounded queues: what does not fit is dropped, counted and reported.

use blegram_bus::{Key, testing};

use super::{Node, user};

/// The tasks of the bus run on this thread, so nothing is sent during the loop.
#[tokio::test]
async fn outgoing_envelopes_that_do_not_fit_are_counted_and_other_nodes_are_notified() {
    let site = testing::shared();
    let (a, mut b) = (Node::connect(&site).await, Node::connect(&site).await);
    b.subscribes(&[user(1)]).await;
    let losses = b.losses();
    for n in 0..3_000 {
        a.publishes(&n.to_string(), vec![user(1)]);
    }
    assert!(a.bus.health().borrow().outbox_overflowed);
    assert_eq!((a.counts().published, a.counts().dropped_outgoing), (2_048, 952));
    a.health(|health| !health.is_degraded()).await;
    for n in 0..2_048 {
        assert_eq!(b.receives().await, n.to_string());
    }
    b.health(|health| health.losses == losses + 1).await;
    a.publishes("after", vec![user(1)]);
    assert_eq!(b.receives().await, "after");
}

#[tokio::test]
async fn outgoing_queue_is_bounded_in_bytes() {
    let site = testing::shared();
    let a = Node::connect(&site).await;
    let large = "x".repeat(3 * 1024 * 1024);
    for _ in 0..3 {
        a.publishes(&large, vec![user(1)]);
    }
    assert_eq!((a.counts().published, a.counts().dropped_outgoing), (2, 1));
    a.health(|health| !health.is_degraded()).await;
    a.publishes(&large, vec![user(1)]);
    assert_eq!(a.counts().published, 3, "what was sent counts no longer");
}

#[tokio::test]
async fn received_envelopes_that_do_not_fit_are_counted_and_degrade_the_node() {
    let mut site = testing::shared();
    let a = Node::connect(&site).await;
    site.inbox_capacity = Some(4);
    let mut b = Node::connect(&site).await;
    let losses = b.losses();
    for n in 0..10 {
        a.publishes(&n.to_string(), vec![Key::All]);
    }
    b.health(|health| health.inbox_overflowed).await;
    while b.counts().dropped_incoming < 6 {
        tokio::task::yield_now().await;
    }
    for n in 0..4 {
        assert_eq!(b.receives().await, n.to_string());
    }
    assert!(b.bus.health().borrow().is_degraded());
    a.publishes("after", vec![Key::All]);
    assert_eq!(b.receives().await, "after");
    let health = b.health(|health| !health.is_degraded()).await;
    assert_eq!(health.losses, losses + 1, "asks for a look at the database once");
    assert_eq!(b.counts().received, 5);
}
