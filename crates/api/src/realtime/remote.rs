//! Events of other nodes: which audience an event is published for, and the delivery of those that arrive.
//!
//! An event travels as its feature wrote it, with the views that it has anyway; this node renders it. The kinds are part
//! of the protocol between nodes: a kind never changes its meaning, and a node ignores the kinds that it does not know.

use std::collections::HashSet;

use blegram_bus::{Envelope, Inbox, Key};
use blegram_domain::{Post, UserId};
use blegram_gateway::Topic;
use serde::{Serialize, de::DeserializeOwned};

use super::{Realtime, feed::topics_of, presence};
use crate::App;

/// An event that other nodes receive.
pub(super) trait Portable: Serialize + DeserializeOwned {
    /// All kinds of the feature.
    const KINDS: &'static [&'static str];

    /// Its kind, one of [`Portable::KINDS`].
    fn kind(&self) -> &'static str;

    /// Its audience.
    fn keys(&self) -> Vec<Key>;
}

/// The kinds of all features.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    let kinds = [blegram_chat::Event::KINDS, blegram_social::Event::KINDS, blegram_auth::Event::KINDS];
    kinds.into_iter().flatten().copied()
}

/// The key of a topic.
pub(super) fn topic_key(topic: &Topic) -> Key {
    Key::Topic(topic.to_string())
}

fn users<'a>(users: impl IntoIterator<Item = &'a UserId>) -> Vec<Key> {
    users.into_iter().copied().map(Key::User).collect()
}

/// The topics of posts, and that of `own`, whose comments and counts are sent there.
fn topics<'a>(posts: impl IntoIterator<Item = &'a Post>, own: Option<&Post>) -> Vec<Key> {
    let topics: HashSet<Topic> = posts.into_iter().flat_map(topics_of).collect();
    let own = own.map(|post| Topic::Post(post.id));
    topics.iter().chain(&own).map(topic_key).collect()
}

fn on_post(post: &Post) -> Vec<Key> {
    topics([], Some(post))
}

impl Portable for blegram_chat::Event {
    const KINDS: &'static [&'static str] =
        &["chat.appended", "chat.added", "chat.removed", "chat.read", "chat.delivered", "chat.typing"];

    fn kind(&self) -> &'static str {
        match self {
            Self::Appended { .. } => "chat.appended",
            Self::Added { .. } => "chat.added",
            Self::Removed { .. } => "chat.removed",
            Self::Read { .. } => "chat.read",
            Self::Delivered { .. } => "chat.delivered",
            Self::Typing { .. } => "chat.typing",
        }
    }

    fn keys(&self) -> Vec<Key> {
        match self {
            Self::Appended { members, head_only, .. } => users(members.iter().chain(head_only)),
            Self::Added { user, .. } | Self::Removed { user, .. } => users([user]),
            Self::Read { members, .. } | Self::Delivered { members, .. } | Self::Typing { members, .. } => {
                users(members)
            }
        }
    }
}

