//! Realtime delivery of posts, comments, counts and notifications.
//!
//! [`Feed`] takes the events of the social crate from a queue, one at a time. For an event about a post it loads the
//! relationships of the topic's subscribers to the author (cached for a second), sends the frame to the subscribers
//! who may see the post, and revokes topics that a subscriber may no longer see. Counts are throttled per post.
//! Notifications go to their recipient only.

mod audience;

use std::{collections::HashMap, time::Duration};

use blegram_domain::{
    Comment, CommentId, NotificationId, Post, PostId, UserId, UserSummary, notification::ReadMark,
};
use blegram_gateway::{Class, Topic};
use blegram_social::{CommentView, Event, PostView, Result};
use tokio::{
    sync::mpsc,
    time::{Instant, interval, timeout},
};

use self::audience::CachedRelations;
use super::announced::Announced;
use crate::{
    App,
    realtime::{
        DATABASE_TIMEOUT,
        protocol::{self, EventName},
        state, warn,
    },
    schema::{
        Render,
        gateway::{
            CommentEvent, DeletedEvent, NotificationCreatedEvent, NotificationDeletedEvent, PostCountsEvent,
            PostEvent,
        },
        notification::{Notification, NotificationRead},
    },
};

/// Minimum interval between two `post.counts` events of a post.
const COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// Interval of the check for counts that are due.
const TICK: Duration = Duration::from_millis(100);

/// Largest number of retracted notifications that are sent one by one; beyond it only `notification.state` is sent.
const MAX_RETRACTED: usize = 20;

pub(super) struct Feed {
    app: App,
    cache: HashMap<UserId, CachedRelations>,
    counts: HashMap<PostId, Counts>,
    announced: Announced,
}

/// The throttle of a post's counts: the time of the last event, and the counts to send next.
struct Counts {
    sent_at: Instant,
    next: Option<(UserId, PostCountsEvent)>,
}

