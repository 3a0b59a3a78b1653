use blegram_http::{MaybeViewer, Viewer, conditional::IfMatch};
use blegram_limits::Policy;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent, Versioned},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::{CommentParam, PostParam},
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        Render,
        comment::{Comment, CommentPage, CommentRevisionPage, CreateComment, NewComment, UpdateComment},
        post::Like,
        user::UserPage,
    },
};

pub(crate) struct CommentsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("createComment", Login::Required, &[Code::NotFound])
        .limited(Policy::Comment)
        .with_body()
        .tagged()
        .with_key()
        .with_location(),
    Operation::read("listComments", Login::Optional, &[Code::NotFound]).tagged().list_with_since(),
    Operation::read("getComment", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::read("listReplies", Login::Optional, &[Code::NotFound]).tagged().list_with_since(),
    Operation::write("updateComment", Login::Required, &[Code::NotFound, Code::Forbidden])
        .limited(Policy::Comment)
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteComment", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
    Operation::read("listCommentRevisions", Login::Required, &[Code::NotFound, Code::Forbidden])
        .tagged()
        .list(),
    Operation::write("likeComment", Login::Required, &[Code::NotFound]).limited(Policy::Reaction),
    Operation::write("unlikeComment", Login::Required, &[Code::NotFound])
        .limited(Policy::Reaction)
        .with_key(),
    Operation::read("listCommentLikers", Login::Optional, &[Code::NotFound]).tagged().list(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Comments")]
impl CommentsApi {
    /// Create a comment
    ///
    /// Comments on the post, or replies to the comment `parent_id`; a reply to a reply joins the same thread. Notifies
    /// the author of the post, the author of the parent comment and mentioned users, each at most once.
    /// 게시글에 댓글을 쓰거나 `parent_id` 댓글에 답글을 씁니다. 답글에 단 답글은 같은 스레드에 붙습니다. 게시글 작성자,
    /// 상위 댓글 작성자, 멘션된 사용자에게 각각 한 번만 알림이 갑니다.
    #[oai(path = "/posts/:post/comments", method = "post", operation_id = "createComment")]
    async fn create_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        body: Body<CreateComment>,
    ) -> ApiResult<Created<Comment>> {
        let NewComment { comment, parent } = body.0;
        let written = app.social.create_comment(viewer.id(), post.id()?, parent, comment).await;
        let written = written?;
        Ok(Created {
            location: Some(format!("/api/v1/comments/{}", written.comment.id)),
            version: Some(written.comment.version),
            body: Comment::render(written, &app.media.links()),
        })
    }

    /// List comments on a post
    ///
    /// Top-level comments, oldest first, each with its number of replies. To get only newer comments, send the ID of
    /// the last comment that you have as `since_id`.
    /// 최상위 댓글을 오래된 순서로, 답글 수와 함께 반환합니다. 마지막으로 받은 댓글의 ID를 `since_id`로 보내면 그 뒤에
    /// 달린 댓글만 받습니다.
    #[oai(path = "/posts/:post/comments", method = "get", operation_id = "listComments")]
    async fn list_comments(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        list: List,
    ) -> ApiResult<Paged<CommentPage>> {
        let post = post.id()?;
        let page = list.page(&[&post.to_string()])?;
        let items = app.social.post_comments(viewer.id(), post, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// Get a comment
    ///
    /// A deleted comment returns 404, unless it has replies: then it remains as a tombstone without author and text.
    /// 삭제된 댓글은 404를 반환합니다. 답글이 있으면 작성자와 본문 없이 자리만 남습니다.
    #[oai(path = "/comments/:comment", method = "get", operation_id = "getComment")]
    async fn get_comment(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
    ) -> ApiResult<Versioned<Comment>> {
        let comment = app.social.get_comment(viewer.id(), comment.id()?).await?;
        Ok(Render::render(comment, &app.media.links()))
    }

    /// List replies to a comment
    ///
    /// Oldest first. With `since_id`, returns only the replies that were added after the reply with that ID.
    /// 오래된 순서입니다. `since_id`를 보내면 그 답글 뒤에 달린 답글만 받습니다.
    #[oai(path = "/comments/:comment/replies", method = "get", operation_id = "listReplies")]
    async fn list_replies(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
        list: List,
    ) -> ApiResult<Paged<CommentPage>> {
        let comment = comment.id()?;
        let page = list.page(&[&comment.to_string()])?;
        let items = app.social.replies(viewer.id(), comment, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// Edit a comment
    ///
    /// Edits your own comment. Previous texts stay available as revisions, which only you and moderators can read.
    /// 내 댓글을 수정합니다. 이전 본문은 수정 이력에 남으며, 나와 운영진만 볼 수 있습니다.
    #[oai(path = "/comments/:comment", method = "patch", operation_id = "updateComment")]
    async fn update_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
        if_match: IfMatch,
        body: Body<UpdateComment>,
    ) -> ApiResult<Versioned<Comment>> {
        let updated = app.social.update_comment(viewer.id(), comment.id()?, body.0, &if_match.0).await;
        Ok(Render::render(updated?, &app.media.links()))
    }

    /// Delete a comment
    ///
    /// Deletes your own comment, or any comment on your own post. A comment with replies remains as a tombstone until
    /// they are deleted, too.
    /// 내 댓글이나 내 글에 달린 댓글을 삭제합니다. 답글이 있으면 답글이 모두 삭제될 때까지 자리만 남습니다.
    #[oai(path = "/comments/:comment", method = "delete", operation_id = "deleteComment")]
    async fn delete_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        app.social.delete_comment(viewer.id(), comment.id()?, &if_match.0).await?;
        Ok(NoContent)
    }

    /// List revisions of a comment
    ///
    /// Newest first, including the current text. Only the comment's author and moderators can list them; other users
    /// who can see the comment get 403.
    /// 현재 본문을 포함한 수정 이력을 최신순으로 반환합니다. 댓글 작성자와 운영진만 볼 수 있고, 댓글을 볼 수 있는 다른
    /// 사용자에게는 403을 반환합니다.
    #[oai(path = "/comments/:comment/revisions", method = "get", operation_id = "listCommentRevisions")]
    async fn list_comment_revisions(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
        list: List,
    ) -> ApiResult<Paged<CommentRevisionPage>> {
        let comment = comment.id()?;
        let page = list.page(&[&comment.to_string()])?;
        let items = app.social.comment_revisions(viewer.id(), viewer.role(), comment, &page).await;
        let items = items?;
        Ok(Paged::render(items))
    }

    /// Like a comment
    ///
    /// Notifies the author once. Liking it again has no effect.
    /// 작성자에게 한 번만 알림이 갑니다. 이미 좋아한 댓글이면 아무것도 바뀌지 않습니다.
    #[oai(path = "/comments/:comment/like", method = "put", operation_id = "likeComment")]
    async fn like_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.like_comment(viewer.id(), comment.id()?).await?.into()))
    }

    /// Unlike a comment
    ///
    /// Withdraws the notification to the author.
    /// 작성자에게 보낸 알림도 취소됩니다.
    #[oai(path = "/comments/:comment/like", method = "delete", operation_id = "unlikeComment")]
    async fn unlike_comment(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.unlike_comment(viewer.id(), comment.id()?).await?.into()))
    }

    /// List a comment's likers
    ///
    /// Most recent like first.
    /// 최근에 좋아한 순서입니다.
    #[oai(path = "/comments/:comment/likes", method = "get", operation_id = "listCommentLikers")]
    async fn list_comment_likers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the comment. 댓글 ID.
        comment: Path<CommentParam>,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let comment = comment.id()?;
        let page = list.page(&[&comment.to_string()])?;
        let items = app.social.comment_likers(viewer.id(), comment, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }
}