impl Portable for blegram_social::Event {
    const KINDS: &'static [&'static str] = &[
        "social.post_created",
        "social.post_updated",
        "social.post_deleted",
        "social.comment_created",
        "social.comment_updated",
        "social.comment_deleted",
        "social.post_counts",
        "social.notified",
        "social.retracted",
        "social.notifications_read",
        "social.blocked",
    ];

    fn kind(&self) -> &'static str {
        match self {
            Self::PostCreated(_) => "social.post_created",
            Self::PostUpdated { .. } => "social.post_updated",
            Self::PostDeleted { .. } => "social.post_deleted",
            Self::CommentCreated { .. } => "social.comment_created",
            Self::CommentUpdated { .. } => "social.comment_updated",
            Self::CommentDeleted { .. } => "social.comment_deleted",
            Self::PostCounts { .. } => "social.post_counts",
            Self::Notified { .. } => "social.notified",
            Self::Retracted { .. } => "social.retracted",
            Self::NotificationsRead { .. } => "social.notifications_read",
            Self::Blocked { .. } => "social.blocked",
        }
    }

    fn keys(&self) -> Vec<Key> {
        match self {
            Self::PostCreated(view) => topics([&view.post], None),
            Self::PostUpdated { post, before } => topics([&post.post, before], Some(before)),
            Self::PostDeleted { post, .. } => topics([post], Some(post)),
            Self::CommentCreated { post, .. }
            | Self::CommentUpdated { post, .. }
            | Self::CommentDeleted { post, .. } => on_post(post),
            Self::PostCounts { post, .. } => vec![topic_key(&Topic::Post(*post))],
            Self::Notified { recipient, .. } | Self::Retracted { recipient, .. } => users([recipient]),
            Self::NotificationsRead { user, .. } => users([user]),
            // Every node caches relationships.
            Self::Blocked { .. } => vec![Key::All],
        }
    }
}

impl Portable for blegram_auth::Event {
    const KINDS: &'static [&'static str] =
        &["auth.session_ended", "auth.sessions_ended", "auth.suspended", "auth.role_changed"];

    fn kind(&self) -> &'static str {
        match self {
            Self::SessionEnded { .. } => "auth.session_ended",
            Self::SessionsEnded { .. } => "auth.sessions_ended",
            Self::Suspended { .. } => "auth.suspended",
            Self::RoleChanged { .. } => "auth.role_changed",
        }
    }

    /// Every node caches sessions.
    fn keys(&self) -> Vec<Key> {
        vec![Key::All]
    }
}

impl Realtime {
    /// Counts an event of this node, and puts it on the bus, unless this node is alone.
    pub(super) fn share<E: Portable>(&self, event: &E) {
        self.metrics.record_event(event.kind());
        if !self.bus.has_others() {
            return;
        }
        match serde_json::to_vec(event) {
            Ok(payload) => self.bus.publish(Envelope::new(event.kind(), event.keys(), payload)),
            Err(error) => super::warn(&error, "events for other nodes"),
        }
    }

    /// Whether anything on this node may need the event.
    fn has_audience(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| match key {
            Key::User(user) => self.hub.is_connected(*user),
            Key::Topic(_) if *key == presence::node_key(self.node) => true,
            Key::Topic(topic) => {
                topic.parse().is_ok_and(|topic| !self.hub.fanout().subscribers(&topic).is_empty())
            }
            Key::All => true,
        })
    }
}

/// Delivers the events of other nodes.
pub(super) async fn deliver_all(app: &App, mut inbox: Inbox) {
    loop {
        let envelope = inbox.receive().await;
        if !app.realtime.has_audience(&envelope.keys) {
            continue;
        }
        match deliver(app, &envelope) {
            Ok(true) => {}
            Ok(false) => inbox.ignore(&envelope, None),
            Err(error) => inbox.ignore(&envelope, Some(&error)),
        }
    }
}

/// Returns `false` for an unknown kind.
fn deliver(app: &App, envelope: &Envelope) -> serde_json::Result<bool> {
    let realtime = &app.realtime;
    if let Some(event) = parse(envelope)? {
        realtime.deliver_chat(event);
    } else if let Some(event) = parse(envelope)? {
        realtime.deliver_social(event);
    } else if let Some(message) = parse(envelope)? {
        realtime.hear(message);
    } else if let Some(event) = parse(envelope)? {
        // The cache first: a client that reconnects must not find its session valid.
        app.auth.clear_session_cache();
        realtime.deliver_auth(&event);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// `None` if the event is not one of `E`.
fn parse<E: Portable>(envelope: &Envelope) -> serde_json::Result<Option<E>> {
    let is_ours = E::KINDS.contains(&envelope.kind.as_ref());
    is_ours.then(|| serde_json::from_slice(&envelope.payload)).transpose()
}
