//! Liking posts and comments.

use blegram_domain::{CommentId, Notice, NoticeKind, Page, PageRequest, PostId, UserId};
use blegram_persistence::{
    Inserted, Tx, comments,
    likes::{self, LikeTarget},
    notifications, posts,
};

use crate::{
    Error, Event, Result, Social, UserView,
    comments::{find_visible_comment, lock_visible_comment},
    event::{Notifications, notified, retracted},
    posts::{find_visible, lock_accounts_shared, lock_visible},
};

/// Whether the actor likes a post or comment, and how many likes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikeState {
    /// Whether the actor likes it.
    pub liked: bool,
    /// The number of likes.
    pub like_count: u64,
}

impl Social {
    /// Likes a post that `actor` may see, and notifies its author. Liking it again changes nothing and notifies no one again.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the actor may not see the post.
    pub async fn like_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let (post, _) = lock_visible(&tx, actor, id).await?;
        let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
        let liked = self.like(&tx, actor, LikeTarget::Post(id), &notice).await?;
        let (inserted, added) = liked.ok_or(Error::PostNotFound)?;
        let like_count = self.finish_post(tx, id, inserted == Inserted::New, notified(added)).await?;
        Ok(LikeState { liked: true, like_count })
    }

    /// Removes a like, and retracts the author's notification. Works even if the actor may no longer see the post that
    /// they like.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the actor may not see the post and does not like it.
    pub async fn unlike_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let post = posts::find(&tx, id).await?.ok_or(Error::PostNotFound)?;
        let is_deleted = likes::delete(&tx, actor, LikeTarget::Post(id)).await?;
        let mut withdrawn = Notifications::new();
        if is_deleted {
            let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
            withdrawn = notifications::delete(&tx, &notice).await?;
        } else {
            find_visible(&tx, Some(actor), id).await?;
        }
        let like_count = self.finish_post(tx, id, is_deleted, retracted(withdrawn)).await?;
        Ok(LikeState { liked: false, like_count })
    }

    /// Likes a comment that `actor` may see, as [`Social::like_post`] does.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the comment is deleted or the actor may not see it.
    pub async fn like_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let comment = lock_visible_comment(&tx, actor, id).await?;
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
        let liked = self.like(&tx, actor, LikeTarget::Comment(id), &notice).await?;
        let (_, added) = liked.ok_or(Error::CommentNotFound)?;
        let like_count = self.finish_comment(tx, id, notified(added)).await?;
        Ok(LikeState { liked: true, like_count })
    }

    /// Removes a like, as [`Social::unlike_post`] does.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the comment is deleted, or the actor may not see it and does not like it.
    pub async fn unlike_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let comment = comments::find(&tx, id).await?.ok_or(Error::CommentNotFound)?;
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        let mut withdrawn = Notifications::new();
        if likes::delete(&tx, actor, LikeTarget::Comment(id)).await? {
            let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
            withdrawn = notifications::delete(&tx, &notice).await?;
        } else {
            find_visible_comment(&tx, Some(actor), id).await?;
        }
        let like_count = self.finish_comment(tx, id, retracted(withdrawn)).await?;
        Ok(LikeState { liked: false, like_count })
    }

    /// Inserts a like and its notification. `None` if the target no longer exists.
    async fn like(
        &self,
        tx: &Tx,
        actor: UserId,
        liked: LikeTarget,
        notice: &Notice,
    ) -> Result<Option<(Inserted, Notifications)>> {
        let now = self.clock.now();
        lock_accounts_shared(tx, [actor, notice.recipient]).await?;
        let id = likes::next_id(tx, actor, liked, now).await?;
        let Some(inserted) = likes::insert(tx, id, actor, liked).await? else {
            return Ok(None);
        };
        let added = match inserted {
            Inserted::New => notifications::insert(tx, &[*notice], now).await?,
            Inserted::Existing => Notifications::new(),
        };
        Ok(Some((inserted, added)))
    }

    async fn finish_post(
        &self,
        tx: Tx,
        id: PostId,
        is_changed: bool,
        events: impl Iterator<Item = Event>,
    ) -> Result<u64> {
        let post = posts::find(&tx, id).await?.ok_or(Error::PostNotFound)?;
        let counts = is_changed.then(|| Event::counts(&post));
        self.commit(tx, counts.into_iter().chain(events)).await?;
        Ok(post.like_count)
    }

    async fn finish_comment(
        &self,
        tx: Tx,
        id: CommentId,
        events: impl Iterator<Item = Event>,
    ) -> Result<u64> {
        let comment = comments::find(&tx, id).await?.ok_or(Error::CommentNotFound)?;
        self.commit(tx, events).await?;
        Ok(comment.like_count)
    }

    /// The users who like a post that `viewer` may see, most recent like first.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the viewer may not see the post.
    pub async fn post_likers(
        &self,
        viewer: Option<UserId>,
        id: PostId,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        find_visible(&self.db, viewer, id).await?;
        self.likers(viewer, LikeTarget::Post(id), page).await
    }

    /// The users who like a comment that `viewer` may see, most recent like first.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the viewer may not see the comment.
    pub async fn comment_likers(
        &self,
        viewer: Option<UserId>,
        id: CommentId,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        find_visible_comment(&self.db, viewer, id).await?;
        self.likers(viewer, LikeTarget::Comment(id), page).await
    }

    async fn likers(
        &self,
        viewer: Option<UserId>,
        liked: LikeTarget,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        let listed = likes::list_likers(&self.db, liked, page).await?;
        let users = self.view_users(viewer, &listed.targets).await?;
        Ok(listed.page_keys.into_page(users))
    }
}
