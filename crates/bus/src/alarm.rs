//! A second way to report losses, for a node that alone cannot reach the first one.
//!
//! If Redis is down for all nodes, each of them knows, and looks for changes in the database more often. If only one node is cut
//! off, the others work and miss what it publishes. Its alarm reaches them by notifications of PostgreSQL, and they look at
//! once. Like [`crate::notify`], this module does not know the database.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::{Bus, Connected};

/// How often a node looks whether it has dropped envelopes.
const INTERVAL: Duration = Duration::from_millis(500);

const PREFIX: &str = "lost ";

/// Takes the reports of other nodes.
pub struct Alarm {
    bus: Arc<dyn Bus>,
    /// What this node sends.
    text: String,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

/// Adds an alarm to a connection. While it drops envelopes, `send` sends a text to all nodes, which pass it to
/// [`Alarm::accept`]; it has a timeout.
pub fn connect<S, F, E>(connected: Connected, send: S) -> (Connected, Arc<Alarm>)
where
    S: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let Connected { bus, inbox, work } = connected;
    let text = format!("{PREFIX}{:016x}", rand::rng().random::<u64>());
    let alarm = Arc::new(Alarm { bus: Arc::clone(&bus), text });
    let reporting = report(Arc::clone(&alarm), send);
    let work = Box::pin(async move {
        tokio::join!(work, reporting);
    });
    (Connected { bus, inbox, work }, alarm)
}

async fn report<F, E>(alarm: Arc<Alarm>, send: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), E>>,
{
    let (mut times, mut reported) = (interval(INTERVAL), 0);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let dropped = alarm.bus.counts().dropped_outgoing;
        // A failed report is repeated: without the database nothing is committed that could be missed.
        if dropped != reported && send(alarm.text.clone()).await.is_ok() {
            reported = dropped;
        }
    }
}

impl Alarm {
    /// A text arrived, perhaps the report of another node.
    pub fn accept(&self, text: &str) {
        if text.starts_with(PREFIX) && text != self.text {
            self.bus.note_loss();
        }
    }
}