impl Feed {
    pub(super) fn new(app: App) -> Self {
        Self { app, cache: HashMap::new(), counts: HashMap::new(), announced: Announced::default() }
    }

    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut ticks = interval(TICK);
        loop {
            let result = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => timeout(DATABASE_TIMEOUT, self.deliver(event)).await,
                    None => return,
                },
                _ = ticks.tick() => timeout(DATABASE_TIMEOUT, self.send_due_counts()).await,
            };
            match result {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn(&error, "feed"),
                Err(elapsed) => warn(&elapsed, "feed"),
            }
        }
    }

    async fn deliver(&mut self, event: Event) -> Result<()> {
        match event {
            Event::PostCreated(post) => self.post_created(post).await,
            Event::PostUpdated { post, before } => self.post_updated(post, &before).await,
            Event::PostDeleted { post, author } => self.post_deleted(&post, &author).await,
            Event::CommentCreated { comment, post, .. } => {
                self.deliver_comment(EventName::CommentCreated, comment, &post).await
            }
            Event::CommentUpdated { comment, post, .. } => {
                self.deliver_comment(EventName::CommentUpdated, comment, &post).await
            }
            Event::CommentDeleted { comment, post, .. } => self.comment_deleted(&comment, &post).await,
            Event::PostCounts { post, author, like_count, comment_count } => {
                let counts = PostCountsEvent { post_id: post.as_uuid(), like_count, comment_count };
                self.counted(post, author, counts).await
            }
            Event::Notified { recipient, notification } => self.notified(recipient, notification).await,
            Event::Retracted { recipient, notifications } => self.retracted(recipient, &notifications).await,
            Event::NotificationsRead { user, mark } => {
                self.notifications_read(user, mark);
                Ok(())
            }
            Event::Blocked { by, user } => {
                // A block takes effect at once, not when the cached relationships expire.
                self.cache.remove(&by);
                self.cache.remove(&user);
                Ok(())
            }
        }
    }

    async fn post_created(&mut self, view: PostView) -> Result<()> {
        let topics = topics_of(&view.post);
        let Some(audience) = self.audience(view.post.author, &topics).await? else { return Ok(()) };
        let hub = self.app.realtime.hub().clone();
        let links = self.app.media.links();
        for topic in topics {
            audience.revoke(&hub, &topic, &view.post);
            if !hub.fanout().has_subscribers(&topic) {
                continue;
            }
            let event = PostEvent::new(topic.to_string(), view.clone(), &links);
            let frame = protocol::event(Class::Hint, EventName::PostCreated, &event);
            hub.fanout()
                .send_post(&topic, view.post.id, &frame, |user| audience.receives(user, &view.post, &topic));
        }
        Ok(())
    }

    async fn post_updated(&mut self, view: PostView, before: &Post) -> Result<()> {
        let mut topics = topics_of(&view.post);
        for topic in topics_of(before) {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        topics.push(Topic::Post(before.id));
        let Some(audience) = self.audience(view.post.author, &topics).await? else { return Ok(()) };
        let hub = self.app.realtime.hub().clone();
        let links = self.app.media.links();
        for topic in topics {
            if !hub.fanout().has_subscribers(&topic) {
                continue;
            }
            let is_on = |post: &Post| topic == Topic::Post(post.id) || topics_of(post).contains(&topic);
            let receives = |user: UserId| is_on(&view.post) && audience.receives(user, &view.post, &topic);
            let received = |user: UserId| is_on(before) && audience.receives(user, before, &topic);
            let about: [&dyn std::fmt::Display; 2] = [&topic, &before.id];
            let event = PostEvent::new(topic.to_string(), view.clone(), &links);
            let updated = protocol::event(key(&about), EventName::PostUpdated, &event);
            hub.fanout().send_to_topic(&topic, &updated, receives);
            // For subscribers who saw the post in this topic before the edit and no longer do.
            let removed =
                protocol::event(key(&about), EventName::PostDeleted, &deleted(&topic, before.id, None));
            hub.fanout().send_to_topic(&topic, &removed, |user| received(user) && !receives(user));
            audience.revoke(&hub, &topic, &view.post);
        }
        Ok(())
    }

    async fn post_deleted(&mut self, post: &Post, author: &UserSummary) -> Result<()> {
        self.counts.remove(&post.id);
        let mut topics = topics_of(post);
        topics.push(Topic::Post(post.id));
        let Some(audience) = self.audience(author.id, &topics).await? else { return Ok(()) };
        let hub = self.app.realtime.hub().clone();
        for topic in topics {
            let about: [&dyn std::fmt::Display; 2] = [&topic, &post.id];
            let frame = protocol::event(key(&about), EventName::PostDeleted, &deleted(&topic, post.id, None));
            hub.fanout().send_to_topic(&topic, &frame, |user| audience.receives(user, post, &topic));
        }
        hub.fanout().revoke_topic(&Topic::Post(post.id), |_| true);
        Ok(())
    }

    async fn deliver_comment(&mut self, name: EventName, view: CommentView, post: &Post) -> Result<()> {
        let topic = Topic::Post(post.id);
        let Some((of_post, of_comment)) = self.audiences(&view.comment, post).await? else { return Ok(()) };
        let id = view.comment.id;
        let class = match name {
            EventName::CommentCreated => Class::Hint,
            _ => key(&[&topic, &id]),
        };
        let event = CommentEvent::new(topic.to_string(), view, &self.app.media.links());
        let frame = protocol::event(class, name, &event);
        let hub = self.app.realtime.hub();
        of_post.revoke(hub, &topic, post);
        hub.fanout().send_to_topic(&topic, &frame, |user| {
            of_post.receives(user, post, &topic)
                && of_comment.as_ref().is_none_or(|audience| audience.includes(user))
        });
        Ok(())
    }

    async fn comment_deleted(&mut self, comment: &Comment, post: &Post) -> Result<()> {
        let topic = Topic::Post(post.id);
        let Some((of_post, of_comment)) = self.audiences(comment, post).await? else { return Ok(()) };
        let event = deleted(&topic, post.id, Some(comment.id));
        let frame = protocol::event(key(&[&topic, &comment.id]), EventName::CommentDeleted, &event);
        let hub = self.app.realtime.hub();
        of_post.revoke(hub, &topic, post);
        hub.fanout().send_to_topic(&topic, &frame, |user| {
            of_post.receives(user, post, &topic)
                && of_comment.as_ref().is_none_or(|audience| audience.includes(user))
        });
        Ok(())
    }

    async fn counted(&mut self, post: PostId, author: UserId, counts: PostCountsEvent) -> Result<()> {
        let now = Instant::now();
        match self.counts.get_mut(&post) {
            Some(entry) if now < entry.sent_at + COUNTS_INTERVAL => {
                entry.next = Some((author, counts));
                Ok(())
            }
            _ => {
                self.counts.insert(post, Counts { sent_at: now, next: None });
                self.send_counts(post, author, &counts).await
            }
        }
    }

    async fn send_due_counts(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut due = Vec::new();
        // An entry stays while its interval runs, and for another one if counts are sent now.
        self.counts.retain(|post, entry| {
            if now < entry.sent_at + COUNTS_INTERVAL {
                return true;
            }
            entry.sent_at = now;
            due.extend(entry.next.take().map(|(author, counts)| (*post, author, counts)));
            due.last().is_some_and(|(last, ..)| last == post)
        });
        for (post, author, counts) in due {
            self.send_counts(post, author, &counts).await?;
        }
        Ok(())
    }

    async fn send_counts(&mut self, post: PostId, author: UserId, counts: &PostCountsEvent) -> Result<()> {
        let topic = Topic::Post(post);
        let Some(audience) = self.audience(author, std::slice::from_ref(&topic)).await? else {
            return Ok(());
        };
        let frame = state(EventName::PostCounts, &[&post], counts);
        self.app.realtime.hub().fanout().send_to_topic(&topic, &frame, |user| audience.includes(user));
        Ok(())
    }

    /// Sends `notification.created`, or only `notification.state` if the same notification was announced within the
    /// last hour.
    async fn notified(&mut self, recipient: UserId, id: NotificationId) -> Result<()> {
        if !self.app.realtime.hub().is_connected(recipient) {
            return Ok(());
        }
        let Some(view) = self.app.social.get_notification(recipient, id).await? else { return Ok(()) };
        if !self.announced.insert(self.app.clock.monotonic(), &view.notification.notice) {
            let mark = self.app.social.unread_notifications(recipient).await?;
            self.notifications_read(recipient, mark);
            return Ok(());
        }
        let notification = Notification::render(view, &self.app.media.links());
        let created = NotificationCreatedEvent { notification };
        let frame = protocol::event(about_notification(id), EventName::NotificationCreated, &created);
        self.app.realtime.hub().fanout().send_to_users(&[recipient], &frame);
        Ok(())
    }

    /// Sends `notification.deleted` for each retracted notification, or only `notification.state` if there are more
    /// than [`MAX_RETRACTED`].
    async fn retracted(&self, recipient: UserId, ids: &[NotificationId]) -> Result<()> {
        let hub = self.app.realtime.hub();
        if !hub.is_connected(recipient) {
            return Ok(());
        }
        let mark = self.app.social.unread_notifications(recipient).await?;
        if ids.len() > MAX_RETRACTED {
            self.notifications_read(recipient, mark);
            return Ok(());
        }
        for id in ids {
            let deleted = NotificationDeletedEvent { id: id.as_uuid(), unread_count: mark.unread_count };
            let frame = protocol::event(about_notification(*id), EventName::NotificationDeleted, &deleted);
            hub.fanout().send_to_users(&[recipient], &frame);
        }
        Ok(())
    }

    fn notifications_read(&self, user: UserId, mark: ReadMark) {
        let frame = state(EventName::NotificationState, &[], &NotificationRead::from(mark));
        self.app.realtime.hub().fanout().send_to_users(&[user], &frame);
    }
}

/// The state class of a notification: `notification.deleted` replaces `notification.created`, and vice versa.
fn about_notification(id: NotificationId) -> Class {
    Class::State(format!("notification:{id}").into())
}

/// The topics in which a post may be listed.
pub(super) fn topics_of(post: &Post) -> Vec<Topic> {
    let mut topics = vec![Topic::Home, Topic::Public, Topic::User(post.author)];
    topics.extend(post.hashtags.iter().cloned().map(Topic::Hashtag));
    topics
}

/// The state class of a post or comment in a topic: a later update or deletion replaces an earlier one.
fn key(about: &[&dyn std::fmt::Display]) -> Class {
    let about: String = about.iter().map(|part| format!(":{part}")).collect();
    Class::State(format!("feed{about}").into())
}

fn deleted(topic: &Topic, post: PostId, comment: Option<CommentId>) -> DeletedEvent {
    DeletedEvent {
        topic: topic.to_string(),
        post_id: post.as_uuid(),
        comment_id: comment.map(CommentId::as_uuid),
    }
}
