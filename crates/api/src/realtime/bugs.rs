//! What the planted bugs of delivery do ([`blegram_planted`]). Without the feature none of it runs.

use std::{sync::Arc, time::Duration};

use blegram_bus::{Bus, Key};
use blegram_domain::UserId;
use blegram_planted::{Bug, planted};
use tokio::time::sleep;

/// Long enough for a client to read what it missed, and for others to send meanwhile.
const DELAY: Duration = Duration::from_secs(2);

/// [`Bug::NoResubscription`], [`Bug::HeadsBeforeSubscription`]: the checks for what no event reported never begin, since they
/// would repair what these bugs break.
pub(super) async fn before_repairs() {
    if planted(Bug::NoResubscription) || planted(Bug::HeadsBeforeSubscription) {
        std::future::pending::<()>().await;
    }
}

/// [`Bug::HeadsBeforeSubscription`]: subscribes after the client has read what it missed.
#[expect(clippy::disallowed_methods, reason = "the task ends by itself, in a process that is only a test")]
pub(super) fn subscribe_later(bus: &Arc<dyn Bus>, user: UserId) -> bool {
    let bus = Arc::clone(bus);
    tokio::spawn(async move {
        sleep(DELAY).await;
        bus.subscribe(&[Key::User(user).partition()]).await
    });
    true
}
