//! Liking posts and comments.

use blegram_domain::{CommentId, Notice, NoticeKind, Page, PageRequest, PostId, UserId};
use blegram_persistence::{
    Inserted,
    likes::{self, LikeTarget},
    notifications,
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
    /// [`Error::PostNotFound`] also if the actor may not see the post; [`Error::UserNotFound`] if the actor's account is not
    /// active.
    pub async fn like_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let post = lock_visible(&tx, actor, id).await?.post;
        let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
        let liked = likes::insert_post_like(&tx, actor, (id, post.author), now).await?;
        let (inserted, post) = liked.ok_or(Error::PostNotFound)?;
        // A like that existed already has notified its recipient.
        let added = match inserted {
            Inserted::New => notifications::insert_locked(&tx, &[notice], now).await?,
            Inserted::Existing => Notifications::new(),
        };
        let counts = (inserted == Inserted::New).then(|| Event::counts(&post));
        self.commit(tx, counts.into_iter().chain(notified(added))).await?;
        Ok(LikeState { liked: true, like_count: post.like_count })
    }

    /// Removes a like, and retracts the author's notification. Works even if the actor may no longer see the post that
    /// they like.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the actor may not see the post and does not like it.
    pub async fn unlike_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let Some(post) = likes::delete_post_like(&tx, actor, id).await? else {
            let (post, _) = find_visible(&tx, Some(actor), id).await?;
            tx.commit().await?;
            return Ok(LikeState { liked: false, like_count: post.like_count });
        };
        let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
        let withdrawn = notifications::delete(&tx, &notice).await?;
        self.commit(tx, [Event::counts(&post)].into_iter().chain(retracted(withdrawn))).await?;
        Ok(LikeState { liked: false, like_count: post.like_count })
    }

    /// Likes a comment that `actor` may see, as [`Social::like_post`] does.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the comment is deleted or the actor may not see it.
    pub async fn like_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let comment = lock_visible_comment(&tx, actor, id).await?;
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
        lock_accounts_shared(&tx, [actor, author]).await?;
        let liked = likes::insert_comment_like(&tx, actor, id, now).await?;
        let (inserted, comment) = liked.ok_or(Error::CommentNotFound)?;
        // A like that existed already has notified its recipient.
        let added = match inserted {
            Inserted::New => notifications::insert(&tx, &[notice], now).await?,
            Inserted::Existing => Notifications::new(),
        };
        self.commit(tx, notified(added)).await?;
        Ok(LikeState { liked: true, like_count: comment.like_count })
    }

    /// Removes a like, as [`Social::unlike_post`] does.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the comment is deleted, or the actor may not see it and does not like it.
    pub async fn unlike_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let Some(comment) = likes::delete_comment_like(&tx, actor, id).await? else {
            let comment = find_visible_comment(&tx, Some(actor), id).await?;
            tx.commit().await?;
            return match comment.author {
                Some(_) => Ok(LikeState { liked: false, like_count: comment.like_count }),
                None => Err(Error::CommentNotFound),
            };
        };
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
        let withdrawn = notifications::delete(&tx, &notice).await?;
        self.commit(tx, retracted(withdrawn)).await?;
        Ok(LikeState { liked: false, like_count: comment.like_count })
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
