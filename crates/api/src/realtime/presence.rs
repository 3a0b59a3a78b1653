//! Presence across nodes: what they report to each other, and what watchers receive.
//!
//! A node reports who comes and goes, and answers who of the users that another node asks for is online on it. A node asks
//! for those whom a connection begins to watch, and after a loss of events for everybody who is watched. Every node shows
//! every few seconds that it lives. The hub remembers the reports (`blegram_gateway::presence`). Nothing is stored.

use std::{collections::HashSet, time::Duration};

use blegram_bus::{Health, Key};
use blegram_domain::UserId;
use blegram_gateway::{NodeId, Place, PresenceChange};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::{interval, sleep, timeout},
};

use super::{DATABASE_TIMEOUT, Realtime, protocol::EventName, remote::Portable, state, warn};
use crate::{App, schema::gateway::PresenceEvent};

/// Largest number of users in one message or query.
const MAX_USERS: usize = 100;

/// The pause between questions after a loss, so that they do not fill the queue of the bus.
const PAUSE: Duration = Duration::from_millis(10);

/// The pause between rounds of questions: a node that alone does not reach Redis reports a loss twice a second, and every round
/// costs all other nodes an answer.
const ROUND: Duration = Duration::from_secs(5);

/// What nodes report to each other.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// The node lives. If it missed messages, it may have left questions unanswered.
    Alive { node: NodeId, has_missed: bool },
    /// Users came to a node, or left it.
    Changed { node: NodeId, online: Vec<UserId>, offline: Vec<UserId> },
    /// Who of these users is online elsewhere? Also who is not, if the node may have old reports.
    Asked { node: NodeId, users: Vec<UserId>, also_offline: bool },
    /// The answer for the node `to`.
    Answered { node: NodeId, to: NodeId, online: Vec<UserId>, offline: Vec<UserId> },
}

impl Portable for Message {
    const KINDS: &'static [&'static str] =
        &["presence.alive", "presence.changed", "presence.asked", "presence.answered"];

    fn kind(&self) -> &'static str {
        match self {
            Self::Alive { .. } => "presence.alive",
            Self::Changed { .. } => "presence.changed",
            Self::Asked { .. } => "presence.asked",
            Self::Answered { .. } => "presence.answered",
        }
    }

    fn keys(&self) -> Vec<Key> {
        match self {
            Self::Alive { .. } | Self::Changed { .. } | Self::Asked { .. } => vec![Key::All],
            Self::Answered { to, .. } => vec![node_key(*to)],
        }
    }
}

/// The key of what only one node needs.
pub(super) fn node_key(node: NodeId) -> Key {
    Key::Topic(format!("node:{node}"))
}

impl Realtime {
    /// Asks the other nodes who of `users` is online there. Their answers arrive as changes.
    pub(crate) fn ask_presence(&self, users: &[UserId], also_offline: bool) {
        for users in users.chunks(MAX_USERS) {
            self.share(&Message::Asked { node: self.node, users: users.to_vec(), also_offline });
        }
    }

    /// Handles a message of another node.
    pub(super) fn hear(&self, message: Message) {
        let presence = self.hub.presence();
        match message {
            Message::Alive { node, has_missed } => {
                presence.renew(node);
                if has_missed {
                    self.ask_again.notify_one();
                }
            }
            Message::Changed { node, online, offline } | Message::Answered { node, online, offline, .. } => {
                presence.report(node, &online, &offline);
            }
            Message::Asked { node: to, users, also_offline } => self.answer(to, users, also_offline),
        }
    }

    fn answer(&self, to: NodeId, users: Vec<UserId>, also_offline: bool) {
        let is_here = |user: &UserId| self.hub.presence().is_online_here(*user);
        let (online, mut offline): (Vec<UserId>, Vec<UserId>) = users.into_iter().partition(is_here);
        if !also_offline {
            offline.clear();
        }
        if !online.is_empty() || !offline.is_empty() {
            self.share(&Message::Answered { node: self.node, to, online, offline });
        }
    }
}

/// Reports that this node lives, so often that two reports may be lost before its lease ends.
pub(super) async fn stay_alive(realtime: &Realtime) {
    let mut times = interval(realtime.hub.config().presence_lease / 3);
    loop {
        times.tick().await;
        realtime.share(&Message::Alive { node: realtime.node, has_missed: false });
    }
}

/// Asks for everybody who is watched, after losses of events here or on another node, at most once per [`ROUND`].
pub(super) async fn ask_after_losses(realtime: &Realtime, mut health: watch::Receiver<Health>) {
    let mut losses = health.borrow().losses;
    loop {
        // Copied at once: publishing can change the health, which the reference would lock.
        let lost =
            async { health.wait_for(|health| health.losses != losses).await.map(|health| health.losses) };
        tokio::select! {
            Ok(now) = lost => {
                losses = now;
                realtime.share(&Message::Alive { node: realtime.node, has_missed: true });
            }
            () = realtime.ask_again.notified() => {}
        }
        for users in realtime.hub.presence().watched().chunks(MAX_USERS) {
            realtime.ask_presence(users, true);
            sleep(PAUSE).await;
        }
        sleep(ROUND).await;
    }
}

/// Reports the changes on this node to the others, and all changes to the connections that watch.
pub(super) async fn send_changes(app: &App, mut changes: mpsc::Receiver<PresenceChange>) {
    let mut batch = Vec::new();
    while changes.recv_many(&mut batch, MAX_USERS).await > 0 {
        report(&app.realtime, &batch);
        for change in batch.drain(..) {
            send_change(app, change).await;
        }
    }
}

fn report(realtime: &Realtime, changes: &[PresenceChange]) {
    let here: HashSet<UserId> =
        changes.iter().filter(|change| change.place == Place::Here).map(|change| change.user).collect();
    if !here.is_empty() {
        let is_here = |user: &UserId| realtime.hub.presence().is_online_here(*user);
        let (online, offline) = here.into_iter().partition(is_here);
        realtime.share(&Message::Changed { node: realtime.node, online, offline });
    }
}

async fn send_change(app: &App, PresenceChange { user, place }: PresenceChange) {
    let presence = app.realtime.hub.presence();
    let is_online_otherwise = match place {
        Place::Here => presence.is_online_elsewhere(user),
        Place::Elsewhere => presence.is_online_here(user),
    };
    if is_online_otherwise {
        // To those who watch, nothing has changed.
        return;
    }
    let mut acquainted = HashSet::new();
    for watchers in presence.watchers(user).chunks(MAX_USERS) {
        match timeout(DATABASE_TIMEOUT, app.chat.list_acquainted(user, watchers)).await {
            Ok(Ok(some)) => acquainted.extend(some),
            Ok(Err(error)) => warn(&error, "presence"),
            Err(elapsed) => warn(&elapsed, "presence"),
        }
    }
    let online = presence.is_online(user);
    let last_seen_at = (!online).then(|| app.clock.now().into());
    let event = PresenceEvent { user_id: user.as_uuid(), online, last_seen_at };
    let frame = state(EventName::Presence, &[&user], &event);
    presence.send_to_watchers(user, &frame, |watcher| acquainted.contains(&watcher));
}
