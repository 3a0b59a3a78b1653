//! What people are told of what others did.

use std::{collections::HashMap, time::Duration};

use blegram_domain::{
    CommentId, Notification, NotificationId, Page, PageRequest, PostId, Timestamp, UserId, UserSummary,
    notification::ReadMark,
};
use blegram_persistence::{comments, notifications, posts};

use crate::{
    CommentView, Event, PostView, Result, Social,
    view::{Muted, People},
};

/// How long a notification is kept.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How many notifications are said to be taken back when what they are about is deleted; of more, clients find out when
/// they look.
pub(crate) const MAX_RETRACTED: u64 = 1000;

/// A notification with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationView {
    /// The notification.
    pub notification: Notification,
    /// Who did it.
    pub actor: UserSummary,
    /// The post that it is about.
    pub post: Option<PostView>,
    /// The comment that it is about.
    pub comment: Option<CommentView>,
    /// Whether it is behind the read mark.
    pub is_read: bool,
}

impl Social {
    /// What `actor` is told, the newest first; what they may not see any more is left out.
    pub async fn notifications(&self, actor: UserId, page: &PageRequest) -> Result<Page<NotificationView>> {
        let slice = notifications::list_ids(&self.db, actor, page).await?;
        let notifications = notifications::list_by_ids(&self.db, &slice).await?;
        Ok(slice.into_page(self.view_notifications(actor, notifications).await?))
    }

    /// A notification as [`Social::notifications`] lists it to `actor`; `None` where it would be left out.
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
            People::read(&self.db, Some(actor), notifications.iter().map(|it| it.notice.actor)).await?;
        let posts = self.posts_of(actor, &notifications).await?;
        let comments = self.comments_of(actor, &notifications).await?;
        let view = |notification: Notification| {
            let notice = notification.notice;
            // Several may be about one thing.
            let post = notice.post.map(|id| posts.get(&id).cloned());
            let comment = notice.comment.map(|id| comments.get(&id).cloned());
            if matches!(post, Some(None)) || matches!(comment, Some(None)) {
                return None;
            }
            Some(NotificationView {
                actor: people.find_shown(notice.actor)?.clone(),
                post: post.flatten(),
                comment: comment.flatten(),
                is_read: mark.is_some_and(|mark| notification.id <= mark),
                notification,
            })
        };
        Ok(notifications.into_iter().filter_map(view).collect())
    }

    async fn posts_of(&self, viewer: UserId, all: &[Notification]) -> Result<HashMap<PostId, PostView>> {
        let ids: Vec<PostId> = all.iter().filter_map(|it| it.notice.post).collect();
        let posts = posts::list_by_ids(&self.db, &ids).await?;
        let views = self.view_posts(Some(viewer), posts, Muted::Shown).await?;
        Ok(views.into_iter().map(|view| (view.post.id, view)).collect())
    }

    async fn comments_of(
        &self,
        viewer: UserId,
        all: &[Notification],
    ) -> Result<HashMap<CommentId, CommentView>> {
        let ids: Vec<CommentId> = all.iter().filter_map(|it| it.notice.comment).collect();
        let comments = comments::list_by_ids(&self.db, &ids).await?;
        let views = self.view_comments(Some(viewer), comments).await?;
        Ok(views.into_iter().map(|view| (view.comment.id, view)).collect())
    }

    /// How far `actor` has read, and how many are newer.
    pub async fn unread_notifications(&self, actor: UserId) -> Result<ReadMark> {
        Ok(notifications::find_read_mark(&self.db, actor).await?)
    }

    /// Marks everything up to `up_to` as read, on every device. Never goes back; beyond the newest it ends there.
    pub async fn mark_notifications_read(&self, actor: UserId, up_to: NotificationId) -> Result<ReadMark> {
        let tx = self.db.write().await?;
        let is_moved = notifications::update_read_mark(&tx, actor, up_to).await?;
        let mark = notifications::find_read_mark(&tx, actor).await?;
        let read = is_moved.then_some(Event::NotificationsRead { user: actor, mark });
        self.commit(tx, read).await?;
        Ok(mark)
    }

    /// Forgets some notifications that are older than [`KEPT`] at `now`, a time that was checked; says whether there may
    /// be more.
    pub async fn forget_old(&self, now: Timestamp) -> Result<bool> {
        let tx = self.db.write().await?;
        let until = now - KEPT;
        let forgotten = notifications::delete_older_than(&tx, until, crate::erasure::BATCH).await?;
        tx.commit().await?;
        Ok(forgotten == crate::erasure::BATCH)
    }
}
