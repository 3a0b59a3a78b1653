//! Notifications: listing them, the read mark, and retention.

use std::{collections::HashMap, time::Duration};

use blegram_domain::{
    CommentId, Notification, NotificationId, Page, PageRequest, PostId, Timestamp, UserId, UserSummary,
    notification::ReadMark,
};
use blegram_persistence::{comments, notifications};

use crate::{
    CommentView, Event, PostView, Result, Social,
    view::{Muted, People},
};

/// How long a notification is stored: 90 days.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The maximum number of notifications that a deletion retracts with an event. Clients find the others missing when
/// they next list.
pub(crate) const MAX_RETRACTED: u64 = 1000;

/// A notification with the content that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationView {
    /// The notification.
    pub notification: Notification,
    /// The user who caused it.
    pub actor: UserSummary,
    /// The post, if it is about one.
    pub post: Option<PostView>,
    /// The comment, if it is about one.
    pub comment: Option<CommentView>,
    /// Whether it is at or before the read mark.
    pub is_read: bool,
}

impl Social {
    /// The notifications of `actor`, newest first, without those whose content they may no longer see.
    pub async fn notifications(&self, actor: UserId, page: &PageRequest) -> Result<Page<NotificationView>> {
        let page_keys = notifications::list_ids(&self.db, actor, page).await?;
        let notifications = notifications::list_by_ids(&self.db, &page_keys).await?;
        Ok(page_keys.into_page(self.view_notifications(actor, notifications).await?))
    }

    /// A notification as [`Social::notifications`] lists it to `actor`; `None` if the list leaves it out.
    pub async fn get_notification(
        &self,
        actor: UserId,
        id: NotificationId,
    ) -> Result<Option<NotificationView>> {
        let notification = notifications::find(&self.db, actor, id).await?;
        Ok(self.view_notifications(actor, notification.into_iter().collect()).await?.pop())
    }

    async fn view_notifications(
        &self,
        actor: UserId,
        notifications: Vec<Notification>,
    ) -> Result<Vec<NotificationView>> {
        let mark = notifications::find_read_up_to(&self.db, actor).await?;
        let people =
            People::read(&self.db, Some(actor), notifications.iter().map(|n| n.notice.actor)).await?;
        let posts = self.posts_of(actor, &notifications).await?;
        let comments = self.comments_of(actor, &notifications).await?;
        let view = |notification: Notification| {
            let notice = notification.notice;
            // Clones, because several notifications may be about the same post or comment.
            let post = notice.post.map(|id| posts.get(&id).cloned());
            let comment = notice.comment.map(|id| comments.get(&id).cloned());
            if matches!(post, Some(None)) || matches!(comment, Some(None)) {
                return None;
            }
            Some(NotificationView {
                actor: people.find_visible_user(notice.actor)?.clone(),
                post: post.flatten(),
                comment: comment.flatten(),
                is_read: mark.is_some_and(|mark| notification.id <= mark),
                notification,
            })
        };
        Ok(notifications.into_iter().filter_map(view).collect())
    }

    async fn posts_of(&self, viewer: UserId, all: &[Notification]) -> Result<HashMap<PostId, PostView>> {
        let ids: Vec<PostId> = all.iter().filter_map(|n| n.notice.post).collect();
        let views = self.view_posts(Some(viewer), &ids, Muted::Included).await?;
        Ok(views.into_iter().map(|view| (view.post.id, view)).collect())
    }

    async fn comments_of(
        &self,
        viewer: UserId,
        all: &[Notification],
    ) -> Result<HashMap<CommentId, CommentView>> {
        let ids: Vec<CommentId> = all.iter().filter_map(|n| n.notice.comment).collect();
        let comments = comments::list_by_ids(&self.db, &ids).await?;
        let views = self.view_comments(Some(viewer), comments).await?;
        Ok(views.into_iter().map(|view| (view.comment.id, view)).collect())
    }

    /// The read mark of `actor` and the number of unread notifications.
    pub async fn unread_notifications(&self, actor: UserId) -> Result<ReadMark> {
        Ok(notifications::find_read_mark(&self.db, actor).await?)
    }

    /// Marks every notification up to `up_to` as read, on all devices. The mark never moves back, and never beyond the
    /// newest notification.
    pub async fn mark_notifications_read(&self, actor: UserId, up_to: NotificationId) -> Result<ReadMark> {
        let tx = self.db.write().await?;
        let is_moved = notifications::update_read_mark(&tx, actor, up_to).await?;
        let mark = notifications::find_read_mark(&tx, actor).await?;
        let read = is_moved.then_some(Event::NotificationsRead { user: actor, mark });
        self.commit(tx, read).await?;
        Ok(mark)
    }

    /// Deletes a batch of notifications older than [`RETENTION`] at `now`, which the caller has verified against clock
    /// jumps. Returns whether more may be left.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<bool> {
        let tx = self.db.write().await?;
        let until = now - RETENTION;
        let deleted = notifications::delete_older_than(&tx, until, crate::erasure::BATCH).await?;
        tx.commit().await?;
        Ok(deleted == crate::erasure::BATCH)
    }
}
