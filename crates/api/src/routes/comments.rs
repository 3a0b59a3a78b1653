use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent, Versioned},
    body::Body,
    conditional::IfMatch,
    page::Paged,
    param::{CommentParam, CursorParam, LimitParam, ListQuery, PostParam, SinceParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        Linked,
        comment::{Comment, CommentPage, CommentRevisionPage, CreateComment, NewComment, UpdateComment},
        post::Like,
        user::UserPage,
    },
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct CommentsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Comments")]
impl CommentsApi {
    /// Comment on a post
    ///
    /// Or reply to a comment of it; a reply to a reply joins its thread. The author of what it is about is told, and
    /// whom it mentions.
    /// 댓글을 쓰거나 댓글에 답글을 씁니다. 답글에 단 답글은 같은 스레드에 붙습니다. 글쓴이와 멘션된 사람에게 알림이 갑니다.
    #[oai(path = "/posts/:post/comments", method = "post", operation_id = "createComment")]
    async fn create_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
        body: Body<CreateComment>,
    ) -> ApiResult<Created<Comment>> {
        let NewComment { comment, parent } = body.0;
        let written = app.social.create_comment(viewer.id(), post.id()?, parent, comment).await;
        let written = written.map_err(Problem::from)?;
        Ok(Created {
            location: Some(format!("/api/v1/comments/{}", written.comment.id)),
            version: Some(written.comment.version),
            body: Comment::linked(written, &app.media.links()),
        })
    }

    /// List the comments on a post
    ///
    /// Those at the top, the oldest first, with the number of their replies. `since_id`, the id of the last one that you
    /// have, lists what was added after it. 최상위 댓글을 오래된 순서로, 답글 수와 함께 보여 줍니다. 마지막으로 받은 댓글의 id를
    /// `since_id`로 보내면 그 뒤에 달린 댓글만 받습니다.
    #[oai(path = "/posts/:post/comments", method = "get", operation_id = "listComments")]
    async fn list_comments(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a post.
        post: Path<PostParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<CommentPage>> {
        let post = post.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("listComments", &[&post.to_string()])?;
        let items = app.social.post_comments(viewer.id(), post, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// Get a comment
    ///
    /// A deleted comment is not found, unless it has replies: then it is there without author and text.
    /// 삭제된 댓글은 없는 것으로 답하지만, 답글이 있으면 작성자와 본문 없이 남아 있습니다.
    #[oai(path = "/comments/:comment", method = "get", operation_id = "getComment")]
    async fn get_comment(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
    ) -> ApiResult<Versioned<Comment>> {
        let comment = app.social.get_comment(viewer.id(), comment.id()?).await.map_err(Problem::from)?;
        Ok(Linked::linked(comment, &app.media.links()))
    }

    /// List the replies to a comment
    ///
    /// The oldest first. `since_id` lists what was added after the reply with that id.
    /// 오래된 순서입니다. `since_id`를 보내면 그 답글 뒤에 달린 것만 받습니다.
    #[oai(path = "/comments/:comment/replies", method = "get", operation_id = "listReplies")]
    async fn list_replies(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<CommentPage>> {
        let comment = comment.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("listReplies", &[&comment.to_string()])?;
        let items = app.social.replies(viewer.id(), comment, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// Edit a comment of yours
    ///
    /// The old texts stay as revisions, which only you and moderators can read. 이전 본문은 수정 이력에 남으며, 나와 운영진만
    /// 볼 수 있습니다.
    #[oai(path = "/comments/:comment", method = "patch", operation_id = "updateComment")]
    async fn update_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
        if_match: IfMatch,
        body: Body<UpdateComment>,
    ) -> ApiResult<Versioned<Comment>> {
        let updated = app.social.update_comment(viewer.id(), comment.id()?, body.0, &if_match.0).await;
        Ok(Linked::linked(updated.map_err(Problem::from)?, &app.media.links()))
    }

    /// Delete a comment
    ///
    /// Yours, or one on a post of yours. With replies it stays as a tombstone until they are gone, too.
    /// 내 댓글이나 내 글에 달린 댓글을 지웁니다. 답글이 있으면 모두 지워질 때까지 자리만 남습니다.
    #[oai(path = "/comments/:comment", method = "delete", operation_id = "deleteComment")]
    async fn delete_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        app.social.delete_comment(viewer.id(), comment.id()?, &if_match.0).await.map_err(Problem::from)?;
        Ok(NoContent)
    }

    /// List revisions of a comment
    ///
    /// The newest first, the present text included. Only the comment's author and moderators may list them; others who see
    /// the comment get 403. 현재 본문을 포함한 수정 이력을 최신순으로 돌려줍니다. 댓글 작성자와 운영진만 볼 수 있고, 댓글을 볼
    /// 수 있는 다른 사람에게는 403을 돌려줍니다.
    #[oai(path = "/comments/:comment/revisions", method = "get", operation_id = "listCommentRevisions")]
    async fn list_comment_revisions(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<CommentRevisionPage>> {
        let comment = comment.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listCommentRevisions", &[&comment.to_string()])?;
        let items = app.social.comment_revisions(viewer.id(), viewer.role(), comment, &page).await;
        let items = items.map_err(Problem::from)?;
        Ok(Paged::render(items))
    }

    /// Like a comment
    ///
    /// Its author is told, once. Liking it again changes nothing.
    /// 작성자에게 한 번만 알림이 갑니다. 이미 좋아한 댓글이면 아무 일도 일어나지 않습니다.
    #[oai(path = "/comments/:comment/like", method = "put", operation_id = "likeComment")]
    async fn like_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.like_comment(viewer.id(), comment.id()?).await.map_err(Problem::from)?.into()))
    }

    /// Like a comment no more
    ///
    /// What its author was told is taken back.
    /// 작성자에게 갔던 알림도 거두어집니다.
    #[oai(path = "/comments/:comment/like", method = "delete", operation_id = "unlikeComment")]
    async fn unlike_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.unlike_comment(viewer.id(), comment.id()?).await.map_err(Problem::from)?.into()))
    }

    /// List who likes a comment
    ///
    /// The latest like first.
    /// 최근에 좋아한 순서입니다.
    #[oai(path = "/comments/:comment/likes", method = "get", operation_id = "listCommentLikers")]
    async fn list_comment_likers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a comment.
        comment: Path<CommentParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let comment = comment.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listCommentLikers", &[&comment.to_string()])?;
        let items = app.social.comment_likers(viewer.id(), comment, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }
}
