//! Liking posts and comments.

use blegram_domain::{CommentId, LikeId, Notice, NoticeKind, Page, PageRequest, PostId, UserId};
use blegram_persistence::{
    Inserted, Tx, comments,
    likes::{self, Liked},
    notifications, posts,
};

use crate::{
    Error, Result, Social, UserView,
    comments::{find_visible_comment, hold_visible_comment},
    posts::{find_visible, hold_visible},
};

/// How somebody stands to something that can be liked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikeState {
    /// Whether they like it.
    pub liked: bool,
    /// How many do.
    pub like_count: u64,
}

impl Social {
    /// Likes a post that `actor` sees, and tells its author. Liking it again changes nothing and tells nobody.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also when the actor may not see it.
    pub async fn like_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let (post, _) = hold_visible(&tx, actor, id).await?;
        let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
        self.like(&tx, actor, Liked::Post(id), &notice).await?.ok_or(Error::PostNotFound)?;
        finish(tx, Liked::Post(id), true).await
    }

    /// Takes a like back, and what its author was told.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also when the actor may not see it.
    pub async fn unlike_post(&self, actor: UserId, id: PostId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let (post, _) = find_visible(&tx, Some(actor), id).await?;
        if likes::delete(&tx, actor, Liked::Post(id)).await? {
            let notice = Notice::about_post(post.author, NoticeKind::PostLike, actor, id);
            notifications::delete(&tx, &notice).await?;
        }
        finish(tx, Liked::Post(id), false).await
    }

    /// Likes a comment that `actor` sees, as [`Social::like_post`] does.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also when the actor may not see it, and of one that is deleted.
    pub async fn like_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let comment = hold_visible_comment(&tx, actor, id).await?;
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
        self.like(&tx, actor, Liked::Comment(id), &notice).await?.ok_or(Error::CommentNotFound)?;
        finish(tx, Liked::Comment(id), true).await
    }

    /// Takes a like back, and what its author was told.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also when the actor may not see it, and of one that is deleted.
    pub async fn unlike_comment(&self, actor: UserId, id: CommentId) -> Result<LikeState> {
        let tx = self.db.write().await?;
        let comment = find_visible_comment(&tx, Some(actor), id).await?;
        let author = comment.author.ok_or(Error::CommentNotFound)?;
        if likes::delete(&tx, actor, Liked::Comment(id)).await? {
            let notice = Notice::about_comment(author, NoticeKind::CommentLike, actor, (comment.post, id));
            notifications::delete(&tx, &notice).await?;
        }
        finish(tx, Liked::Comment(id), false).await
    }

    async fn like(&self, tx: &Tx, actor: UserId, liked: Liked, notice: &Notice) -> Result<Option<()>> {
        let now = self.clock.now();
        let inserted = likes::insert(tx, LikeId::generate(now), actor, liked).await?;
        if inserted == Some(Inserted::New) {
            notifications::insert(tx, &[*notice], now).await?;
        }
        Ok(inserted.map(|_| ()))
    }

    /// Who likes a post that `viewer` sees, the latest first.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also when the viewer may not see it.
    pub async fn post_likers(
        &self,
        viewer: Option<UserId>,
        id: PostId,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        find_visible(&self.db, viewer, id).await?;
        self.likers(viewer, Liked::Post(id), page).await
    }

    /// Who likes a comment that `viewer` sees, the latest first.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also when the viewer may not see it.
    pub async fn comment_likers(
        &self,
        viewer: Option<UserId>,
        id: CommentId,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        find_visible_comment(&self.db, viewer, id).await?;
        self.likers(viewer, Liked::Comment(id), page).await
    }

    async fn likers(
        &self,
        viewer: Option<UserId>,
        liked: Liked,
        page: &PageRequest,
    ) -> Result<Page<UserView>> {
        let listed = likes::list_likers(&self.db, liked, page).await?;
        let users = self.view_users(viewer, &listed.targets).await?;
        Ok(listed.slice.into_page(users))
    }
}

async fn finish(tx: Tx, liked: Liked, is_liked: bool) -> Result<LikeState> {
    let like_count = match liked {
        Liked::Post(id) => posts::find(&tx, id).await?.ok_or(Error::PostNotFound)?.like_count,
        Liked::Comment(id) => comments::find(&tx, id).await?.ok_or(Error::CommentNotFound)?.like_count,
    };
    tx.commit().await?;
    Ok(LikeState { liked: is_liked, like_count })
}
