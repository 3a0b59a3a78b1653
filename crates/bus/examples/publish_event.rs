//! Carries an event from one node to another, in one process. `RedisBus` has the same trait.
//!
//! `cargo run -p blegram-bus --example publish_event`

use std::sync::Arc;

use blegram_bus::{Bus, Envelope, Exchange, Key};
use blegram_domain::{Clock, SystemClock, UserId};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let exchange = Exchange::default();
    // A program polls `work` beside everything else; that of an exchange has nothing to do.
    let (first, mut second) = (exchange.connect(), exchange.connect());

    // The second node has a connection of this user, so it subscribes to the user's partition.
    let now = SystemClock.now();
    let (haneul, other) = (UserId::generate(now), UserId::generate(now));
    let is_confirmed = second.bus.subscribe(&[Key::User(haneul).partition()]).await;
    println!("subscribed: {is_confirmed}");

    publish(&first.bus, haneul, "안녕");
    publish(&second.bus, other, "nodes do not receive what they publish");
    let envelope = second.inbox.receive().await;
    let text = String::from_utf8_lossy(&envelope.payload);
    println!("received: {} for {} key: {text}", envelope.kind, envelope.keys.len());

    let counts = first.bus.counts();
    println!("the first node: {counts:?}");
    println!("degraded: {}", first.bus.health().borrow().is_degraded());
}

/// Neither waits nor fails; what must arrive is a row in the database.
fn publish(bus: &Arc<dyn Bus>, user: UserId, text: &str) {
    bus.publish(Envelope::new("chat.typing", vec![Key::User(user)], text.as_bytes().to_vec()));
}
