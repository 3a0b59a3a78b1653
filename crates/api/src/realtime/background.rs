//! The background work of realtime delivery: events of other nodes, and the checks for what no event reported.

use std::time::Duration;

use blegram_bus::{Inbox, Work};
use blegram_chat::ChangePosition;
use blegram_domain::SessionId;
use blegram_gateway::{CloseCode, Head, Hole, PresenceChange};
use futures_util::{StreamExt, stream};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    DATABASE_TIMEOUT, bugs, feed,
    pace::{Check, Pace},
    presence, remote, warn,
};
use crate::App;

/// Interval in which delivery marks are written and sent to the other members.
const MARK_INTERVAL: Duration = Duration::from_secs(2);

/// Largest number of marks that one transaction writes.
const MARKS_PER_WRITE: usize = 100;

/// The number of holes that are filled at the same time.
const HOLES_AT_ONCE: usize = 4;

/// Interval in which subscriptions of the bus that this node no longer uses are ended.
const RETAIN_INTERVAL: Duration = Duration::from_secs(60);

/// The receivers of queued events and of those of other nodes; [`Background::run`] processes them.
pub struct Background {
    pub(super) feed: mpsc::Receiver<blegram_social::Event>,
    pub(super) presence: mpsc::Receiver<PresenceChange>,
    pub(super) inbox: Inbox,
    pub(super) bus_work: Work<'static, ()>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// Delivers queued events and runs the periodic checks until `shutdown`, then writes the remaining delivery marks.
    pub async fn run(self, app: &App, shutdown: &CancellationToken) {
        let feed = feed::Feed::new(app.clone());
        let hub = app.realtime.hub();
        let periodic = async {
            tokio::join!(
                feed.run(self.feed),
                presence::send_changes(app, self.presence),
                presence::stay_alive(&app.realtime),
                presence::ask_after_losses(&app.realtime, app.realtime.health()),
                send_degraded(app),
                write_delivered(app),
                end_sessions(app),
                send_heads(app),
                fill_holes(app),
                self.bus_work,
                remote::deliver_all(app, self.inbox),
                retain_subscriptions(app),
            )
        };
        tokio::join!(hub.run(shutdown), shutdown.run_until_cancelled(periodic));
        // Writes the marks that were recorded after the last tick.
        flush_delivered(app).await;
    }
}

fn every(span: Duration) -> Interval {
    let mut times = interval(span);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    times
}

async fn retain_subscriptions(app: &App) {
    app.realtime.subscribe_node().await;
    let mut times = every(RETAIN_INTERVAL);
    loop {
        times.tick().await;
        app.realtime.retain_subscriptions();
    }
}

/// Sends the state of the bus to every connection when it changes.
async fn send_degraded(app: &App) {
    let mut health = app.realtime.health();
    let mut before = health.borrow().is_degraded();
    while let Ok(now) =
        health.wait_for(|health| health.is_degraded() != before).await.map(|now| now.is_degraded())
    {
        before = now;
        app.realtime.hub.fanout().send_to_all(&app.realtime.degraded());
    }
}

async fn write_delivered(app: &App) {
    let mut times = every(MARK_INTERVAL);
    loop {
        times.tick().await;
        flush_delivered(app).await;
    }
}

async fn flush_delivered(app: &App) {
    for (user, marks) in app.realtime.take_delivered() {
        let marks: Vec<_> = marks.into_iter().collect();
        for marks in marks.chunks(MARKS_PER_WRITE) {
            match timeout(DATABASE_TIMEOUT, app.chat.mark_delivered(user, marks)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn(&error, "delivery marks"),
                // Do not wait for the database once per user. Dropping the other marks is safe: clients send them again.
                Err(elapsed) => return warn(&elapsed, "delivery marks"),
            }
        }
    }
}

/// Closes the connections of sessions that ended elsewhere: on another node, or by a command of the CLI.
async fn end_sessions(app: &App) {
    let mut pace = Pace::new(app.realtime.health());
    loop {
        pace.next().await;
        let sessions: Vec<SessionId> = app.realtime.hub.sessions();
        if sessions.is_empty() {
            continue;
        }
        match timeout(DATABASE_TIMEOUT, app.auth.check_sessions(&sessions)).await {
            Ok(Ok(ended)) => {
                for (session, reason) in ended {
                    app.realtime.hub.close_session(session, close_code(reason));
                }
            }
            Ok(Err(error)) => warn(&error, "sessions"),
            Err(elapsed) => warn(&elapsed, "sessions"),
        }
    }
}

const fn close_code(reason: blegram_auth::Ended) -> CloseCode {
    match reason {
        blegram_auth::Ended::Revoked => CloseCode::Revoked,
        blegram_auth::Ended::Suspended => CloseCode::Suspended,
    }
}

/// Reads events that did not reach this node, although later ones of their conversations did: once for all connections,
/// which would otherwise all ask for them.
async fn fill_holes(app: &App) {
    let mut holes = app.realtime.hub.fanout().holes();
    let holes = stream::poll_fn(move |cx| holes.poll_recv(cx));
    holes.for_each_concurrent(HOLES_AT_ONCE, |hole| fill_hole(app, hole)).await;
}

async fn fill_hole(app: &App, Hole { conversation, after, before }: Hole) {
    match timeout(DATABASE_TIMEOUT, app.chat.missed_events(conversation, after, before)).await {
        Ok(Ok(missed)) => missed.into_iter().for_each(|event| app.realtime.deliver_chat(event)),
        Ok(Err(error)) => warn(&error, "missed events"),
        Err(elapsed) => warn(&elapsed, "missed events"),
    }
}

/// Sends `conversation.head` for conversations with events that this node did not deliver. Compares commit positions and
/// not timestamps, so that clocks do not matter.
async fn send_heads(app: &App) {
    let mut pace = Pace::new(app.realtime.health());
    let mut before = None;
    bugs::before_repairs().await;
    loop {
        let check = pace.next().await;
        match send_lagging_heads(app, before.as_ref(), check).await {
            Ok(position) => before = Some(position),
            Err(error) => warn(error.as_ref(), "conversations"),
        }
    }
}

/// Sends the heads of conversations that changed after `before`, and returns the position up to which it looked.
async fn send_lagging_heads(
    app: &App,
    before: Option<&ChangePosition>,
    check: Check,
) -> Result<ChangePosition, Box<dyn std::error::Error + Send + Sync>> {
    let until = timeout(DATABASE_TIMEOUT, app.chat.change_position()).await??;
    // After this delay every event up to `until` has been delivered here, unless it was lost.
    tokio::time::sleep(check.delivery_time()).await;
    let users = app.realtime.hub.users();
    let mut after = None;
    while !users.is_empty() {
        let (heads, next) =
            timeout(DATABASE_TIMEOUT, app.chat.heads_changed(&users, (before, &until), after)).await??;
        app.realtime.hub.fanout().send_heads(heads.into_iter().map(head).collect());
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok(until)
}

fn head(head: blegram_chat::ChangedHead) -> Head {
    let blegram_chat::ChangedHead { conversation, last_seq, last_message_no, members } = head;
    Head { conversation, last_seq, last_message_no, members }
}
